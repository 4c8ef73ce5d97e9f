"""Who is a member, as seen by both programs: joins, leaves, failures, tags, names, versions."""

import json
import re
import signal

from harness.waiting import until

from .stage import OURS, REAL, Stream, all_see, clocks_agree, command, test, whole


@test(kinds=2, smoke=True)
def join_by_flag(stage, first, second):
    """The second joins the first at start; both know all of each other's record."""
    a = stage.agent("a", first, "-tag", "role=web", "-tag", "dc=east")
    b = stage.agent("b", second, "-tag", "role=db", join=a)
    whole([a, b])
    for node in (a, b):
        members = node.members()
        assert members["a"]["Tags"] == {"role": "web", "dc": "east"}, members
        assert members["b"]["Tags"] == {"role": "db"}, members
        for name, address in (("a", a.address), ("b", b.address)):
            record = members[name]
            assert record["Addr"] == bytes(map(int, address.split("."))), record
            versions = [record["Protocol" + end] for end in ("Min", "Max", "Cur")]
            versions += [record["Delegate" + end] for end in ("Min", "Max", "Cur")]
            assert versions == [1, 5, 2, 2, 5, 5], record


@test(kinds=2, smoke=True)
def join_by_command(stage, first, second):
    """Both command lines tell an agent to join the other."""
    a = stage.agent("a", first)
    b = stage.agent("b", second)
    c = stage.agent("c", first)
    for node, cli in zip((b, c), stage.clis()):
        printed = command(node, "join", "%s:%d" % (a.address, a.port), program=cli)
        assert printed == "Successfully joined cluster by contacting 1 nodes.\n", printed
    whole([a, b, c])


@test(kinds=2)
def join_nobody(stage, first, second):
    """A join that reaches nobody leaves the member as it was, and says why."""
    a, b = stage.cluster(first, second)
    done = a.cli("join", "127.0.0.99:7946")
    assert done.returncode == 1, done
    assert done.stdout.startswith("Error joining the cluster: 1 error occurred:\n\t* Failed to join 127.0.0.99"), done.stdout
    whole([a, b])


@test(kinds=2)
def join_over_ipv6(stage, first, second):
    a = stage.agent("a", first, address="::1", port=7946, rpc_port=7373)
    b = stage.agent("b", second, "-join=[::1]:7946", address="::1", port=7947, rpc_port=7374)
    whole([a, b])
    assert a.members()["b"]["Addr"] == bytes(15) + b"\x01", a.members()


@test(smoke=True)
def five_in_a_chain(stage):
    """Each joins the one before it; in the end everybody knows everybody."""
    kinds = (REAL, OURS, OURS, REAL, OURS)
    nodes = []
    for number, kind in enumerate(kinds):
        nodes.append(stage.agent("n%d" % number, kind, join=nodes[-1] if nodes else None))
    whole(nodes)


@test()
def two_clusters_merge(stage):
    """Joining one member of another cluster merges both."""
    left = stage.cluster(REAL, OURS, names=["l1", "l2"])
    right = stage.cluster(OURS, REAL, names=["r1", "r2"])
    command(left[1], "join", right[1].address)
    whole(left + right)


@test(kinds=2, smoke=True)
def leave_by_command(stage, first, second):
    """`serf leave`: the others see it left, the agent ends with 0."""
    a, b, c = stage.cluster(first, second, first)
    assert command(b, "leave") == "Graceful leave complete\n"
    assert b.wait() == 0
    all_see([a, c], "n2", "left")


@test(kinds=2)
def leave_by_interrupt(stage, first, second):
    a, b = stage.cluster(first, second)
    assert b.interrupt() == 0
    a.sees_status("n2", "left")


@test(kinds=2)
def terminated_is_failed(stage, first, second):
    """SIGTERM does not leave by default: exit code 1, and the others see a failure."""
    a, b = stage.cluster(first, second)
    b.signal(signal.SIGTERM)
    assert b.wait() == 1
    a.sees_status("n2", "failed")


