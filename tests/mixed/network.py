"""Loss and partitions, by packet filter."""

import shutil
import subprocess

from harness.sandbox import Skipped
from harness.waiting import until

from .stage import Stream, all_see, test, whole


def filter_packets(*rules):
    """Puts an nftables rule set on everything that arrives over the loopback device; replaces an earlier one."""
    if shutil.which("nft") is None:
        raise Skipped("nftables is not installed")
    text = "\n".join(
        ["add table inet t", "flush table inet t", "add chain inet t c { type filter hook input priority 0; }"]
        + ["add rule inet t c " + rule for rule in rules]
    )
    done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped("nftables: " + done.stderr.strip())


def lose(percent):
    filter_packets("udp dport 7946 numgen random mod 100 < %d drop" % percent)


def part(left, right):
    """No datagram passes between the two groups, and no stream at all: a stream's source does not tell its group."""
    groups = ["{ %s }" % ", ".join(node.address for node in group) for group in (left, right)]
    filter_packets(
        "ip saddr %s ip daddr %s drop" % (groups[0], groups[1]),
        "ip saddr %s ip daddr %s drop" % (groups[1], groups[0]),
        "tcp dport 7946 drop",
    )


@test(kinds=2, smoke=True, slow=True)
def five_percent_loss(stage, first, second):
    """With every twentieth datagram lost nobody is declared failed, and everything still arrives."""
    lose(5)
    nodes = stage.cluster(first, second, first, second, first, second, arguments=["-event-handler=query:load=cat"])
    streams = [Stream(node, "user") for node in nodes]
    for round_ in range(5):
        for node in nodes[:2]:
            name = "%s-%d" % (node.name, round_)
            node.call("event", {"Name": name, "Payload": None, "Coalesce": False})
            for stream in streams:
                stream.wait({"Name": name}, 40)
    found = []

    def all_answer():
        with nodes[round_ % 2].client() as client:
            found.append(client.query("load", b"x", timeout_s=2, RelayFactor=2))
        return len(found[-1][0]) == len(found[-1][1]) == len(nodes)

    until(all_answer, 40, lambda _: found)
    whole(nodes)
    for node in nodes:
        assert "EventMemberFailed" not in node.log(), node.log()


@test(kinds=2, slow=True)
def heavy_loss_heals(stage, first, second):
    """At forty per cent members may be suspected and failed; when it is over everybody is back."""
    nodes = stage.cluster(first, second, first, second, config={"reconnect_interval": "1s"})
    lose(40)
    stream = Stream(nodes[0], "user")
    for number in range(10):
        nodes[1].call("event", {"Name": "e%d" % number, "Payload": None, "Coalesce": False})
    for number in range(10):
        stream.next(60)
    lose(0)
    whole(nodes, 60)


@test(kinds=2, smoke=True, slow=True)
def partition_and_healing(stage, first, second):
    """Each half sees the other fail; when the wire is whole again they find each other by themselves."""
    config = {"reconnect_interval": "1s"}
    nodes = stage.cluster(first, second, second, first, config=config)
    left, right = nodes[:2], nodes[2:]
    part(left, right)
    for group, others in ((left, right), (right, left)):
        for other in others:
            all_see(group, other.name, "failed", 60)
        for other in group:
            all_see(group, other.name, "alive")
    filter_packets()
    whole(nodes, 60)
    stream = Stream(right[1], "user")
    left[0].call("event", {"Name": "together", "Payload": None, "Coalesce": False})
    stream.wait({"Name": "together"}, 40)


@test(kinds=2, slow=True)
def events_during_a_partition_arrive_after_it(stage, first, second):
    """The exchange after the partition carries the buffered events."""
    nodes = stage.cluster(first, second, config={"reconnect_interval": "1s"})
    a, b = nodes
    stream = Stream(b, "user")
    part([a], [b])
    all_see([a], "n2", "failed", 60)
    a.call("event", {"Name": "meanwhile", "Payload": b"x", "Coalesce": False})
    filter_packets()
    whole(nodes, 60)
    stream.wait({"Name": "meanwhile", "Payload": b"x"}, 60)


@test(kinds=2, slow=True)
def one_way_loss_is_bridged(stage, first, second):
    """What a does not hear directly from b comes by way of others: nobody fails."""
    nodes = stage.cluster(first, second, first, second)
    a, b = nodes[:2]
    filter_packets("udp dport 7946 ip saddr %s ip daddr %s drop" % (b.address, a.address))
    marks = [len(node.log()) for node in nodes]
    stream = Stream(a, "user")
    for number in range(8):
        b.call("event", {"Name": "e%d" % number, "Payload": None, "Coalesce": False})
        stream.wait({"Name": "e%d" % number}, 40)
    coordinate = b.call("get-coordinate", {"Node": "n3"})
    until(lambda: b.call("get-coordinate", {"Node": "n4"})["Ok"] or coordinate["Ok"], 30, "no probe was answered")
    whole(nodes)
    for node, mark in zip(nodes, marks):
        assert "EventMemberFailed" not in node.log()[mark:], node.log()[mark:]


@test(kinds=2, slow=True)
def no_datagrams_but_streams(stage, first, second):
    """Two members between which only streams pass keep each other alive by the fallback ping."""
    nodes = stage.cluster(first, second)
    a, b = nodes
    filter_packets("udp dport 7946 drop")
    a.wait_log("Was able to connect to n2 but other probes failed, network may be misconfigured", 60)
    b.wait_log("Was able to connect to n1 but other probes failed, network may be misconfigured", 60)
    for node in nodes:
        assert "EventMemberFailed" not in node.log(), node.log()
    filter_packets()
    whole(nodes)
