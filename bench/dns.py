#!/usr/bin/env python3
"""Measures the answers of DNS beside an echo that sends as many bytes, in one run.

    python3 bench/dns.py [--ours PATH] [--examples DIR] [--only NAME,...] [--json FILE] [--quick]

    NAME      what is measured                                                    minutes, at most
    a         A of a service of 3 instances, in a catalogue of 1,000 services                    1
    srv       SRV of the same                                                                    1
    a100      A of a service of 100 instances                                                    1
    absent    a service that is not there                                                        1
    overload  with a quarter of a core, three times the questions that it can answer             4

The questions come from `dnsperf`, 64 at a time, over UDP without EDNS; the floor is
`crates/server/examples/echo.rs`. CPU is user and system time of the server's threads for each
answer; both are asked in turns. `cargo build --release -p tribune -p tribune-server --bins
--examples` builds all; the overload needs a `cpu` controller of cgroups, and root. Each row has its
target and the load average of the machine; the last line is all rows as JSON. Nothing here is a
test.
"""

import argparse
import contextlib
import http.client
import os
import re
import socket
import struct
import subprocess
import time

import consul
from consul import registration, show, turns

PORT = 8600
HOST = "127.94.0.2"
SERVICES = 1000
OVERLOADED = "service-7.service.consul"
OVERLOAD_SECONDS = 20
ASKER_KIB = 4000
# Of one core: 25 ms in every 100 ms.
QUOTA_US, PERIOD_US = 25_000, 100_000


def question(name, kind):
    types = {"A": 1, "SRV": 33}
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", types[kind], 1)


