"""Queries between both programs."""

import json

from harness.waiting import until

from .stage import OURS, REAL, Stream, command, test, whole

HANDLER = "-event-handler=query:load=echo $SERF_SELF_NAME; cat"


def all_answer(node, names, **more):
    """Asks until everybody has answered: a query is sent best effort, so one try may miss somebody."""

    def ask():
        with node.client() as client:
            found.append(client.query("load", **more))
        acks, answers = found[-1]
        assert len(set(acks)) == len(acks), acks
        return sorted(acks) == names == sorted(answers)

    found = []
    until(ask, 30, lambda _: found)


@test(kinds=2, smoke=True)
def query_each_way(stage, first, second):
    """Acknowledgements and answers of both come back to whoever asks."""
    a, b = stage.cluster(first, second, arguments=[HANDLER])
    for node in (a, b):
        with node.client() as client:
            acks, answers = client.query("load", b"15m", timeout_s=2)
        assert sorted(acks) == ["n1", "n2"], acks
        assert answers == {"n1": b"n1\n15m\n", "n2": b"n2\n15m\n"}, answers


@test(kinds=2, smoke=True)
def query_by_both_command_lines(stage, first, second):
    a, b = stage.cluster(first, second, arguments=[HANDLER])
    for node in (a, b):
        for cli in stage.clis():
            found = json.loads(command(node, "query", "-timeout=1500ms", "-format=json", "load", "x", program=cli))
            assert sorted(found["Acks"]) == ["n1", "n2"], found
            assert found["Responses"] == {"n1": "n1\nx\n", "n2": "n2\nx\n"}, found


@test(kinds=2)
def filter_by_node(stage, first, second):
    nodes = stage.cluster(first, second, first, second, arguments=[HANDLER])
    for node in nodes[:2]:
        all_answer(node, ["n2", "n3"], timeout_s=1.5, FilterNodes=["n2", "n3"])


@test(kinds=2)
def filter_by_tag(stage, first, second):
    """Patterns are not anchored; all of them must match."""
    a = stage.agent("a", first, HANDLER, "-tag", "role=web", "-tag", "dc=east")
    b = stage.agent("b", second, HANDLER, "-tag", "role=webdb", "-tag", "dc=west", join=a)
    c = stage.agent("c", first, HANDLER, "-tag", "role=db", join=a)
    whole([a, b, c])
    expected = (
        ({"role": "web"}, ["a", "b"]),
        ({"role": "db"}, ["b", "c"]),
        ({"role": "^db$"}, ["c"]),
        ({"role": "web", "dc": "w.st"}, ["b"]),
        ({"nope": "x"}, []),
        ({"role": "("}, []),
    )
    for node in (a, b):
        for tags, wanted in expected:
            all_answer(node, wanted, timeout_s=0.8, FilterTags=tags)


@test(kinds=2, smoke=True)
def relay_factor(stage, first, second):
    """Relayed copies of answers arrive, but every answer counts once."""
    nodes = stage.cluster(first, second, first, second, second, arguments=[HANDLER])
    for node in nodes[:2]:
        all_answer(node, ["n1", "n2", "n3", "n4", "n5"], timeout_s=2, RelayFactor=3)


@test(kinds=2)
def no_acknowledgements_unless_asked(stage, first, second):
    a, b = stage.cluster(first, second, arguments=[HANDLER])
    with a.client() as client:
        acks, answers = client.query("load", timeout_s=1, RequestAck=False)
    assert acks == [] and sorted(answers) == ["n1", "n2"], (acks, answers)