@test(kinds=2)
def leave_on_terminate(stage, first, second):
    a = stage.agent("a", first)
    b = stage.agent("b", second, join=a, config={"leave_on_terminate": True})
    whole([a, b])
    b.signal(signal.SIGTERM)
    assert b.wait() == 0
    a.sees_status("b", "left")


@test(kinds=2, smoke=True)
def killed_is_failed(stage, first, second):
    """SIGKILL: every survivor, of either kind, sees a failure; the rest stays alive."""
    a, b, c, d = stage.cluster(first, second, first, second)
    b.kill()
    all_see([a, c, d], "n2", "failed")
    for node in (a, c, d):
        node.sees({"n1": "alive", "n2": "failed", "n3": "alive", "n4": "alive"})


@test(kinds=2)
def killed_with_lan_timing(stage, first, second):
    """The same with the default profile."""
    a, b, c = stage.cluster(first, second, second, profile="lan")
    c.kill()
    all_see([a, b], "n3", "failed", 60)


@test(kinds=2)
def stopped_and_continued(stage, first, second):
    """A process that stands still is found failed, refutes when it goes on, and is alive again."""
    a, b, c = stage.cluster(first, second, first)
    b.signal(signal.SIGSTOP)
    all_see([a, c], "n2", "failed")
    b.signal(signal.SIGCONT)
    whole([a, b, c])


@test(kinds=2)
def force_leave(stage, first, second):
    """A failed member becomes left on everybody's word."""
    a, b, c = stage.cluster(first, second, first)
    clocks_agree([a, b, c])
    c.kill()
    all_see([a, b], "n3", "failed")
    assert command(b, "force-leave", "n3") == ""
    all_see([a, b], "n3", "left")


@test(kinds=2)
def force_leave_of_alive_member_is_refuted(stage, first, second):
    """The accused member is alive and says so. (With only two, the real agent tells nobody.)"""
    a, b, c = stage.cluster(first, second, first)
    clocks = lambda: {node.stats()["serf"]["member_time"] for node in (a, b, c)}
    until(lambda: len(clocks()) == 1, 15, lambda _: "member clocks differ: %s" % clocks())
    command(a, "force-leave", "n2")
    whole([a, b, c])
    assert b.running()


@test(kinds=2)
def prune(stage, first, second):
    """A pruned member vanishes from every table."""
    a, b, c = stage.cluster(first, second, first)
    clocks_agree([a, b, c])
    c.kill()
    all_see([a, b], "n3", "failed")
    events = Stream(b, "member-reap")
    assert command(a, "force-leave", "-prune", "n3") == ""
    for node in (a, b):
        node.sees({"n1": "alive", "n2": "alive"})
    record = events.next()
    assert [member["Name"] for member in record["Members"]] == ["n3"], record


@test(kinds=2)
def prune_of_left_member(stage, first, second):
    a, b, c = stage.cluster(first, second, second)
    command(c, "leave")
    all_see([a, b], "n3", "left")
    clocks_agree([a, b])
    command(b, "force-leave", "-prune", "n3")
    for node in (a, b):
        node.sees({"n1": "alive", "n2": "alive"})


@test(kinds=2)
def pruned_member_comes_back(stage, first, second):
    """A pruned name may join again."""
    a, b, c = stage.cluster(first, second, first)
    clocks_agree([a, b, c])
    c.kill()
    all_see([a, b], "n3", "failed")
    command(b, "force-leave", "-prune", "n3")
    a.sees({"n1": "alive", "n2": "alive"})
    c.start()
    whole([a, b, c])


@test(kinds=2, smoke=True)
def restart_after_kill(stage, first, second):
    """The same name at the same address with a new incarnation is taken back."""
    a, b, c = stage.cluster(first, second, first)
    b.kill()
    all_see([a, c], "n2", "failed")
    b.start()
    whole([a, b, c])


@test(kinds=2)
def restart_before_failure_is_noticed(stage, first, second):
    a, b, c = stage.cluster(first, second, first)
    b.kill()
    b.start()
    whole([a, b, c])


