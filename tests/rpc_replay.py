#!/usr/bin/env python3
"""Replays the recorded RPC exchanges (`serf-rpc/`) against a live agent.

Each case gets the agents it was recorded with, in a private namespace. The recorded bytes of the client are sent, and the
agent's messages are compared value by value with the encodings of all values; what may differ is listed in
`volatile.toml`. Recordings named `client-*` have a second half: the program's own command line runs against a fake agent
that answers with the recorded bytes, and must send, print and return what the real one did.
"""

import fnmatch
import glob
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import agent as agents
from harness import msgpack, report, rpc, sandbox
from harness.waiting import until

ENCRYPTION_KEY = "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8="
WEB = ["-tag", "role=web", "-tag", "dc=east"]
HANDLER = "-event-handler=query:load=echo answer"
ANSWER_S = 12
LONGEST_PAUSE_S = 0.3

# Recordings that show what earlier ones left behind in the same agent: those are replayed first.
BEFORE = {
    "tags-after": ["tags-set", "tags-set-and-delete-same"],
    "client-monitor": ["client-keys-list", "client-keys-install", "client-keys-use", "client-keys-remove"],
    "stream-all": ["tags-set", "tags-set-and-delete-same"],
    "monitor": [
        "handshake-missing", "handshake-unknown-command-first", "handshake-version-0", "handshake-version-2",
        "handshake-version-minus1", "handshake-empty-body", "command-unknown", "command-empty", "seq-negative",
        "seq-float", "seq-string", "header-lower-case", "header-key-bin", "header-command-bin", "header-nil",
        "header-string", "header-garbage", "header-http", "body-missing", "members-filtered-bad-regex", "join-string",
        "event-name-bin", "event-coalesce-2", "event-coalesce-string", "event-payload-int", "install-key-unencrypted",
        "use-key-unencrypted", "remove-key-unencrypted", "list-keys-unencrypted", "query-relay-300",
    ],
}  # fmt: skip


def load(name):
    with open(os.path.join(report.shared(), "vectors", "serf-rpc", name + ".json")) as file:
        return json.load(file)


# --- the agents of a case -------------------------------------------------------------------------------------------


class Setting:
    """The agents that a recording was made with, started."""

    def __init__(self, case, program, peer, directory):
        self.case = case
        self.program = program
        self.peer = peer
        self.directory = directory
        self.started = []
        setup = case.get("setup", "")
        if case["id"].startswith("client-"):
            self.pair([HANDLER, "-tag", "role=web"], [HANDLER], 7946)
        elif setup.startswith("node1 127.0.0.1:7946 tags role=web; node2") or case["id"] == "get-coordinate-remote":
            self.pair(["-tag", "role=web"], [HANDLER, "-tag", "role=db"], 7947)
        elif "sesame" in setup:
            self.node1 = self.start("node1", "127.0.0.1", [], auth="sesame")
        elif "-encrypt=" in setup:
            self.node1 = self.start("node1", "127.0.0.1", ["-encrypt=" + ENCRYPTION_KEY])
        elif "[::1]" in setup:
            self.node1 = self.start("node1", "::1", [])
        elif case["id"] == "encoding-wide":
            tags = {"k%02d" % number: "v" for number in range(20)}
            tags["long"] = "x" * 260
            self.node1 = self.start("node-with-a-name-longer-than-thirty-one", "127.0.0.1", [], config={"tags": tags})
        else:
            self.node1 = self.start("node1", "127.0.0.1", WEB)

    def start(self, name, address, arguments, wait=True, program=None, **more):
        directory = os.path.join(self.directory, "%s-%d" % (name[:8], len(self.started)))
        node = agents.Agent(program or self.program, name, address, directory, arguments, **more)
        self.started.append(node)
        return node.start() if wait else node

    def pair(self, first, second, second_port):
        self.node1 = self.start("node1", "127.0.0.1", first)
        self.node2 = self.start("node2", "127.0.0.2", second, port=second_port, wait=False, program=self.peer)
        self.node2.arguments.append("-join=127.0.0.1:7946")
        if self.case["id"] == "stream-member-events":
            return  # node2 joins later, as a step of the recording
        self.node2.start()
        for node in (self.node1, self.node2):
            node.sees({"node1": "alive", "node2": "alive"})
        if self.case["id"] in ("get-coordinate-remote", "client-rtt"):
            until(
                lambda: self.node1.call("get-coordinate", {"Node": "node2"})["Ok"], 20, "node1 has no coordinate of node2"
            )

    def act(self, note):
        """The actions between the steps of `stream-member-events`, by the recording's remark."""
        if note in ("node2 joins", "node2 joins again"):
            self.node2.start()
        elif note == "node2 leaves":
            self.node2.call("leave", seconds=20)
            self.node2.wait()
            self.node1.sees_status("node2", "left")
        elif note == "force-leave -prune node2":
            self.node1.call("force-leave", {"Node": "node2", "Prune": True})
        elif note == "node2 is killed":
            self.node2.kill()
        elif note == "force-leave node2":
            self.node1.call("force-leave", {"Node": "node2"})

    def prepare(self):
        """Brings the agent into the state that the recording begins with."""
        for name in BEFORE.get(self.case["id"], []):
            prelude(name, self.node1)
        if listens(self.case):
            members = 1 if self.case["id"] == "stream-member-events" else len(self.started)
            until(lambda: delivered(self.node1.log(), members), 10, "earlier member events were not delivered")

    def stop(self):
        for node in self.started:
            node.kill()