@test(kinds=2)
def answer_by_stream(stage, first, second):
    """A stream's client answers the query of the other; a second answer is refused."""
    a, b = stage.cluster(first, second)
    stream = Stream(b, "query:load")
    with a.client() as asking:
        asking.call("query", {"Name": "load", "Payload": b"q", "Timeout": 3 * 10**9, "RequestAck": True})
        seq = asking.next_seq
        record = stream.next()
        assert (record["Event"], record["Name"], record["Payload"]) == ("query", "load", b"q"), record
        stream.client.call("respond", {"ID": record["ID"], "Payload": b"by hand"})
        error, _ = stream.client.ask("respond", {"ID": record["ID"], "Payload": b"again"})
        assert error == "failed to respond to key query: response already sent", error
        records = []
        while not records or records[-1]["Type"] != "done":
            records.append(asking.record(seq))
    got = {(r["Type"], r["From"], r["Payload"]) for r in records}
    assert got == {
        ("ack", "n1", None),
        ("ack", "n2", None),
        ("response", "n2", b"by hand"),
        ("done", "", None),
    }, records


@test(kinds=2)
def large_answers(stage, first, second):
    """An answer near the limit arrives, one above it is not sent."""
    fits = "-event-handler=query:fits=head -c 950 /dev/zero | tr '\\0' x"
    over = "-event-handler=query:over=head -c 1100 /dev/zero | tr '\\0' x"
    a, b = stage.cluster(first, second, arguments=[fits, over])
    with a.client() as client:
        _, answers = client.query("fits", timeout_s=1.5)
        assert answers == {"n1": b"x" * 950, "n2": b"x" * 950}, {name: len(answer) for name, answer in answers.items()}
        acks, answers = client.query("over", timeout_s=1.5)
    assert sorted(acks) == ["n1", "n2"] and answers == {}, (acks, answers)


@test(kinds=2)
def late_answers_are_dropped(stage, first, second):
    a, b = stage.cluster(first, second, arguments=["-event-handler=query:slow=sleep 1.5; echo late"])
    with a.client() as client:
        acks, answers = client.query("slow", timeout_s=0.7)
    assert sorted(acks) == ["n1", "n2"] and answers == {}, (acks, answers)
    b.wait_log("response is past the deadline")


@test(kinds=2)
def many_at_a_time(stage, first, second):
    """Twenty queries under way at once keep their answers apart."""
    a, b = stage.cluster(first, second, arguments=["-event-handler=query=cat"])
    clients = [node.client() for node in (a, b) for _ in range(10)]
    seqs = []
    for number, client in enumerate(clients):
        body = {"Name": "q%d" % number, "Payload": b"%d" % number, "Timeout": 4 * 10**9, "RequestAck": True}
        client.call("query", body)
        seqs.append(client.next_seq)
    for number, (client, seq) in enumerate(zip(clients, seqs)):
        answers = {}
        record = client.record(seq)
        while record["Type"] != "done":
            if record["Type"] == "response" and record["From"]:
                answers[record["From"]] = record["Payload"]
            record = client.record(seq)
        assert answers == {"n1": b"%d\n" % number, "n2": b"%d\n" % number}, (number, answers)
        client.close()


@test(kinds=2)
def too_big(stage, first, second):
    a, b = stage.cluster(first, second)
    done = b.cli("query", "big", "x" * 1100)
    assert done.returncode == 1 and done.stdout == "Error sending query: query exceeds limit of 1024 bytes\n", done.stdout


@test(kinds=2)
def internal_queries_stay_inside(stage, first, second):
    """`reachability`'s ping and key queries never reach streams or handlers of either kind."""
    a, b = stage.cluster(first, second)
    stream = Stream(b, "*")
    command(a, "reachability")
    a.cli("keys", "-list")
    a.call("event", {"Name": "end", "Payload": None, "Coalesce": False})
    records = stream.drain("end")
    assert [record for record in records if record["Event"] == "query"] == [], records


@test()
def answers_from_a_large_group(stage):
    """Twelve members of both kinds all answer."""
    nodes = stage.cluster(*[REAL, OURS] * 6, arguments=[HANDLER])
    for node in nodes[:2]:
        all_answer(node, sorted(node.name for node in nodes), timeout_s=4, RelayFactor=1)