@test(kinds=2)
def restart_after_leave(stage, first, second):
    a, b = stage.cluster(first, second)
    command(b, "leave")
    a.sees_status("n2", "left")
    b.wait()
    b.start()
    whole([a, b])


@test(kinds=2)
def left_name_moves(stage, first, second):
    """A name that left may come back at another address."""
    a, b = stage.cluster(first, second)
    command(b, "leave")
    a.sees_status("n2", "left")
    moved = stage.agent("n2", second, join=a)
    whole([a, moved])
    assert a.members()["n2"]["Addr"][3] == int(moved.address.rsplit(".", 1)[1])


@test(kinds=2)
def reconnect_without_join(stage, first, second):
    """A restarted member that joins nobody is called by the others."""
    a = stage.agent("a", first, config={"reconnect_interval": "1s"})
    b = stage.agent("b", second, join=a, config={"reconnect_interval": "1s"})
    whole([a, b])
    b.kill()
    a.sees_status("b", "failed")
    b.arguments = [word for word in b.arguments if not word.startswith("-join")]
    b.start()
    whole([a, b], 60)


@test(kinds=2, slow=True)
def failed_member_is_reaped(stage, first, second):
    config = {"reconnect_timeout": "1s", "tombstone_timeout": "1s"}
    nodes = [stage.agent("a", first, config=config)]
    for name, kind in (("b", second), ("c", first), ("d", second)):
        nodes.append(stage.agent(name, kind, join=nodes[0], config=config))
    a, b, c, d = nodes
    whole(nodes)
    c.kill()
    command(d, "leave")
    for node in (a, b):
        node.sees({"a": "alive", "b": "alive"}, 60)


@test(kinds=2, smoke=True)
def tags_change(stage, first, second):
    """Tags set and deleted at run time reach the other, as an event too."""
    a = stage.agent("a", first, "-tag", "role=web", "-tag", "old=1")
    b = stage.agent("b", second, join=a)
    whole([a, b])
    events = Stream(b, "member-update")
    assert command(a, "tags", "-set", "new=2", "-set", "role=x y", "-delete", "old") == "Successfully updated agent tags\n"
    wanted = {"role": "x y", "new": "2"}
    until(lambda: b.members()["a"]["Tags"] == wanted, 15, lambda _: b.members())
    record = events.next()
    assert record["Event"] == "member-update" and record["Members"][0]["Tags"] == wanted, record
    command(b, "tags", "-set", "late=é|,=")
    until(lambda: a.members()["b"]["Tags"] == {"late": "é|,="}, 15, lambda _: a.members())


@test(kinds=2)
def tags_too_big(stage, first, second):
    a, b = stage.cluster(first, second)
    done = b.cli("tags", "-set", "k=" + "x" * 600)
    assert done.returncode == 1 and "Encoded length of tags exceeds limit of 512 bytes" in done.stdout, done
    whole([a, b])


@test(kinds=2)
def tags_of_full_size(stage, first, second):
    """Tags just within the limit pass through joins, gossip and exchanges."""
    tags = {"k%d" % number: "v" * 80 for number in range(5)}
    a = stage.agent("a", first, config={"tags": tags})
    b = stage.agent("b", second, join=a)
    c = stage.agent("c", first, join=b)
    whole([a, b, c])
    assert b.members()["a"]["Tags"] == tags and c.members()["a"]["Tags"] == tags


@test(kinds=2)
def name_conflict_lost_by_the_newcomer(stage, holder, newcomer):
    """Four members know the name at one address; the second owner of the name loses the vote and ends with 0."""
    nodes = stage.cluster(holder, OURS, REAL, OURS, names=["dup", "b", "c", "d"])
    second = stage.agent("dup", newcomer, join=nodes[1], start=False)
    second.start(wait=False)
    assert second.wait(40) == 0
    whole(nodes)
    assert nodes[2].members()["dup"]["Addr"][3] == int(nodes[0].address.rsplit(".", 1)[1])


