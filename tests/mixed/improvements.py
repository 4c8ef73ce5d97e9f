"""The faults of the real agent that ours does not copy: the issue's section "Faults are not contracts"."""

import json
import signal
import socket
import time

from harness.waiting import holds, until

from .stage import OURS, REAL, Stream, all_see, clocks_agree, command, test, whole


@test(improvement=True, smoke=True)
def reload_keeps_the_tags_file(stage):
    """The real agent replaces all tags by the configured ones and writes `{}`."""
    a, b = stage.cluster(REAL, OURS, names=["a", "b"])
    node = stage.agent("c", OURS, "-tags-file=tags", join=a)
    node.call("tags", {"Tags": {"role": "web", "dc": "east"}})
    with open(node.path("tags")) as file:
        before = file.read()
    node.signal(signal.SIGHUP)
    node.wait_log("Reloading configuration...")
    until(lambda: a.members()["c"]["Tags"] == {"role": "web", "dc": "east"}, 20, "the tags did not arrive")
    holds(lambda: node.tags() == {"role": "web", "dc": "east"}, 1, "the tags are gone")
    with open(node.path("tags")) as file:
        assert file.read() == before
    whole([a, b, node])


@test(improvement=True, smoke=True)
def start_that_is_interrupted_leaves(stage):
    """The real agent dies of the signal: those it had joined already see it fail."""
    a = stage.agent("a", REAL)
    with socket.create_server(("127.0.0.99", 7946)) as silent:
        b = stage.agent("b", OURS, "-join=" + a.address, "-join=127.0.0.99", profile="lan")
        a.sees_status("b", "alive")
        with silent.accept()[0]:
            assert b.interrupt() == 0, b.log()
    assert "Join completed" not in b.log(), b.log()
    a.sees_status("b", "left")


@test(improvement=True, smoke=True)
def snapshot_survives_sigkill(stage):
    """Whoever joined last is in the file although no event followed; nobody is lost on a kill."""
    seed = stage.agent("seed", REAL)
    node = stage.agent("node", OURS, "-snapshot=snapshot", join=seed)
    last = stage.agent("last", OURS, join=seed)
    whole([seed, node, last])

    def remembered():
        with open(node.path("snapshot")) as file:
            text = file.read()
        return "alive: seed " in text and "alive: last " in text

    until(remembered, 10, "the file does not name everybody")
    node.kill()
    seed.kill()
    last.sees_status("node", "failed")
    node.arguments.pop()
    node.start()
    node.sees_status("last", "alive", 30)
    node.wait_log("Re-joined to previously known node: last")


@test(improvement=True, smoke=True)
def member_updates_are_delivered_once(stage):
    """The real agent delivers an old update again with every later batch."""
    a, b = stage.cluster(REAL, OURS)
    b.wait_log("Received event: member-join")
    stream = Stream(b, "*")
    a.call("tags", {"Tags": {"role": "new"}})
    record = stream.wait({"Event": "member-update"}, 30)
    assert [member["Name"] for member in record["Members"]] == ["n1"], record
    for name in ("c", "d"):
        late = stage.agent(name, REAL, join=a)
        record = stream.wait({"Event": "member-join"}, 30)
        assert [member["Name"] for member in record["Members"]] == [name], record
        late.call("tags", {"Tags": {"role": name}})
        record = stream.wait({"Event": "member-update"}, 30)
        assert [member["Name"] for member in record["Members"]] == [name], record
    b.call("event", {"Name": "end", "Payload": None, "Coalesce": False})
    assert stream.drain("end") == []


@test(improvement=True, smoke=True)
def bad_pattern_is_answered(stage):
    """With an error and an empty body, and the connection stays; both command lines say so."""
    a, b = stage.cluster(REAL, OURS)
    for filters in ({"Name": "("}, {"Status": "["}, {"Tags": {"role": "["}}):
        with b.client() as client:
            error, body = client.ask("members-filtered", filters)
            assert error.startswith("Failed to compile regex: "), (filters, error)
            assert body == {"Members": []}, body
            assert len(client.call("members")["Members"]) == 2
    done = b.cli("members", "-name=(")
    assert done.returncode == 1 and "Failed to compile regex: " in done.stdout + done.stderr, done


@test(improvement=True, smoke=True, slow=True)
def interrupt_waits_for_the_whole_leave(stage):
    """On a profile where it takes longer than the three seconds of the real agent: exit 0, and the others see a leave."""
    a = stage.agent("a", REAL, profile="wan")
    b = stage.agent("b", OURS, profile="wan", join=a)
    b.wait_log("Join completed")
    whole([a, b])
    started = time.monotonic()
    assert b.interrupt(20) == 0, b.log()
    assert time.monotonic() - started < 2 * 5 + 1 + 5  # twice broadcast_timeout and one; five for a loaded machine
    a.sees_status("b", "left")
    assert "EventMemberFailed" not in a.log(), a.log()