def listens(case):
    """Whether the recording would show the first member-join too if it were not over."""
    values = [value.get("json") for step in case["steps"] for value in step.get("values", [])]
    commands = [value.get("Command") for value in values if isinstance(value, dict)]
    return "stream" in commands or "leave" in commands


def delivered(log, members):
    """Whether all members joined and the last member event has passed the coalescing window."""
    last = max(log.rfind("EventMemberJoin"), log.rfind("EventMemberUpdate"))
    return log.count("EventMemberJoin") == members and log.find("Received event: member-", last) > 0


# --- comparing ------------------------------------------------------------------------------------------------------


class Masks:
    def __init__(self, name):
        with open(os.path.join(report.TESTS, "volatile.toml"), "rb") as file:
            table = tomllib.load(file)
        self.entries = [entry for entry in table["rpc"] if name in entry.get("only", [name])]
        self.optional_logs = [entry["pattern"] for entry in table["log"]]

    def accepted(self, path):
        return {entry["accept"] for entry in self.entries if same_path(path, entry["path"])}

    def text(self, node, path=""):
        """The value in the recordings' notation, with what may differ replaced or sorted."""
        accepted = self.accepted(path)
        if node.is_map():
            parts = [
                "%s: %s" % (msgpack.to_wire(key), self.text(value, (path + "." if path else "") + str(key.value)))
                for key, value in node.value
            ]
        elif node.is_list():
            parts = [self.text(item, path + "[]") for item in node.value]
        else:
            return masked(node, accepted)
        if "order" in accepted:
            parts.sort()
        return "%s(%s)" % (msgpack.sized(node), ", ".join(parts))


def same_path(path, pattern):
    return path == pattern or ("*" in pattern and fnmatch.fnmatchcase(path, pattern.replace("[", "[[]")))


def masked(node, accepted):
    if "uint" in accepted and isinstance(node.value, int) and node.value >= 0 and node.shortest():
        return "<number>"
    if "float" in accepted and node.form == "float64":
        return "<float>"
    if node.is_text() and node.shortest():
        if "decimal" in accepted and node.value.isdigit():
            return "<digits>"
        if "text" in accepted:
            return "<text>"
        if "log" in accepted:
            return "<log> " + log_text(node.value)
    return msgpack.to_wire(node)


def log_text(line):
    """A log line without what may differ."""
    line = re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", line)
    return re.sub(r"(decode failed: |failed to decode request header: |Failed to compile regex: ).*", r"\1…", line, flags=re.S)


def disagreement(wanted, got, masks, strict):
    """Says how two lists of messages differ, or returns None. The rule for their order is in `volatile.toml`."""
    if not strict:
        got = [message for message in got if not is_late_record(message)]
    streams = [by_seq(messages, masks) for messages in (wanted, got)]
    for seq in sorted(set(streams[0]) | set(streams[1])):
        first, second = (settled(stream.get(seq, [])) for stream in streams)
        if first != second:
            return "messages of Seq %s differ\n%s" % (seq, difference(first, second))
    ids = [sorted(query_ids(messages)) for messages in (wanted, got)]
    if ids[0] != ids[1]:
        return "query ids %s, recorded %s" % (ids[1], ids[0])
    orders = [answer_order(messages) for messages in (wanted, got)]
    if orders[0] != orders[1]:
        return "answers in the order %s, recorded %s" % (orders[1], orders[0])
    return None


