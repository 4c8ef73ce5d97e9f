"""The volatile values of `../volatile.toml`, the one list, and the rules for the order of log lines."""

import re
import tomllib
from pathlib import Path

_LIST = tomllib.loads((Path(__file__).parents[1] / "volatile.toml").read_text(encoding="utf-8"))


def _replacements(kind):
    return [(re.compile(entry["pattern"]), entry["replacement"]) for entry in _LIST[kind]]


def _whole(name):
    (pattern,) = (entry["pattern"] for entry in _LIST["whole"] if entry["name"] == name)
    return re.compile(pattern)


def _lines(rule):
    found = [re.compile(entry["pattern"]) for entry in _LIST["line"] if entry["rule"] == rule]
    if not found:
        raise KeyError(rule)
    return found


VALUES = _replacements("text")
WORDING = _replacements("wording")
GENERATED_KEY = _whole("generated key")
PEER_CLOSED = _whole("peer closed")
INFO_VOLATILE = set(_LIST["info"]["volatile"])
INFO_CLOCKS = set(_LIST["info"]["clocks"])
OPTIONAL = _lines("optional")
REPEATED = _lines("repeated")
RACY_LOG = _lines("racy")
(LATE,) = _lines("late")
(INNER_DEBUG,) = _lines("inner")
HURRIED = set(_LIST["hurried"]["runs"])


def wording(value):
    """The text with the words masked that belong to a program or a library."""
    for pattern, replacement in WORDING:
        value = pattern.sub(replacement, value)
    return value


def text(value):
    """The text with every volatile value masked."""
    value = wording(value)
    for pattern, replacement in VALUES:
        value = pattern.sub(replacement, value)
    return value


# Log lines come from several tasks, so two runs agree on the lines, on their order within a stream, and on the few
# orders between streams below, but not on the interleaving. The first pattern that matches names the stream.
STREAMS = [
    ("console", re.compile(r"\A==> ")),
    ("clients", re.compile(r"\] agent\.ipc: ")),
    ("discovery", re.compile(r"\] agent\.mdns: ")),
    ("events", re.compile(r"\] agent: (Received event|Event '|Script '|Error invoking)")),
    ("streams", re.compile(r"\] memberlist: (Stream connection|Dropped a stream)")),
    ("gossip", re.compile(r"\] memberlist: ")),
    ("votes", re.compile(r"\] serf: (Node name conflicts|Name conflict|minority|majority)")),
    ("rejoin", re.compile(r"\] serf: (Attempting re-join|Failed to re-join|Re-joined)")),
    ("keys", re.compile(r"\] serf: Received [a-z-]+ query")),
    ("serf", re.compile(r"\] serf: ")),
    ("agent", re.compile(r"")),
]

# (earlier, later): where both occur, the first "earlier" stands before the first "later".
ORDER = [
    (r"agent: Serf agent starting", r"EventMemberJoin"),
    (r"agent: Serf agent starting", r"agent: Received event"),
    (r"EventMemberJoin", r"agent: Received event: member-join"),
    (r"EventMemberUpdate", r"agent: Received event: member-update"),
    (r"agent: Received event: user-event", r"script output"),
    (r"agent: joining", r"agent: joined"),
    (r"Caught signal: (interrupt|terminated)", r"requesting (graceful leave|serf shutdown)"),
    (r"Gracefully shutting down", r"requesting graceful leave"),
    (r"Graceful leave triggered", r"requesting graceful leave"),
    (r"requesting graceful leave", r"EventMemberLeave: node1"),
    (r"EventMemberLeave: node1", r"requesting serf shutdown"),
    (r"requesting serf shutdown", r"agent: shutdown complete"),
    (r"Node name conflicts", r"minority in name conflict"),
    (r"minority in name conflict", r"requesting serf shutdown"),
    (r"Initiating key", r"serf: Received [a-z-]+ query"),
]
ORDER = [(re.compile(a), re.compile(b)) for a, b in ORDER]
