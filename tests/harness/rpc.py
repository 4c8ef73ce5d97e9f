"""A small client of Serf's RPC for tests."""

import collections
import select
import socket
import time

from . import msgpack

Message = collections.namedtuple("Message", "header body")

# Commands whose answer has a body, also when it is an error.
WITH_BODY = {
    "join", "members", "members-filtered", "stats", "get-coordinate",
    "install-key", "use-key", "remove-key", "list-keys", "evidence",
}  # fmt: skip


class Closed(Exception):
    """The agent closed the connection."""


def is_header(node):
    """Every answer and record begins with a map of exactly Error and Seq; no body looks like that."""
    return node.is_map() and [key.value for key, _ in node.value] == ["Error", "Seq"]


class Wire:
    """One connection: bytes out, messages (header with its body, if any) in."""

    def __init__(self, address="127.0.0.1", port=7373, seconds=5):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        try:
            self.socket.connect((address, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.nodes = []
        self.closed = False

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.closed = True

    def receive(self, seconds):
        """Takes in what arrives within `seconds`; false when nothing did."""
        if self.closed:
            return False
        ready, _, _ = select.select([self.socket], [], [], max(0, seconds))
        if not ready:
            return False
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            self.closed = True
            return False
        nodes, self.rest = msgpack.decode_all(self.rest + piece)
        self.nodes.extend(nodes)
        return True

    def messages(self):
        """All messages so far."""
        found = []
        for node in self.nodes:
            if is_header(node) or not found:
                found.append(Message(node, None))
            else:
                found[-1] = Message(found[-1].header, node)
        return found

    def close(self):
        self.socket.close()


class Client:
    """A connection after the handshake (and authentication) that calls commands and gathers records."""

    def __init__(self, address="127.0.0.1", port=7373, auth=None, seconds=5, late_records=False):
        # The real agent may send records without a node just before `done` (a race at the deadline).
        self.late_records = late_records
        self.wire = Wire(address, port, seconds)
        self.next_seq = 0
        self.records = collections.defaultdict(list)
        self.call("handshake", {"Version": 1})
        if auth is not None:
            self.call("auth", {"AuthKey": auth})

    def close(self):
        self.wire.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def post(self, command, body=None):
        """Sends a request and returns its sequence number."""
        self.next_seq += 1
        data = msgpack.encode({"Command": command, "Seq": self.next_seq})
        self.wire.send(data + (b"" if body is None else msgpack.encode(body)))
        return self.next_seq

    def call(self, command, body=None, seconds=15):
        """Sends a request and returns the body of its answer (or None); an error in the answer is raised."""
        error, body = self.ask(command, body, seconds)
        if error:
            raise AssertionError("%s: %s" % (command, error))
        return body

    def ask(self, command, body=None, seconds=15):
        """Like `call`, but returns the pair of error text and body."""
        seq = self.post(command, body)
        return self.answer(command, seq, seconds)

    def answer(self, command, seq, seconds=15):
        """The answer to what `post` sent."""
        deadline = time.monotonic() + seconds
        header = self.take(deadline, command)
        while header["Seq"] != seq:
            self.records[header["Seq"]].append(self.take(deadline, command))
            header = self.take(deadline, command)
        bare = command not in WITH_BODY or header["Error"] == "Authentication required"
        return header["Error"], None if bare else self.take(deadline, command)

    def take(self, deadline, what="a record"):
        while not self.wire.nodes:
            if self.wire.closed:
                raise Closed("connection closed while waiting for " + what)
            if time.monotonic() > deadline:
                raise AssertionError("no answer in time: " + what)
            self.wire.receive(deadline - time.monotonic())
        return self.wire.nodes.pop(0).plain()

    def record(self, seq, seconds=10):
        """The next record of the stream, monitor or query that has this number."""
        deadline = time.monotonic() + seconds
        while not self.records[seq]:
            header = self.take(deadline)
            self.records[header["Seq"]].append(self.take(deadline))
        return self.records[seq].pop(0)

    def query(self, name, payload=None, timeout_s=0, seconds=20, **more):
        """Asks a query and waits for its end: the list of acknowledging nodes, and answers by node."""
        body = {"Name": name, "Payload": payload, "Timeout": int(timeout_s * 1e9), "RequestAck": True}
        body.update(more)
        self.call("query", body)
        seq = self.next_seq
        acks, answers = [], {}
        while True:
            record = self.record(seq, seconds)
            if record["Type"] == "done":
                return acks, answers
            if not record["From"] and self.late_records:
                continue
            if record["Type"] == "ack":
                acks.append(record["From"])
            else:
                answers[record["From"]] = record["Payload"]