@test(kinds=2)
def name_conflict_without_votes(stage, holder, newcomer):
    """With name resolution off nobody ends."""
    config = {"disable_name_resolution": True}
    first = stage.agent("dup", holder, config=config)
    b = stage.agent("b", newcomer, join=first, config=config)
    whole([first, b])
    second = stage.agent("dup", newcomer, join=b, config=config, start=False)
    second.start(wait=False)
    b.wait_log("conflict", 30)
    b.call("event", {"Name": "x", "Payload": None, "Coalesce": False})
    assert first.running() and second.running() and b.running()


@test(kinds=2, smoke=True)
def protocol_versions(stage, first, second):
    """Versions 2 to 5 in one membership; each member tells its own."""
    nodes = [stage.agent("v5", first, "-tag", "role=five")]
    for version, kind in ((2, second), (3, second), (4, second)):
        name = "v%d" % version
        nodes.append(stage.agent(name, kind, "-protocol=%d" % version, "-tag", "role=r%d" % version, join=nodes[0]))
    whole(nodes)
    for node in nodes:
        members = node.members()
        told = {name: member["DelegateCur"] for name, member in members.items()}
        assert told == {"v5": 5, "v2": 2, "v3": 3, "v4": 4}, told
        assert members["v2"]["Tags"] == {"role": "r2"} and members["v3"]["Tags"] == {"role": "r3"}, members


@test(kinds=2)
def protocol_versions_carry_events_and_queries(stage, first, second):
    handler = "-event-handler=query:ping=echo pong"
    a = stage.agent("a", first, handler)
    b = stage.agent("b", second, handler, "-protocol=4", join=a)
    c = stage.agent("c", second, handler, "-protocol=3", join=a)
    whole([a, b, c])
    streams = [Stream(node, "user") for node in (a, b, c)]
    for node in (a, c):
        node.call("event", {"Name": "from-" + node.name, "Payload": b"x", "Coalesce": False})
        for stream in streams:
            stream.wait({"Name": "from-" + node.name, "Payload": b"x"})
    with a.client() as client:
        acks, answers = client.query("ping", timeout_s=2)
    assert {"a", "b"} <= set(acks) and answers["b"] == b"pong\n", (acks, answers)
    error, _ = c.client().ask("query", {"Name": "ping", "Timeout": 0})
    assert error == "Feature not supported", error


@test(kinds=2)
def protocol_switch_of_role_only_version(stage, first, second):
    """A member of version 2 changes its only tag."""
    a = stage.agent("a", first)
    b = stage.agent("b", second, "-protocol=2", "-tag", "role=one", join=a)
    whole([a, b])
    b.call("tags", {"Tags": {"role": "two"}})
    until(lambda: a.members()["b"]["Tags"] == {"role": "two"}, 15, lambda _: a.members())


@test(kinds=2, smoke=True)
def reachability(stage, first, second):
    a, b, c = stage.cluster(first, second, second)
    for cli in stage.clis():
        printed = command(a, "reachability", program=cli)
        assert printed == (
            "Total members: 3, live members: 3\nStarting reachability test...\nSuccessfully contacted all live nodes\n"
        ), printed


@test(kinds=2)
def reachability_misses_one(stage, first, second):
    """A member that stands still is missed before it counts as failed."""
    a, b, c = stage.cluster(first, second, second, profile="wan")
    c.signal(signal.SIGSTOP)
    done = a.cli("reachability")
    assert done.returncode == 1, done.stdout
    assert "Received less acks than live nodes! Missing acks from:\n\tn3\n" in done.stdout, done.stdout
    c.signal(signal.SIGCONT)


