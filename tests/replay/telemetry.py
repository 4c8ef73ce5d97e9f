"""Judging telemetry: the dump of SIGUSR1 and the lines that statsd and statsite receive."""

import re
import socket
import threading
import time

import masks
import process

_DUMP = re.compile(
    r"\A\[<TIME>\]\[(?:G\] '[^']+': -?\d+\.\d{3}|"
    r"[CS]\] '[^']+': Count: \d+ (?:Min: \S+ Mean: \S+ Max: \S+ Stddev: \S+ )?Sum: -?\d+\.\d{3} LastUpdated: <TIME>)\Z"
)
_LINE = re.compile(r"\A([\w.-]+):(-?\d+\.\d{6})\|(c|g|ms)\Z")
DATAGRAM_LIMIT = 1400
INTERVAL = 10


def wait_for_interval_end(margin):
    """Waits until so many seconds before the end of a ten-second interval: a dump tells of finished ones only."""
    time.sleep((INTERVAL - margin - time.time()) % INTERVAL)


def judge_dump(recorded, stderr):
    """Every line well formed; the recorded counters with their values; samples come and go with the timing."""
    lines = masks.text(stderr).splitlines()
    problems = [f"not a line of the dump: {line!r}" for line in lines if not _DUMP.match(line)]
    want = {line for line in masks.text(recorded).splitlines() if "][C]" in line}
    missing = want - set(lines)
    if missing:
        problems.append(f"missing {sorted(missing)}, got {lines}")
    return "\n".join(problems) or None


class Sink:
    """A statsd on UDP 8125 and a statsite on TCP 8126."""

    def __init__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 8125))
        self.tcp = socket.create_server(("127.0.0.1", 8126))
        self.datagrams = []
        self.stream = b""
        for target in (self._datagrams, self._stream):
            threading.Thread(target=target, daemon=True).start()

    def _datagrams(self):
        while True:
            try:
                self.datagrams.append(self.udp.recv(65536).decode())
            except OSError:
                return

    def _stream(self):
        try:
            connection, _ = self.tcp.accept()
            while chunk := connection.recv(65536):
                self.stream += chunk
        except OSError:
            return

    def wait(self, condition):
        """Waits until both have what the condition asks of their text."""
        process.wait_until(lambda: condition("".join(self.datagrams)) and condition(self.stream.decode()), 10.0)

    def close(self):
        self.udp.close()
        self.tcp.close()
        return list(self.datagrams), self.stream.decode()


def _totals(text):
    """Counters by name and total, other lines by name and type alone: how often they come is a matter of time."""
    counters, others, odd = {}, set(), []
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            odd.append(line)
        elif match.group(3) == "c":
            counters[match.group(1)] = counters.get(match.group(1), 0.0) + float(match.group(2))
        else:
            others.add((match.group(1), match.group(3)))
    return counters, others, odd


def judge_sinks(recording, datagrams, stream):
    """The recorded counters with their totals and the recorded samples and gauges, on both ways out."""
    problems = []
    for title, recorded, seen in (("statsd", "".join(recording["statsd_datagrams"]), "".join(datagrams)),
                                  ("statsite", "".join(recording["statsite_stream"]), stream)):
        want_counters, want_others, _ = _totals(recorded)
        counters, others, odd = _totals(seen)
        problems += [f"{title}: not a metric: {line!r}" for line in odd]
        if want_counters != counters:
            problems.append(f"{title}: counters {sorted(counters.items())}, recorded {sorted(want_counters.items())}")
        if want_others - others:
            problems.append(f"{title}: missing {sorted(want_others - others)}")
        if others - want_others:
            problems.append(f"{title}: not in the recording {sorted(others - want_others)}")
    if any(len(datagram.encode()) > DATAGRAM_LIMIT or not datagram.endswith("\n") for datagram in datagrams):
        problems.append(f"statsd: a datagram over {DATAGRAM_LIMIT} bytes or without a newline at its end")
    return "\n".join(problems) or None