def reply_of(host, name, kind):
    """The reply to one question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(question(name, kind), (host, PORT))
        return asking.recv(65535)


def perf(options, host, name, kind, seconds, *words):
    """What `dnsperf` has to say."""
    path = os.path.join(options.bench.folder, "questions")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{name} {kind}\n")
    command = ["dnsperf", "-s", host, "-p", str(PORT), "-d", path, "-l", str(seconds), "-T1", "-c1",
               *(words or ("-q64",))]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figure = lambda pattern: float(re.search(pattern, text).group(1))
    return {"sent": figure(r"Queries sent:\s+(\d+)"), "answered": figure(r"Queries completed:\s+(\d+)"),
            "lost": figure(r"Queries lost:\s+(\d+)"), "seconds": figure(r"Run time \(s\):\s+([\d.]+)")}


def press(options, daemon, name, kind):
    before = daemon.ran()
    report = perf(options, daemon.host, name, kind, options.seconds)
    return {"cpu": (daemon.ran() - before) * 1e6 / report["answered"],
            "rate": report["answered"] / report["seconds"]}


@contextlib.contextmanager
def echo(options, length):
    with options.bench.directory() as folder:
        daemon = options.bench.launch([os.path.join(options.examples, "echo"), f"{HOST}:{PORT}", str(length)],
                                      HOST, folder)
        try:
            end = time.monotonic() + 10
            while True:
                with contextlib.suppress(OSError):
                    reply_of(HOST, "ready", "A")
                    break
                if time.monotonic() > end:
                    raise RuntimeError("the echo does not answer")
            yield daemon
        finally:
            daemon.kill()


@contextlib.contextmanager
def served(options):
    """A server with 1,000 services of 3 instances, and one of 100."""
    with options.bench.server(dev=True, arguments=(f"-dns-port={PORT}",)) as server:
        names = [f"service-{number}" for number in range(SERVICES)] * 3 + ["large"] * 100
        asking = http.client.HTTPConnection(server.host, 8500)
        for number, name in enumerate(names):
            address = f"10.0.{number // 250}.{number % 250}"
            body = registration(f"node-{number}", "web", name).replace("10.0.0.1", address)
            asking.request("PUT", "/v1/catalog/register", body)
            answer = asking.getresponse()
            if (answer.status, answer.read()) != (200, b"true\n"):
                raise RuntimeError(f"{name} could not be registered")
        asking.close()
        server.quiet()
        yield server


def compare(options, label, name, kind, ratio, answers):
    with served(options) as server:
        reply = reply_of(server.host, name, kind)
        found = struct.unpack(">H", reply[6:8])[0]
        if found != answers:
            raise RuntimeError(f"{name} {kind}: {found} answers, not {answers}")
        with echo(options, len(reply)) as floor:
            result = turns(options, {"ours": server, "floor": floor},
                           lambda daemon: press(options, daemon, name, kind))
    for figure, unit, most in (("cpu", "us", ratio), ("rate", "1/s", None)):
        show(f"{label}: {figure}", result["ours"][figure], unit, result["floor"][figure], most)


@contextlib.contextmanager
def limited(pid):
    """A control group that gives a process a quarter of a core."""
    old = os.path.isdir("/sys/fs/cgroup/cpu")
    path = "/sys/fs/cgroup/cpu/tribune-bench" if old else "/sys/fs/cgroup/tribune-bench"
    os.mkdir(path)
    rules = ([("cpu.cfs_period_us", PERIOD_US), ("cpu.cfs_quota_us", QUOTA_US)] if old
             else [("cpu.max", f"{QUOTA_US} {PERIOD_US}")])
    try:
        for file, value in [*rules, ("cgroup.procs", pid)]:
            with open(os.path.join(path, file), "w", encoding="ascii") as control:
                control.write(str(value))
        yield
    finally:
        with open(os.path.join(os.path.dirname(path), "cgroup.procs"), "w", encoding="ascii") as control:
            control.write(str(pid))
        os.rmdir(path)


def press_over(options, daemon):
    """What is left of a side's peak when three times as much is offered."""
    with limited(daemon.pid):
        peak = perf(options, daemon.host, OVERLOADED, "A", options.seconds)
        peak = peak["answered"] / peak["seconds"]
        offered = int(peak * 3)
        # What has no answer after 100 ms is lost; so many may be on their way by then. The asker
        # has room for the answers that it has not read yet: those are given.
        under = perf(options, daemon.host, OVERLOADED, "A", options.scaled(OVERLOAD_SECONDS),
                     f"-Q{offered}", f"-q{max(64, offered)}", "-t0.1", f"-b{ASKER_KIB}")
    answered = under["answered"] / under["seconds"]
    return {"peak": peak, "offered": under["sent"] / under["seconds"], "within 100 ms": answered,
            "kept": answered / peak}


def bench_overload(options):
    """Beside an echo, as the asker needs more than the core that the server leaves it: what an echo
    keeps of its own peak is what can be kept."""
    with served(options) as server:
        length = len(reply_of(server.host, OVERLOADED, "A"))
        with echo(options, length) as floor:
            result = turns(options, {"ours": server, "floor": floor},
                           lambda daemon: press_over(options, daemon))
    ours, floor = result["ours"], result["floor"]
    for figure in ("peak", "offered", "within 100 ms"):
        show(f"overload: {figure}", ours[figure], "1/s", floor[figure])
    show("overload: within 100 ms, of the peak", ours["kept"], "", floor["kept"], least=0.9)


BENCHES = {
    "a": lambda options: compare(options, "A of 3", "service-7.service.consul", "A", 1.8, 3),
    "srv": lambda options: compare(options, "SRV of 3", "service-7.service.consul", "SRV", 2.5, 3),
    "a100": lambda options: compare(options, "A of 100", "large.service.consul", "A", 2.2, 3),
    "absent": lambda options: compare(options, "absent", "nobody.service.consul", "A", 1.8, 0),
    "overload": bench_overload,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    consul.programs(parser)
    options = parser.parse_args()
    consul.scale(options)
    consul.carry_out(options, BENCHES)


if __name__ == "__main__":
    main()
