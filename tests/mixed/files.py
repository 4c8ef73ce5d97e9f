"""Files that one program writes and the other goes on with."""

import json
import os

from harness.waiting import holds, until

from .stage import OURS, REAL, all_see, command, test, whole

SNAPSHOT = "-snapshot=snapshot"


def successor(stage, old, kind, *arguments):
    """An agent of another kind in the directory, and with the name and address, of one that has ended."""
    words = [word for word in old.arguments if not word.startswith("-join") and not word.startswith("-profile")]
    folder = os.path.basename(old.directory)
    return stage.agent(old.name, kind, *words, *arguments, address=old.address, folder=folder, config=old.config, start=False)


def snapshot(node):
    with open(node.path("snapshot")) as file:
        return file.read()


def remembers(node, *names):
    """Waits until the snapshot names these members: the real agent writes it when it likes."""
    until(
        lambda: all("alive: %s " % name in snapshot(node) for name in names),
        30,
        lambda _: "the snapshot is %r" % snapshot(node),
    )


def written(node, others):
    """Provokes writes until the members are in the file; the real agent's buffer waits for a next event."""

    def poke():
        node.call("event", {"Name": "poke", "Payload": None, "Coalesce": False})
        return all("alive: %s " % other.name in snapshot(node) for other in others)

    until(poke, 30, lambda _: "the snapshot is %r" % snapshot(node))


@test(kinds=2, smoke=True)
def snapshot_hand_over(stage, first, second):
    """One program's snapshot brings the other back into the membership, with its clocks, without any join."""
    stays = stage.agent("stays", second)
    old = stage.agent("moves", first, SNAPSHOT, join=stays)
    whole([stays, old])
    for _ in range(10):
        stays.call("event", {"Name": "tick", "Payload": None, "Coalesce": False})
    with stays.client() as client:
        client.query("q", timeout_s=0.3)
    written(old, [stays])
    clocks = old.stats()["serf"]
    until(lambda: "event-clock: " in snapshot(old), 20, lambda _: snapshot(old))
    old.kill()
    stays.sees_status("moves", "failed")
    new = successor(stage, old, second)
    new.start()
    whole([stays, new])
    new.wait_log("Re-joined to previously known node: stays")
    assert int(new.stats()["serf"]["event_time"]) >= int(clocks["event_time"]) - 1, (clocks, new.stats())


@test(kinds=2)
def snapshot_there_and_back(stage, first, second):
    """first, then second, then first again on one file; nobody leaves lines that the other complains about."""
    stays = stage.agent("stays", first)
    node = stage.agent("moves", first, SNAPSHOT, join=stays)
    whole([stays, node])
    for kind in (second, first):
        written(node, [stays])
        node.kill()
        stays.sees_status("moves", "failed")
        node = successor(stage, node, kind)
        node.start()
        whole([stays, node])
        assert "Unrecognized snapshot line" not in node.log(), node.log()
        assert "Failed to" not in node.log(), node.log()


@test(kinds=2)
def snapshot_after_leave(stage, first, second):
    """After a leave the other program stays out, unless it is told to rejoin."""
    stays = stage.agent("stays", second)
    old = stage.agent("moves", first, SNAPSHOT, join=stays)
    whole([stays, old])
    written(old, [stays])
    command(old, "leave")
    old.wait()
    stays.sees_status("moves", "left")
    new = successor(stage, old, second)
    new.start()
    holds(lambda: list(new.statuses()) == ["moves"], 1.5, "it joined although it had left")
    new.kill()
    again = successor(stage, old, second, "-join=" + stays.address)
    again.start()
    whole([stays, again])


@test(kinds=2)
def snapshot_rejoin_after_leave(stage, first, second):
    stays = stage.agent("stays", second)
    old = stage.agent("moves", first, SNAPSHOT, "-rejoin", join=stays)
    whole([stays, old])
    written(old, [stays])
    command(old, "leave")
    old.wait()
    new = successor(stage, old, second)
    new.start()
    whole([stays, new])
    new.wait_log("Ignoring previous leave in snapshot")