@test(kinds=2, smoke=True)
def rtt(stage, first, second):
    """Coordinates travel in acknowledgements: both agents and both command lines can tell the round trip."""
    a, b = stage.cluster(first, second)
    for node, other in ((a, "n2"), (b, "n1")):
        until(lambda: node.call("get-coordinate", {"Node": other})["Ok"], 20, "no coordinate of " + other)
        for cli in stage.clis():
            printed = command(node, "rtt", other, program=cli)
            assert re.fullmatch(r"Estimated %s <-> %s rtt: \d+\.\d{3} ms\n" % (other, node.name), printed), printed
    printed = command(a, "rtt", "n1", "n2")
    assert re.fullmatch(r"Estimated n1 <-> n2 rtt: \d+\.\d{3} ms\n", printed), printed


@test(kinds=2)
def coordinates_converge(stage, first, second):
    """After some probes the errors of both have come down from where they begin."""
    nodes = stage.cluster(first, second, first, second)

    def settled():
        for node in nodes:
            for other in nodes:
                found = node.call("get-coordinate", {"Node": other.name})
                if not found["Ok"] or found["Coord"]["Error"] >= 1.4:
                    return False
        return True

    until(settled, 60, "coordinates did not settle")
    for node in nodes:
        assert node.stats()["serf"]["coordinate_resets"] == "0"


@test(kinds=2, smoke=True)
def both_command_lines_on_both_agents(stage, first, second):
    """`members`, `info` and `event` say the same, whoever asks whom."""
    a = stage.agent("a", first, "-tag", "role=web")
    b = stage.agent("b", second, "-tag", "role=db", join=a)
    whole([a, b])
    tables, objects, infos = set(), set(), []
    for node in (a, b):
        for cli in stage.clis():
            tables.add("\n".join(sorted(command(node, "members", program=cli).splitlines())))
            members = json.loads(command(node, "members", "-format=json", program=cli))["members"]
            objects.add(json.dumps(sorted(members, key=lambda member: member["name"])))
            infos.append(json.loads(command(node, "info", "-format=json", program=cli)))
            detailed = command(node, "members", "-detailed", program=cli)
            assert detailed.count("Protocol Version: 5") == 2 and detailed.count("[2, 5]") == 2, detailed
            assert "dispatched! Coalescing enabled: true" in command(node, "event", "deploy", "x", program=cli)
    assert len(tables) == 1 and len(objects) == 1, (tables, objects)
    assert {info["agent"]["name"] for info in infos} == {"a", "b"}, infos
    assert all(info["serf"]["members"] == "2" for info in infos), infos


@test(kinds=2)
def members_filters(stage, first, second):
    a = stage.agent("web1", first, "-tag", "role=web")
    b = stage.agent("db1", second, "-tag", "role=db", join=a)
    whole([a, b])
    for node in (a, b):
        for cli in stage.clis():
            assert command(node, "members", "-tag", "role=w.*", program=cli).startswith("web1 "), cli
            assert command(node, "members", "-name=db.", "-status=alive", program=cli).startswith("db1 "), cli
            assert command(node, "members", "-status=failed", program=cli) == "\n", cli


@test(kinds=2)
def advertised_address_counts(stage, first, second):
    """Others use the advertised address and port, not the bound ones."""
    a = stage.agent("a", first)
    b = stage.agent("b", second, "-advertise=127.0.0.77:7999", address="127.0.0.77", port=7999, join=a)
    whole([a, b])
    assert a.members()["b"]["Port"] == 7999, a.members()


@test(kinds=2)
def longest_names(stage, first, second):
    """Names with spaces, non-ASCII letters and 128 bytes travel unchanged."""
    a = stage.agent("a" * 128, first)
    b = stage.agent("ünï cödé", second, join=a)
    whole([a, b])


@test(slow=True)
def thirty_members(stage):
    """A larger membership forms, loses three and keeps the rest."""
    nodes = [stage.agent("m0", REAL)]
    for number in range(1, 30):
        kind = OURS if number % 2 else REAL
        nodes.append(stage.agent("m%d" % number, kind, join=nodes[number // 2]))
    whole(nodes, 60)
    for node in nodes[10:13]:
        node.kill()
    wanted = {node.name: "failed" if node in nodes[10:13] else "alive" for node in nodes}
    for node in nodes[:10] + nodes[13:]:
        node.sees(wanted, 90)
