"""What differs from run to run: the one list of volatile values, and the rules for the order of log lines.

Everything a replay treats as "may differ" stands in this file. Both sides, the recording and what the program under
test printed, go through the same masks before they are compared.
"""

import re

# ---------------------------------------------------------------------------------------------- values

# (name, pattern, replacement), applied in this order to any text.
VALUES = [
    # Log lines and the telemetry dump carry local time.
    ("time stamp", re.compile(r"\b\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\b"), "<TIME>"),
    ("syslog time", re.compile(r"\b[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\b"), "<TIME>"),
    ("dump time", re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC( m=\+[\d.]+)?"), "<TIME>"),
    # Ports handed out by the kernel; everything the recordings name on purpose is below 32768.
    ("ephemeral port", re.compile(r"(?<=\d:)(3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[4-6]\d{4})\b"), "<PORT>"),
    ("process id", re.compile(r"(?<=serf\[)(\d+|PID)(?=\])"), "<PID>"),
    # Measured by the two ends.
    ("round trip", re.compile(r"(?<=rtt: )\d+\.\d{3}(?= ms)"), "<MS>"),
    ("query time", re.compile(r"(?<=: )\d+\.\d\d(?= sec)"), "<SEC>"),
    # The order in which two answers to one multicast question came in.
    ("found peers", re.compile(r"joining: \[127\.0\.0\.1:7946 127\.0\.0\.1:7947\]"),
     "joining: [127.0.0.1:7947 127.0.0.1:7946]"),
    # Event streams as `monitor` prints them: clock values and ids.
    ("clock value", re.compile(r"(?<=LTime: )(0x[0-9a-f]+|\d+)"), "<LTIME>"),
    ("query id", re.compile(r"(?<=ID: )(0x[0-9a-f]+|\d+)"), "<ID>"),
]

# The one output that is random as a whole: 32 bytes in base64 on a line of its own (`keygen`).
GENERATED_KEY = re.compile(r"\A[A-Za-z0-9+/]{43}=\n\Z")

# Pieces of outputs that are compared byte for byte otherwise: our own version, and a regex library's words.
WORDING = [
    (re.compile(r"(?m)^Tribune \d+\.\d+\.\d+(-[\w.]+)?$"), "Tribune <VERSION>"),
    (re.compile(r"(?<=Failed to compile regex: )[^\n]+"), "<REGEX ERROR>"),
    (re.compile(r"(?<=failed to compile filter regex \(\(\): )[^\n]+"), "<REGEX ERROR>"),
]

# What `info` says about the machine, the build and the moment. Clocks are kept where one agent runs alone and
# nothing is going on (agent runs), and masked where a cluster has been busy.
INFO_VOLATILE = {
    "arch", "cpu_count", "goroutines", "max_procs", "version",
    "event_queue", "intent_queue", "query_queue", "health_score",
}
INFO_CLOCKS = {"event_time", "member_time", "query_time"}

# A client that finds its peer gone says one of many things, depending on who was faster.
PEER_CLOSED = re.compile(
    r"\AError connecting to Serf agent: "
    r"(client closed|EOF|(read|write) tcp [\d.:]+->[\d.:]+: "
    r"(use of closed network connection|(read|write): (connection reset by peer|broken pipe)))\n\Z"
)


def wording(value):
    """The text with the words masked that belong to a program or a library."""
    for pattern, replacement in WORDING:
        value = pattern.sub(replacement, value)
    return value


def text(value):
    """The text with every volatile value masked."""
    value = wording(value)
    for _, pattern, replacement in VALUES:
        value = pattern.sub(replacement, value)
    return value


# ---------------------------------------------------------------------------------------------- order

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

# Lines that a run may have or lack: the recordings themselves disagree about them (see section 6 and 7 of the spec).
OPTIONAL = [
    # Printed when the watcher of the gossip layer beats the one of the signals.
    re.compile(r"\[WARN\] agent: Serf shutdown detected, quitting\Z"),
    # The event of the agent's own leave is delayed by coalescing, the end may come first.
    re.compile(r"\[INFO\] agent: Received event: member-leave\Z"),
    # A handler that ends without reading what it is given.
    re.compile(r"\[ERR\] Error writing payload: write \|1: (file already closed|broken pipe)\Z"),
]

# Lines whose number of repetitions is a matter of timing: one stands for all.
REPEATED = [
    re.compile(r"Conflicting address for "),
    re.compile(r"serf: Name conflict for "),
]

# Member events are delivered a second late: where the recording was stopped before, a run that took longer shows them.
LATE = re.compile(r"\[INFO\] agent: Received event: member-(join|update|leave|failed|reap)\Z")

# Runs that end about a second after their start, just when their first member event is due.
HURRIED = {"agent-start-retry-join-max"}

# Lines of a busy agent's log that tell of a client which went away in the middle of something, and of answers that
# came too late: whether they appear is a matter of timing.
RACY_LOG = [
    re.compile(r"agent\.ipc: Failed to stream "),
    re.compile(r"agent\.ipc: failed to decode request header: read tcp .*: connection reset by peer"),
    re.compile(r"agent: Failed to respond to query .*: response is past the deadline"),
    re.compile(r"Error writing payload: write \|1: (file already closed|broken pipe)"),
    re.compile(r"memberlist: (Failed|Error|Push/Pull|Was able to connect|Refuting|Suspect|Marking|Got ping) .*node3"),
    re.compile(r"memberlist: Failed .*(127\.0\.0\.3|node3)"),
    re.compile(r"memberlist: Suspect node3 has failed"),
    re.compile(r"serf: (attempting reconnect|Removed node)"),
]

# What the gossip layer tells at DEBUG is its own business: how often a message comes by differs from run to run.
INNER_DEBUG = re.compile(r"\[DEBUG\] (serf|memberlist): ")