def query_ids(messages):
    """Which stream gets which id depends on the order of the streams, which is free; all ids together do not."""
    bodies = [message.body.plain() for message in messages if message.body is not None and message.body.is_map()]
    return [body["ID"] for body in bodies if "ID" in body]


def is_late_record(message):
    """The real agent may send records without a node just before `done` (a race at the deadline; ours must not)."""
    if not isinstance(message.body, msgpack.Node) or not message.body.is_map():
        return False
    record = message.body.plain()
    return record.get("From") == "" and record.get("Type") in ("ack", "response")


def by_seq(messages, masks):
    streams = {}
    for message in messages:
        seq = dict(message.header.plain())["Seq"]
        body = None if message.body is None else masks.text(message.body)
        record = message.body.plain() if message.body is not None and message.body.is_map() else {}
        streams.setdefault(seq, []).append((header_text(message.header), body, record))
    return streams


def header_text(header):
    """Error texts are compared byte for byte, but for the words of a regular-expression library."""
    error = header.value[0][1]
    if error.is_text() and error.shortest() and "Failed to compile regex: " in error.value:
        return "<error> Failed to compile regex, Seq %s" % header.value[1][1].value
    return msgpack.to_wire(header)


def settled(stream):
    """Acknowledgements and responses sorted by node, each node's own order kept; everything else stays in its place."""
    result, run = [], []
    for header, body, record in stream:
        if record.get("Type") in ("ack", "response"):
            run.append((record["From"], header, body))
            continue
        result += [item[1:] for item in sorted(run, key=lambda item: item[0])]
        run = []
        result.append((header, body))
    return result + [item[1:] for item in sorted(run, key=lambda item: item[0])]


def answer_order(messages):
    """Sequence numbers in the order in which their first message came: that is the answer."""
    order = []
    for message in messages:
        seq = message.header.plain()["Seq"]
        if seq not in order:
            order.append(seq)
    return order


def difference(wanted, got):
    lines = []
    for index in range(max(len(wanted), len(got))):
        first = wanted[index] if index < len(wanted) else None
        second = got[index] if index < len(got) else None
        if first != second:
            lines += ["  recorded %s" % shown(first), "  now      %s" % shown(second)]
    return "\n".join(lines)


def shown(message):
    if message is None:
        return "nothing"
    header, body = message
    return header + ("" if body is None else " " + body)


def messages_of(steps):
    wire = b"".join(bytes.fromhex(step["hex"]) for step in steps if step["from"] == "agent" and step.get("hex"))
    nodes, rest = msgpack.decode_all(wire)
    assert not rest, "the recording ends inside a value"
    found = []
    for node in nodes:
        if rpc.is_header(node) or not found:
            found.append(rpc.Message(node, None))
        else:
            found[-1] = rpc.Message(found[-1].header, node)
    return found


# --- the agent's half -----------------------------------------------------------------------------------------------


def converse(case, wire, act=None):
    """Sends the client's steps, each once the agent has said as much as it had in the recording."""
    steps = case["steps"]
    for index, step in enumerate(steps):
        if step["from"] == "agent":
            if act and step.get("note"):
                act(step["note"])
            wait_for_messages(wire, messages_of(steps[: index + 1]))
        elif step.get("eof"):
            wire.half_close()
        elif "one byte" in step.get("note", ""):
            for byte in bytes.fromhex(step["hex"]):
                wire.send(bytes([byte]))
        else:
            wire.send(bytes.fromhex(step["hex"]))


def wait_for_messages(wire, wanted, seconds=ANSWER_S):
    """Waits for as many values as these messages have, not counting the real agent's late records."""
    deadline = time.monotonic() + seconds
    while values(wire.messages()) < values(wanted) and not wire.closed and time.monotonic() < deadline:
        wire.receive(deadline - time.monotonic())


def values(messages):
    return sum(1 if message.body is None else 2 for message in messages if not is_late_record(message))


def wait_for_end(wire, seconds=5):
    deadline = time.monotonic() + seconds
    while not wire.closed and time.monotonic() < deadline:
        wire.receive(deadline - time.monotonic())
    return wire.closed