@test(kinds=2)
def snapshot_forgets_the_failed(stage, first, second):
    """Members that failed are not tried first by a successor: the file says not-alive."""
    a = stage.agent("a", second)
    gone = stage.agent("gone", second, join=a)
    old = stage.agent("moves", first, SNAPSHOT, join=a)
    whole([a, gone, old])
    written(old, [a, gone])
    gone.kill()
    all_see([a, old], "gone", "failed")

    def told():
        old.call("event", {"Name": "poke", "Payload": None, "Coalesce": False})
        return "not-alive: gone" in snapshot(old)

    until(told, 20, lambda _: snapshot(old))
    old.kill()
    new = successor(stage, old, second)
    new.start()
    new.sees_status("a", "alive")


@test(kinds=2)
def old_events_are_not_delivered_after_restart(stage, first, second):
    """The clocks of the file keep events that were seen from coming again in the exchange after the restart."""
    stays = stage.agent("stays", second)
    old = stage.agent("moves", first, SNAPSHOT, "-event-handler=user=cat >> seen", join=stays)
    whole([stays, old])
    stays.call("event", {"Name": "once", "Payload": b"once", "Coalesce": False})
    until(lambda: os.path.exists(old.path("seen")), 10, "the event did not come")
    written(old, [stays])
    until(lambda: "event-clock: " in snapshot(old), 20, lambda _: snapshot(old))
    old.kill()
    new = successor(stage, old, second)
    new.start()
    whole([stays, new])
    stays.call("event", {"Name": "end", "Payload": b"end", "Coalesce": False})

    def seen():
        with open(new.path("seen")) as file:
            return file.read().split()

    until(lambda: "end" in seen(), 15, lambda _: seen())
    assert seen().count("once") == 1, seen()


@test(kinds=2, smoke=True)
def tags_file_hand_over(stage, first, second):
    old = stage.agent("a", first, "-tags-file=tags")
    old.call("tags", {"Tags": {"role": "web", "é<&>": "1\n2"}})
    with open(old.path("tags")) as file:
        content = file.read()
    old.kill()
    new = successor(stage, old, second)
    new.start()
    assert new.tags() == {"role": "web", "é<&>": "1\n2"}, new.tags()
    new.call("tags", {"Tags": {"x": "1"}, "DeleteTags": ["x"]})
    new.call("tags", {"DeleteTags": ["x"]})
    with open(new.path("tags")) as file:
        again = file.read()
    assert sorted(again.splitlines()) == sorted(content.splitlines()) or json.loads(again) == json.loads(content)
    assert again.startswith('{\n  "'), again


@test(kinds=2)
def keyring_file_hand_over(stage, first, second):
    key = "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8="
    other = "T9jncgl9mbLus+baTTa7q7nPSUrXwbDi2dhbtqir37s="
    old = stage.agent("a", first, "-keyring-file=keys", start=False)
    with open(old.path("keys"), "w") as file:
        json.dump([key], file)
    old.start()
    old.call("install-key", {"Key": other})
    old.call("use-key", {"Key": other})
    with open(old.path("keys")) as file:
        content = file.read()
    old.kill()
    new = successor(stage, old, second)
    new.start()
    assert new.call("list-keys")["Keys"] == {key: 1, other: 1}
    new.call("install-key", {"Key": key})
    with open(new.path("keys")) as file:
        assert file.read() == content == '[\n  "%s",\n  "%s"\n]' % (other, key)


@test(kinds=2)
def one_configuration_for_both(stage, first, second):
    """The same files and directories make the same agent."""
    tables = []
    for kind in (first, second):
        node = stage.agent("a", kind, "-config-dir=conf.d", start=False, address="127.0.0.50")
        os.makedirs(node.path("conf.d"))
        for name, content in (
            ("10.json", {"tags": {"role": "web", "dc": "x"}, "event_handlers": ["user=true"]}),
            ("20.json", {"TAGS": {"dc": "east"}, "event_handlers": ["query:load=echo 1"], "log_level": "debug"}),
            ("ignored.txt", {"nonsense": 1}),
        ):
            with open(os.path.join(node.path("conf.d"), name), "w") as file:
                json.dump(content, file)
        node.start()
        info = node.stats()
        tables.append((info["tags"], info["event_handlers"], info["agent"]))
        node.kill()
    assert tables[0] == tables[1], tables
    assert tables[0][0] == {"role": "web", "dc": "east"}, tables
