"""User events between both programs."""

from harness.waiting import until

from .stage import OURS, REAL, Stream, command, test, whole


@test(kinds=2, smoke=True)
def event_each_way(stage, first, second):
    """Name, payload and the coalesce mark arrive; Lamport times agree on both sides."""
    a, b = stage.cluster(first, second)
    streams = [Stream(node, "user") for node in (a, b)]
    payloads = (b"plain", bytes(range(256)), b"", b"x" * 450)
    for node in (a, b):
        for number, payload in enumerate(payloads):
            name = "%s-%d" % (node.name, number)
            node.call("event", {"Name": name, "Payload": payload, "Coalesce": False})
            times = [stream.wait({"Name": name})["LTime"] for stream in streams]
            assert times[0] == times[1], times
    for stream in streams:
        a.call("event", {"Name": "end-" + str(id(stream)), "Payload": None, "Coalesce": False})
    del streams


@test(kinds=2)
def payload_reaches_the_other_unchanged(stage, first, second):
    a, b = stage.cluster(first, second)
    stream = Stream(b, "user")
    for payload in (b"\x00\xff\n", "snö".encode(), b"\r\n" * 20, b"x" * 470):
        a.call("event", {"Name": "p", "Payload": payload, "Coalesce": False})
        assert stream.next()["Payload"] == payload


@test(kinds=2, smoke=True)
def coalesced_events_deliver_the_last(stage, first, second):
    """Of several events of one name within the window only the newest is delivered, on every member."""
    a, b = stage.cluster(first, second)
    for node in (a, b):
        # An exchange of states soon after a join carries events without the wish to be coalesced.
        node.wait_log("Received event: member-join")
    streams = [Stream(node, "user") for node in (a, b)]
    with a.client() as client:
        for number in range(5):
            client.call("event", {"Name": "deploy", "Payload": b"v%d" % number, "Coalesce": True})
        client.call("event", {"Name": "other", "Payload": b"1", "Coalesce": True})
    for stream in streams:
        records = sorted((stream.next() for _ in range(2)), key=lambda record: record["Name"])
        assert [(r["Name"], r["Payload"], r["Coalesce"]) for r in records] == [
            ("deploy", b"v4", True),
            ("other", b"1", True),
        ], records


@test(kinds=2)
def uncoalesced_events_arrive_once_each(stage, first, second):
    """Sixty events from both sides: each arrives exactly once at each of four members."""
    nodes = stage.cluster(first, second, first, second)
    streams = [Stream(node, "user") for node in nodes]
    sent = []
    for number in range(30):
        for node in nodes[:2]:
            name = "%s-%d" % (node.name, number)
            node.call("event", {"Name": name, "Payload": None, "Coalesce": False})
            sent.append(name)
    for stream in streams:
        got = [stream.next(30)["Name"] for _ in sent]
        assert sorted(got) == sorted(sent), sorted(set(sent) - set(got))


@test(kinds=2)
def replay_on_join(stage, first, second):
    """A newcomer with -replay gets the buffered events, one without does not."""
    a = stage.agent("a", first)
    for number in range(3):
        a.call("event", {"Name": "old", "Payload": b"%d" % number, "Coalesce": False})
    log = "-event-handler=user=cat >> seen"
    with_replay = stage.agent("b", second, log, "-replay", join=a)
    without = stage.agent("c", second, log, join=a)
    whole([a, with_replay, without])
    a.call("event", {"Name": "new", "Payload": b"end", "Coalesce": False})

    def seen(node):
        try:
            with open(node.path("seen")) as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    until(lambda: "end" in seen(with_replay) and "end" in seen(without), 15, "the new event did not arrive")
    assert sorted(seen(with_replay)) == ["0", "1", "2", "end"], seen(with_replay)
    assert seen(without) == ["end"], seen(without)


@test(kinds=2)
def replay_by_command(stage, first, second):
    a, other = stage.cluster(first, second, names=["a", "other"])
    b = stage.agent("b", second)
    a.call("event", {"Name": "old", "Payload": b"p", "Coalesce": True})
    for node in (a, other):
        node.wait_log("Received event: user-event: old")
        # Or it might come as gossip before the exchange.
        until(lambda: node.stats()["serf"]["event_queue"] == "0", 20, "the event is never told to the end")
    stream = Stream(b, "user")
    command(b, "join", "-replay", a.address)
    record = stream.next()
    assert (record["Name"], record["Payload"], record["Coalesce"]) == ("old", b"p", False), record


@test(kinds=2)
def too_big(stage, first, second):
    a, b = stage.cluster(first, second)
    done = b.cli("event", "big", "x" * 600)
    assert done.returncode == 1, done
    assert done.stdout == (
        "Error sending event: user event exceeds configured limit of 512 bytes before encoding\n"
    ), done.stdout


@test(kinds=2)
def larger_limit(stage, first, second):
    """With a raised limit an event larger than one datagram's usual budget still arrives."""
    a = stage.agent("a", first, config={"user_event_size_limit": 9000})
    b = stage.agent("b", second, join=a)
    whole([a, b])
    stream = Stream(b, "user")
    a.call("event", {"Name": "large", "Payload": b"z" * 1200, "Coalesce": False})
    assert stream.next()["Payload"] == b"z" * 1200


@test(kinds=2)
def clock_is_taken_over(stage, first, second):
    """A newcomer's next event comes after everything the cluster has seen."""
    a = stage.agent("a", first)
    for _ in range(20):
        a.call("event", {"Name": "tick", "Payload": None, "Coalesce": False})
    b = stage.agent("b", second, join=a)
    whole([a, b])
    stream = Stream(a, "user")
    b.call("event", {"Name": "mine", "Payload": None, "Coalesce": False})
    assert stream.wait({"Name": "mine"})["LTime"] >= 21


@test(smoke=True)
def handlers_of_both_kinds_run(stage):
    """One event runs the handler on every member."""
    handler = "-event-handler=user:deploy=cat > got"
    nodes = stage.cluster(REAL, OURS, OURS, arguments=[handler])
    command(nodes[0], "event", "-coalesce=false", "deploy", "payload")

    def got(node):
        try:
            with open(node.path("got")) as file:
                return file.read()
        except FileNotFoundError:
            return None

    for node in nodes:
        until(lambda: got(node) == "payload\n", 10, lambda _: "%s got %r" % (node, got(node)))