def probe(case, wire, masks):
    """One more harmless command: its answer, and whether the agent then closed, as recorded. Returns a complaint."""
    recorded = case["probe_after"]
    seen = len(wire.nodes)
    wire.send(msgpack.encode({"Command": "get-coordinate", "Seq": 99}) + msgpack.encode({"Node": "zzz"}))
    deadline = time.monotonic() + ANSWER_S
    while len(wire.nodes) < seen + len(recorded["agent"]) and not wire.closed and time.monotonic() < deadline:
        wire.receive(deadline - time.monotonic())
    wanted = [masks.text(msgpack.parse_wire(text)) for text in recorded["agent"]]
    got = [masks.text(node) for node in wire.nodes[seen:]]
    if wanted != got:
        return "the probe was answered differently\n  recorded %s\n  now      %s" % (wanted, got)
    closed = wait_for_end(wire) if recorded["then_closed"] else wire.closed
    if closed != recorded["then_closed"]:
        return "after the probe the connection was %s" % ("closed" if closed else "open")
    del wire.nodes[seen:]
    return None


def replay_agent(case, setting, deviation, strict):
    masks = Masks(case["id"])
    setting.prepare()
    wire = rpc.Wire(setting.node1.address, setting.node1.rpc_port)
    try:
        converse(case, wire, setting.act)
        wanted = deviation_messages(deviation) if "agent" in deviation else messages_of(case["steps"])
        wait_for_messages(wire, wanted)
        complaint = None
        closes = deviation.get("closed_by_agent", case.get("closed_by_agent"))
        if closes or any(step.get("eof") for step in case["steps"]):
            if not wait_for_end(wire):
                complaint = "the agent did not close the connection"
        elif "probe_after" in case or "probe_after" in deviation:
            complaint = probe(dict(case, **deviation), wire, masks)
        else:
            wire.half_close()
            wait_for_end(wire)
        complaint = disagreement(wanted, wire.messages(), masks, strict) or complaint
        return complaint or after_end(case, setting, masks)
    finally:
        wire.close()


def deviation_messages(deviation):
    nodes = [msgpack.parse_wire(text) for text in deviation["agent"]]
    found = []
    for node in nodes:
        if rpc.is_header(node):
            found.append(rpc.Message(node, None))
        else:
            found[-1] = rpc.Message(found[-1].header, node)
    return found


def prelude(name, node):
    """Replays an earlier recording for what it leaves behind; nothing is compared."""
    wire = rpc.Wire(node.address, node.rpc_port)
    case = load(name)
    converse(case, wire)
    if "probe_after" in case:
        wire.send(msgpack.encode({"Command": "get-coordinate", "Seq": 99}) + msgpack.encode({"Node": "zzz"}))
        probed = [rpc.Message(text, None) for text in case["probe_after"]["agent"]]
        wait_for_messages(wire, messages_of(case["steps"]) + probed)
    wire.half_close()
    wait_for_end(wire)
    wire.close()


def after_end(case, setting, masks):
    """The exit code and the last log lines, where a recording has them."""
    if "agent_exit_code" not in case:
        return None
    code = setting.node1.wait()
    if code != case["agent_exit_code"]:
        return "exit code %s, recorded %s" % (code, case["agent_exit_code"])
    lists = [required(lines, masks) for lines in (case["agent_log_tail"], setting.node1.log_lines())]
    if lists[1][-len(lists[0]) :] != lists[0]:
        return "the log ends with\n  %s\nrecorded\n  %s" % ("\n  ".join(lists[1][-8:]), "\n  ".join(lists[0]))
    return None


def required(lines, masks):
    texts = [log_text(line) for line in lines]
    return [text for text in texts if not any(fnmatch.fnmatchcase(text, p) for p in masks.optional_logs)]


# --- the command line's half ----------------------------------------------------------------------------------------