@test(improvement=True, smoke=True)
def second_signal_ends_at_once(stage):
    a = stage.agent("a", REAL, profile="wan")
    b = stage.agent("b", OURS, profile="wan", join=a)
    b.wait_log("Join completed")
    whole([a, b])
    b.signal(signal.SIGINT)
    b.wait_log("Gracefully shutting down agent...")
    assert b.interrupt(10) == 1, b.log()


@test(improvement=True, smoke=True, slow=True)
def pruned_member_that_refutes_stays(stage):
    """The real agent erases it all the same, and it stays invisible though alive."""
    a, b, c = stage.cluster(OURS, OURS, REAL)
    clocks_agree([a, b, c])
    command(a, "force-leave", "-prune", "n3")
    # Twice the wait after which an order that nobody refuted is carried out.
    holds(lambda: all(node.statuses().get("n3") in ("alive", "leaving") for node in (a, b)), 12, "n3 was erased")
    whole([a, b, c])


@test(improvement=True)
def pruning_does_not_block(stage):
    """The real agent answers nothing for six seconds."""
    a, b, c = stage.cluster(OURS, REAL, OURS)
    with a.client() as busy, a.client() as other:
        busy.post("force-leave", {"Node": "n3", "Prune": True})
        for _ in range(20):
            other.call("members", seconds=5)
    # The real one has erased it.
    for node in (a, c):
        node.sees({"n1": "alive", "n2": "alive", "n3": "alive"})


@test(improvement=True, smoke=True)
def erased_member_does_not_come_back_on_hearsay(stage):
    """A third party that still has it cannot bring it back; it can itself."""
    a, b, c = stage.cluster(OURS, OURS, OURS)
    clocks_agree([a, b, c])
    c.kill()
    all_see([a, b], "n3", "failed")
    command(a, "force-leave", "-prune", "n3")
    for node in (a, b):
        node.sees({"n1": "alive", "n2": "alive"})
    holds(lambda: "n3" not in a.statuses() and "n3" not in b.statuses(), 3, "it came back")
    c.start()
    whole([a, b, c])


@test(improvement=True, smoke=True)
def a_failure_has_its_evidence(stage):
    """Who accused whom, by `why`, by `members -evidence`, over RPC."""
    a, b, c = stage.cluster(OURS, REAL, OURS)
    c.kill()
    all_see([a, b], "n3", "failed")
    text = command(a, "why", "n3")
    assert "suspects it in incarnation" in text and "declares it failed in incarnation" in text, text
    with a.client() as client:
        records = client.call("evidence", {"Node": "n3"})["Evidence"]
    kinds = [record["Kind"] for record in records]
    assert kinds.count("suspect") == kinds.count("dead") == 1 and kinds.index("suspect") < kinds.index("dead"), records
    incarnation = records[0]["Incarnation"] or records[1]["Incarnation"]
    for record in records:
        assert record["Node"] == "n3" and record["By"] in ("n1", "n2"), record
        assert record["Kind"] == "probe-failed" or record["Incarnation"] == incarnation > 0, record
        # A real accuser does not say how it fares; ours had not failed before.
        assert record["Health"] in ((0,) if record["By"] == "n1" and record["Kind"] != "dead" else (-1,)), record
    death = records[kinds.index("dead")]
    assert death["SuspectedFor"] > 0, death
    members = json.loads(command(a, "members", "-evidence", "-format=json"))["members"]
    pieces = {member["name"]: member["evidence"] for member in members}
    assert len(pieces["n3"]) == len(records) and pieces["n1"] == pieces["n2"] == [], pieces
    c.start()
    whole([a, b, c])
    text = command(a, "why", "n3")
    assert "is alive again, in incarnation" in text, text
    assert c.call("leave", seconds=20) is not False
    all_see([a, b], "n3", "left")
    assert "it says that it leaves" in command(a, "why", "n3")


@test(improvement=True, slow=True)
def encryption_is_turned_on_without_downtime(stage):
    """Keys first, then sealing what is sent, then refusing what is not sealed; nobody fails on the way."""
    key = "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8="
    nodes = stage.cluster(OURS, OURS, OURS)
    steps = (
        {"encrypt_key": key, "encrypt_verify_incoming": False, "encrypt_verify_outgoing": False},
        {"encrypt_key": key, "encrypt_verify_incoming": False, "encrypt_verify_outgoing": True},
        {"encrypt_key": key},
    )
    for step in steps:
        for node in nodes:
            assert node.interrupt(20) == 0, node.log()
            node.config = step
            other = nodes[0] if node is not nodes[0] else nodes[1]
            node.arguments = ["-profile=local", "-join=" + other.address]
            node.start()
            whole(nodes, 40)
    for node in nodes:
        assert "EventMemberFailed" not in node.log(), node.log()
