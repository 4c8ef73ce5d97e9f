"""The clusters of the recordings: what each description means as agents, and what has to happen between its cases.

The descriptions in the recordings are prose; this table is their reading. Everything about order and timing between
cases that the recordings imply but do not say is here too, one entry per case.
"""

import dataclasses
import os

KEY = "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8="


@dataclasses.dataclass(frozen=True)
class Agent:
    """An agent of a cluster: gossip on port 7946 and RPC on port 7373 of its address unless `options` say otherwise."""

    name: str
    address: str
    options: tuple = ()
    files: tuple = ()
    joins: str = ""
    # Where other agents and commands see it, if not at `address` and 7946.
    bind: str = ""

    def argv(self):
        argv = ["serf", "agent", f"-node={self.name}", f"-bind={self.bind or self.address}",
                f"-rpc-addr={self.address}:7373", *self.options]
        return argv + ([f"-join={self.joins}"] if self.joins else [])


def _tags(*pairs):
    return tuple(part for pair in pairs for part in ("-tag", pair))


_LOAD = ("-event-handler=query:load=echo load of $SERF_SELF_NAME",)
_WAN = ("-profile=wan",)
_SLOW = ("-profile=wan", "-broadcast-timeout=1s")
_RING = (("k.json", f'["{KEY}"]'),)

# Description (its beginning is enough) -> agents, in order of their start.
AGENTS = {
    "none": [],
    "three agents, default timing profile, not encrypted": [
        Agent("node1", "127.0.0.1", _tags("role=web", "dc=east") + _LOAD),
        Agent("node2", "127.0.0.2", _tags("role=db") + _LOAD, joins="127.0.0.1"),
        Agent("node3", "127.0.0.3", joins="127.0.0.1"),
    ],
    "two agents on the wan profile with -broadcast-timeout=1s": [
        Agent("node1", "127.0.0.1", _SLOW),
        Agent("node2", "127.0.0.2", _SLOW, joins="127.0.0.1"),
    ],
    "two agents on the wan profile (a leave takes about four seconds)": [
        Agent("node1", "127.0.0.1", _WAN),
        Agent("node2", "127.0.0.2", _WAN, joins="127.0.0.1"),
    ],
    "four agents, names of different lengths": [
        Agent("a-rather-long-name", "127.0.0.1"),
        Agent("n2", "127.0.0.2", _tags("x=a|b|c"), joins="127.0.0.1"),
        Agent("n3", "127.0.0.3", _tags("y=  sp "), joins="127.0.0.1"),
        Agent("ümläut-日本-longest-of-all", "127.0.0.4", _tags("z=1"), joins="127.0.0.1"),
    ],
    "one agent with rpc_auth set to 'sesame'": [
        Agent("node1", "127.0.0.1", ("-config-file=c.json",), files=(("c.json", '{"rpc_auth": "sesame"}'),)),
    ],
    "one agent without rpc_auth": [Agent("node1", "127.0.0.1")],
    "three agents, encrypted with one key": [
        Agent("node1", "127.0.0.1", ("-keyring-file=k.json",), files=_RING),
        Agent("node2", "127.0.0.2", ("-keyring-file=k.json",), files=_RING, joins="127.0.0.1"),
        Agent("node3", "127.0.0.3", (f"-encrypt={KEY}",), joins="127.0.0.1"),
    ],
    "one agent node1 with -protocol=3, tags role=web dc=east": [
        Agent("node1", "127.0.0.1", ("-protocol=3",) + _tags("role=web", "dc=east")),
    ],
    "one agent node1 with -protocol=2, tags role=web dc=east": [
        Agent("node1", "127.0.0.1", ("-protocol=2",) + _tags("role=web", "dc=east")),
    ],
    "one agent node1 with -protocol=2, no tags": [Agent("node1", "127.0.0.1", ("-protocol=2",))],
    'one agent node1, config file {"protocol": 4.7}': [
        Agent("node1", "127.0.0.1", ("-config-file=c.json",), files=(("c.json", '{"protocol": 4.7}'),)),
    ],
    "one agent node1, handler query:bin prints the bytes ff fe 41": [
        Agent("node1", "127.0.0.1", ("-event-handler=query:bin=printf '\\377\\376A'",)),
    ],
    "one agent node1, -bind=127.0.0.1:7999 -advertise=127.0.0.1": [
        Agent("node1", "127.0.0.1", ("-advertise=127.0.0.1",), bind="127.0.0.1:7999"),
    ],
    "node1 127.0.0.1, node2 127.0.0.2, both alive": [
        Agent("node1", "127.0.0.1"),
        Agent("node2", "127.0.0.2", joins="127.0.0.1"),
    ],
    # node2 joins by the command of the case.
    "node1 127.0.0.1 has sent user events e1 e2 (not coalescable) and e3": [
        Agent("node1", "127.0.0.1"),
        Agent("node2", "127.0.0.2"),
    ],
    "one agent node1 with -tags-file=t.json": [Agent("node1", "127.0.0.1", ("-tags-file=t.json",))],
}