def replay_command(case, program, directory):
    """Runs the recorded command against a fake agent; returns a complaint or None."""
    listener = socket.create_server(("127.0.0.1", 7373))
    command = subprocess.Popen(
        case["command"],
        executable=program,
        cwd=directory,
        env=agents.ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        listener.settimeout(5)
        connection, _ = listener.accept()
        with connection:
            printed = play_agent(case, connection, command)
        rest, _ = command.communicate(timeout=10)
    except (TimeoutError, subprocess.TimeoutExpired, ConnectionError) as problem:
        return "the command: %s" % problem
    except AssertionError as problem:
        return "the command " + str(problem)
    finally:
        if command.poll() is None:
            command.kill()
            command.communicate()
        listener.close()
    text = (printed + rest).decode("utf-8", "surrogateescape")
    if text != case["stdout"]:
        return "the command printed %r, recorded %r" % (text, case["stdout"])
    if command.returncode != case["exit_code"]:
        return "the command ended with %s, recorded %s" % (command.returncode, case["exit_code"])
    return None


def play_agent(case, connection, command):
    """The recorded agent's part. Returns what the command printed before it was interrupted."""
    connection.settimeout(5)
    printed = b""
    clock = 0
    for step in case["steps"]:
        pause, clock = min(step["t"] - clock, LONGEST_PAUSE_S), step["t"]
        if step["from"] == "agent":
            if step.get("eof"):
                return printed
            time.sleep(pause)  # the recording's tempo is part of what is played, not a wait for something
            connection.sendall(bytes.fromhex(step["hex"]))
        elif step.get("eof"):
            rest = connection.recv(65536)
            assert not rest, "sent more than recorded: %s" % rest.hex()
        else:
            if "0473746f70" in step["hex"] or "a473746f70" in step["hex"]:
                if not printed:
                    printed = interrupt_when_printed(case["stdout"].encode(), command)
            expect(connection, bytes.fromhex(step["hex"]))
    return printed


def interrupt_when_printed(text, command):
    """`monitor` runs until it is interrupted: here once it has printed everything."""
    printed = b""
    while len(printed) < len(text):
        piece = os.read(command.stdout.fileno(), 65536)
        assert piece, "printed only %r" % printed
        printed += piece
    command.send_signal(signal.SIGINT)
    return printed


def expect(connection, wanted):
    got = b""
    while len(got) < len(wanted):
        piece = connection.recv(len(wanted) - len(got))
        if not piece:
            break
        got += piece
    assert got == wanted, "sent\n  %s\nrecorded\n  %s" % tuple(
        "; ".join(map(msgpack.to_wire, msgpack.decode_all(data)[0])) for data in (got, wanted)
    )


# --- the run --------------------------------------------------------------------------------------------------------


def replay(name, directory, program, peer, ours, deviation):
    case = load(name)
    setting = Setting(case, program, peer, directory)
    try:
        complaint = replay_agent(case, setting, deviation, strict=ours)
    finally:
        setting.stop()
    if complaint is None and name.startswith("client-"):
        complaint = replay_command(case, program, directory)
    assert complaint is None, complaint


# The longest recordings first, so that none is left alone at the end.
SLOW = ("stream-member-events", "client-", "leave", "get-coordinate-remote", "monitor", "stream-", "tags-", "force-")


def by_length(names):
    return sorted(names, key=lambda name: next((rank for rank, front in enumerate(SLOW) if name.startswith(front)), 99))


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    parser.add_argument("--peer", help="the second member's program where a recording has two (default: --program)")
    options = parser.parse_args()
    peer = options.peer or options.program
    ours = report.is_ours(options.program)
    marked = report.deviations("serf-rpc") if ours else {}
    if options.worker:
        sandbox.work(
            options.worker,
            lambda name, directory: replay(name, directory, options.program, peer, ours, marked.get(name, {})),
        )
        return 0
    report.check_ground(options.program)
    paths = glob.glob(os.path.join(report.shared(), "vectors", "serf-rpc", "*.json"))
    names = report.chosen(sorted(os.path.basename(path)[:-5] for path in paths), options.names)
    results = {}
    arguments = ["--program", os.path.abspath(options.program), "--peer", os.path.abspath(peer)]
    for name, result in sandbox.run(__file__, by_length(names), arguments, options.width):
        results[name] = result
        report.show(name, result, options.verbose)
    passed = [name for name in names if results[name]["ok"]]
    deviating = [name for name in passed if name in marked]
    print("serf-rpc: %d as recorded, %d deviations, of %d" % (len(passed) - len(deviating), len(deviating), len(names)))
    return report.close(len(passed), len(names) - len(passed))


if __name__ == "__main__":
    sys.exit(main())
