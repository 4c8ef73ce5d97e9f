"""mDNS, retry joins, and starting in any order."""

import os

from harness.sandbox import route_multicast
from harness.waiting import until

from .stage import OURS, Stream, test, whole


@test(kinds=2, smoke=True)
def mdns(stage, first, second):
    """Members find each other by multicast on the loopback device."""
    route_multicast()
    flags = ("-discover=clus",)
    a = stage.agent("a", first, *flags, address="127.0.0.1", port=7946, rpc_port=7373)
    a.wait_log("agent.mdns: Joined 1 hosts")
    b = stage.agent("b", second, *flags, address="127.0.0.1", port=7947, rpc_port=7374)
    whole([a, b])


@test(improvement=True)
def mdns_on_a_named_interface(stage):
    """The real agent panics here when IPv6 multicast is not to be had."""
    flags = ("-discover=clus", "-iface=lo")
    a = stage.agent("a", OURS, *flags, address="127.0.0.1", port=7946, rpc_port=7373)
    b = stage.agent("b", OURS, *flags, address="127.0.0.1", port=7947, rpc_port=7374)
    whole([a, b])


@test(kinds=2)
def mdns_clusters_keep_apart(stage, first, second):
    route_multicast()
    a = stage.agent("a", first, "-discover=one", address="127.0.0.1", port=7946, rpc_port=7373)
    b = stage.agent("b", second, "-discover=two", address="127.0.0.1", port=7947, rpc_port=7374)
    c = stage.agent("c", second, "-discover=one", address="127.0.0.1", port=7948, rpc_port=7375)
    whole([a, c])
    b.sees({"b": "alive"})


@test(kinds=2, smoke=True)
def retry_join(stage, first, second):
    """An agent started before its peer gets there by retrying."""
    b = stage.agent("b", second, "-retry-join=127.0.0.40", "-retry-interval=1s")
    b.wait_log("Join failed: ")
    a = stage.agent("a", first, address="127.0.0.40")
    whole([a, b])
    b.wait_log("Join completed. Synced with 1 initial agents")


@test(kinds=1)
def retry_join_gives_up(stage, kind):
    b = stage.agent("b", kind, "-retry-join=127.0.0.40", "-retry-interval=1s", "-retry-max=1")
    assert b.wait(30) == 1
    assert b.log().count("error joining: ") == 2, b.log()


@test(kinds=1)
def start_join_that_fails_ends_the_agent(stage, kind):
    b = stage.agent("b", kind, "-join=127.0.0.40", start=False).start(wait=False)
    assert b.wait(20) == 1
    assert "Failed to join 127.0.0.40" in b.log(), b.log()


@test(kinds=2)
def start_join_needs_one_of_many(stage, first, second):
    a = stage.agent("a", first)
    b = stage.agent("b", second, "-join=127.0.0.40", "-join=" + a.address, "-join=127.0.0.41")
    whole([a, b])


@test(kinds=2)
def join_by_name_and_address(stage, first, second):
    """The form NAME/ADDRESS, and host names from the hosts file."""
    a = stage.agent("a", first)
    b = stage.agent("b", second)
    b.call("join", {"Existing": ["a/%s:7946" % a.address], "Replay": False})
    whole([a, b])


@test(kinds=2)
def join_localhost(stage, first, second):
    if not os.path.exists("/etc/hosts"):
        return
    a = stage.agent("a", first, address="127.0.0.1")
    b = stage.agent("b", second, "-join=localhost:7946")
    whole([a, b])


@test(kinds=2)
def joins_from_everybody_at_once(stage, first, second):
    """Ten start at the same moment and all join one."""
    seed = stage.agent("seed", first)
    others = [stage.agent("n%d" % n, (first, second)[n % 2], join=seed, start=False) for n in range(10)]
    for node in others:
        node.start(wait=False)
    for node in others:
        node.wait_ready(30)
    whole([seed] + others, 60)
    stream = Stream(others[0], "user")
    seed.call("event", {"Name": "all-here", "Payload": None, "Coalesce": False})
    until(lambda: stream.next()["Name"] == "all-here", 15, "the event did not come")