def agents(description):
    """The agents of a description; unknown prose is an error, never a skipped case."""
    for beginning, table in AGENTS.items():
        if description == beginning or (beginning != "none" and description.startswith(beginning)):
            return table
    raise KeyError(f"no reading of the cluster {description!r}")


# Cases that need their cluster fresh: what went before spoils it, or the case itself starts from nothing.
FRESH = {"leave-twice", "join-no-replay-events", "join-replay-events", "reachability-too-many"}

# Cases that look at a state which takes a moment to spread: asked again until it is as recorded, or time is over.
EVENTUALLY = {
    "members-after-leave", "members-after-prune", "members-failed", "members-left", "members-leaving", "members-mixed",
    "force-leave-alive-after", "leave-refused-after", "columns-json-escapes", "tags-after", "slow-tags-after",
    "members-one", "members-text",
}

# Cases whose recorded outcome is a race inside the real program, with the number of tries that the recorded one gets and
# whether each needs a fresh cluster: broadcasts of the wan profile (a tick every 500 ms, probes carry them too) are
# done or not within a second, an agent that ends at once may or may not get its last answer out, and a member is seen
# leaving for a second only, which a machine with other work may sleep through.
RACES = {
    "slow-tags": (8, False), "slow-force-leave": (8, False), "slow-leave": (4, True), "leave-twice": (6, True),
    "members-leaving": (3, True), "reachability-too-many": (3, True),
}

# Commands that change nothing: when only some cases are wanted, others of these need not run before them.
HARMLESS = {"members", "info", "query", "rtt", "reachability", "join"}

# Cases that show what all the cases before them have left in the log.
WHOLE = {"monitor-events", "monitor-debug"}

# Before the case: actions of `client.Group`, each a tuple of a method's name and its arguments.
BEFORE = {
    "rpc-peer-closes": [("closing_peer", "127.0.0.9", 7373)],
    # A round trip is estimated from coordinates, and those of others come with the first probe that was answered.
    "rtt-two": [("wait_coordinates", ["node2"])],
    "rtt-unknown-quoted": [],
    "reachability-missing": [("kill", "node3")],
    "members-failed": [("wait_log", "node1", "EventMemberFailed: node3")],
    "members-leaving": [("background", "leave", ["serf", "leave", "-rpc-addr=127.0.0.2:7373"])],
    # Or the update of an earlier case would rightly come together with the one of this case.
    "monitor-events": [("wait_delivered", "node1", "Update", "member-update")],
    "reachability-too-many": [
        ("background", "leave", ["serf", "leave", "-rpc-addr=127.0.0.2:7373"]),
        ("wait_status", "node2", "leaving"),
    ],
    "leave-twice": [
        ("background", "first_leave", ["serf", "leave", "-rpc-addr=127.0.0.2:7373"]),
        ("wait_log", "node2", "agent.ipc: Graceful leave triggered"),
    ],
    "keys-list-missing-node": [("kill", "node3")],
    "columns-json-escapes": [
        ("command", ["serf", "tags", "-set", "h=<a&b>\u2028\"\\\té\x01"]),
    ],
    "join-no-replay-events": [("send_events",)],
    "join-replay-events": [("send_events",)],
    "force-leave-prune-alive": [("wait_log", "node1", "Received event: member-join"),
                                ("wait_log", "node2", "Received event: member-join")],
    # It has left in the case before; the one that came back had no tags.
    "leave": [("restart", "node2", ())],
}


def harmless(case):
    """Whether a case leaves its cluster as it was."""
    argv = case["argv"]
    return case["id"] not in BEFORE and (len(argv) < 2 or argv[1] in HARMLESS)


def write_files(directory, files):
    """Creates files below a directory."""
    for name, content in dict(files).items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(content)
