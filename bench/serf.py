#!/usr/bin/env python3
"""Measures our agent beside the real serf, in one run, and prints the ratios.

    python3 bench/serf.py [--ours PATH] [--real PATH] [--only NAME,...] [--json FILE] [--quick]

    NAME      what is measured                                             minutes, at most
    start     exec to the first RPC answer, 20 times                                   1   2
    idle10    memory, CPU, wake-ups of a settled cluster of 10, 60 s                   4   8
    idle100   the same of 100, and `members`                                           4   8
    join      10, 50, 100, 200 join one at once, 50 rounds; the real one 10, then 3   20  90
    event     an event over 200 agents, 10 times                                       2   7
    query     a query over 100 agents, a handler answers                               1   6
    detect    30 kills each in clusters of 5, 20 and 60                                15  45
    busy      false positives at 60 while the processors are saturated, 120 s          5  10
    thousand  1,000 agents of ours whose views become whole                            1   3
    ways      each of our departures from the reference's timing, with and without     4  60

Minutes are those on two idle cores; no bench ever takes more than what stands behind. --quick takes
a tenth of it and proves nothing. Ours is the static build (`cargo static`) if there is one. Both
programs take turns, so that a drift of the machine meets both. The load average of the machine
stands in every row. Nothing here is a test.
"""

import argparse
import collections
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from cluster import Cluster, NotFormed, address, attention, formed, load, members, rpc_up, status

HANDLER = ["-event-handler=user:never=true"]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def median(values):
    return statistics.median(values) if values else float("nan")


def mean(values):
    return statistics.mean(values) if values else float("nan")


def show(label, ours, real, unit, digits=2):
    ratio = ours / real if real else float("nan")
    print(f"{label:<44} ours {ours:>10.{digits}f}  real {real:>10.{digits}f} {unit:<10}"
          f" ratio {ratio:.3f}  load {load():.1f}", flush=True)
    RESULTS.append({"bench": label, "ours": ours, "real": real, "unit": unit, "ratio": ratio,
                    "load": load()})


RESULTS = []


def note(label, text):
    print(f"{label:<44} {text}  load {load():.1f}", flush=True)
    RESULTS.append({"bench": label, "note": text, "load": load()})


def rpc_first_answer(program, block):
    """Seconds from exec to the first answer to a handshake."""
    import socket
    host = address(block, 0)
    begin = time.monotonic()
    with Cluster(program, block) as cluster:
        cluster.start(0)
        request = bytes.fromhex("82a7436f6d6d616e64a968616e647368616b65a3536571"
                                "0181a756657273696f6e01")
        while time.monotonic() - begin < 10:
            try:
                with socket.create_connection((host, 7373), timeout=1) as stream:
                    stream.sendall(request)
                    if stream.recv(64):
                        return time.monotonic() - begin
            except OSError:
                time.sleep(0.0002)
    raise RuntimeError(f"{program} does not answer RPC")


def bench_start(options):
    times = {"ours": [], "real": []}
    for _ in range(5 if options.quick else 20):
        for side in times:
            times[side].append(rpc_first_answer(options.programs[side], options.block(side)))
    show("start: exec to first RPC answer", median(times["ours"]) * 1e3,
         median(times["real"]) * 1e3, "ms")


def bench_idle(count):
    def run(options):
        seconds = 10 if options.quick else 60
        result = {}
        for side, program in options.programs.items():
            with formed(program, options.block(side), count, HANDLER) as cluster:
                cluster.idle(5 if options.quick else 30)
                before = {agent.pid: status(agent.pid) for agent in cluster.agents}
                begin = time.monotonic()
                cluster.idle(seconds)
                span = time.monotonic() - begin
                after = {agent.pid: status(agent.pid) for agent in cluster.agents}
                rows = [(before[pid], after[pid]) for pid in before]
                result[side] = {
                    "rss": median([b["rss"] for _, b in rows]),
                    "private": median([b["private"] for _, b in rows]),
                    "cpu": statistics.mean((b["cpu"] - a["cpu"]) / span for a, b in rows) * 100,
                    "wakeups": median([(b["switches"] - a["switches"]) / span for a, b in rows]),
                    "threads": max(b["threads"] for _, b in rows),
                }
                if count >= 100:
                    times = [members_time(options.programs[side], cluster.agents[0].address)
                             for _ in range(20)]
                    result[side]["members"] = median(times) * 1e3
        ours, real = result["ours"], result["real"]
        show(f"idle at {count}: VmRSS", ours["rss"] / 1024, real["rss"] / 1024, "MiB")
        show(f"idle at {count}: private", ours["private"] / 1024, real["private"] / 1024, "MiB")
        show(f"idle at {count}: CPU", ours["cpu"], real["cpu"], "% of a core", 4)
        show(f"idle at {count}: wake-ups", ours["wakeups"], real["wakeups"], "1/s")
        show(f"idle at {count}: threads", ours["threads"], real["threads"], "")
        if count >= 100:
            show(f"members of {count}", ours["members"], real["members"], "ms")
    return run


def members_time(program, host):
    begin = time.monotonic()
    subprocess.run([program, "members", f"-rpc-addr={host}:7373"], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


# A stall is not waited for to its end: the next full exchange comes after minutes.
STALL_LIMIT = 60


def bench_join(options):
    for count in (10, 50, 100, 200):
        rounds = 2 if options.quick else 50
        for side in ("ours", "real"):
            bound = rounds if side == "ours" else max(1, rounds // (5 if count < 200 else 16))
            times, stalls, used = [], 0, []
            for _ in range(bound):
                with Cluster(options.programs[side], options.block(side)) as cluster:
                    took = cluster.form(count, STALL_LIMIT)
                    stalls += took is None or took > 5
                    times.append(STALL_LIMIT if took is None else took)
                    used.append(mean([status(agent.pid)["cpu"] for agent in cluster.agents]))
            RESULTS.append({"bench": f"join {count} {side}", "seconds": times, "stalls": stalls})
            if side == "ours":
                ours, our_stalls, worst, our_use = median(times), stalls, max(times), median(used)
        show(f"join of {count}: whole views", ours, median(times), "s")
        show(f"join of {count}: CPU of each agent", our_use * 1e3, median(used) * 1e3, "ms")
        note(f"join of {count}", f"ours: {our_stalls} stalls of {rounds}, worst {worst:.2f} s; "
                                 f"real: {stalls} stalls of {bound}")


def spread(cluster, program, source, name):
    """Seconds from the event at its source to the event at each agent, sorted; 10 for never."""
    begin = time.monotonic()
    sender = subprocess.Popen([program, "event", "-coalesce=false",
                               f"-rpc-addr={source.address}:7373", name],
                              stdout=subprocess.DEVNULL)
    cluster.wait(lambda: all(name in agent.events for agent in cluster.agents), 10)
    assert sender.wait() == 0
    sent = source.events.get(name, begin)
    return sorted(agent.events.get(name, sent + 10) - sent for agent in cluster.agents)


def event_times(options, side):
    """When the median and the last of 200 agents have an event, in ms; NaN without a cluster."""
    program = options.programs[side]
    medians, lasts = [], []
    try:
        with formed(program, options.block(side), 200) as cluster:
            cluster.idle(3 if options.quick else 10)
            for round_ in range(3 if options.quick else 10):
                source = cluster.agents[round_ * 7 % 200]
                with attention():
                    times = spread(cluster, program, source, f"e{round_}")
                medians.append(times[100] * 1e3)
                lasts.append(times[-1] * 1e3)
                cluster.idle(1)
    except NotFormed as why:
        note(f"event over 200: {side}", str(why))
    return median(medians), median(lasts)


def bench_event(options):
    ours, real = event_times(options, "ours"), event_times(options, "real")
    show("event over 200: median agent", ours[0], real[0], "ms", 1)
    show("event over 200: last agent", ours[1], real[1], "ms", 1)


def bench_query(options):
    result = {}
    for side, program in options.programs.items():
        answer = ["-event-handler=query:ask=echo yes"]
        with formed(program, options.block(side), 100, answer) as cluster:
            cluster.idle(3)
            lasts = []
            for _ in range(3):
                begin = time.monotonic()
                process = subprocess.Popen(
                    [program, "query", "-no-ack", "-timeout=5s",
                     f"-rpc-addr={cluster.agents[0].address}:7373", "ask"],
                    stdout=subprocess.PIPE, text=True)
                pump = threading.Thread(target=cluster.idle, args=(5.5,))
                pump.start()
                last = begin
                for line in process.stdout:
                    if line.startswith("Response"):
                        last = time.monotonic()
                process.wait()
                pump.join()
                lasts.append((last - begin) * 1e3)
            result[side] = median(lasts)
    show("query over 100, handler echo: last answer", result["ours"], result["real"], "ms", 1)


def expectation(count, rounds=20_000):
    """Seconds from a kill to the first failure seen, by the protocol's own figures (lan profile):
    every other member probes all others in a random order, one a second, at a phase of its own; a
    probe that fails accuses after a second; the first accuser declares the failure once its
    suspicion ends, which two further accusers bring from its greatest to its least time."""
    dice = random.Random(count)
    least = 4 * max(1.0, math.log10(count))
    greatest = 6 * least
    waited = {0: greatest, 1: greatest - (greatest - least) * math.log(2) / math.log(3), 2: least}
    total = 0.0
    for _ in range(rounds):
        accusers = sorted(first_probe(count - 1, dice) + 1.0 for _ in range(count - 1))
        accusers += [math.inf, math.inf]
        first = accusers[0]
        end = first + waited[0]
        for confirmations in (1, 2):
            if accusers[confirmations] < end:
                end = min(end, max(accusers[confirmations], first + waited[confirmations]))
        total += end
    return total / rounds


def first_probe(others, dice):
    """Seconds until a member at a random point of its round comes to one of `others`."""
    done, place = dice.randrange(others), dice.randrange(others)
    # Passed already in this round: the next one is in another order.
    turns = place - done if place >= done else others - done + dice.randrange(others)
    return turns + dice.random()


def detections(cluster, count, kills):
    """Seconds from a kill to the first failure seen, of one member after another."""
    samples = []
    if cluster.form(count) is None:
        return samples
    cluster.idle(5)
    for kill in range(kills):
        victim = cluster.agents[1 + kill % (count - 1)]
        begin, name = cluster.stop(victim), victim.name
        seen = lambda: [t for a in cluster.agents for t, n in a.failed if n == name and t > begin]
        if cluster.wait(seen, 60) is not None:
            samples.append(min(seen()) - begin)
        for agent in cluster.agents:
            agent.failed.clear()
        cluster.start(victim.index, join=cluster.agents[0].address)
        cluster.wait(cluster.whole, 20)
        cluster.idle(1 + (kill * 37 % 100) / 100)
    return samples


def bench_detect(options):
    """All clusters at the same time: they are idle but for a handful of messages."""
    kills = 3 if options.quick else 30
    samples = {}

    def run(side, count, block):
        with Cluster(options.programs[side], block) as cluster:
            samples[side, count] = detections(cluster, count, kills)

    cases = [(side, count) for count in (5, 20, 60) for side in ("ours", "real")]
    threads = [threading.Thread(target=run, args=(*case, 101 + index))
               for index, case in enumerate(cases)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for count in (5, 20, 60):
        show(f"detection at {count}: mean of {kills}", mean(samples["ours", count]),
             mean(samples["real", count]), "s")
        for side in ("ours", "real"):
            values, expected = samples[side, count], expectation(count)
            half = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) \
                if len(values) > 1 else math.nan
            note(f"detection at {count}, {side}",
                 f"{mean(values):.2f} s ± {half:.2f} (95 %), n {len(values)} of {kills}, protocol's "
                 f"expectation {expected:.2f} s, ratio {mean(values) / expected:.3f}")


def bench_busy(options):
    """False positives while both cores are saturated by other work."""
    for side, program in options.programs.items():
        with formed(program, options.block(side), 60) as cluster:
            cluster.idle(5)
            for agent in cluster.agents:
                agent.failed.clear()
            hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                    for _ in range(4 * os.cpu_count())]
            try:
                cluster.idle(20 if options.quick else 120)
            finally:
                for hog in hogs:
                    hog.kill()
                    hog.wait()
            count = sum(len(agent.failed) for agent in cluster.agents)
            note(f"false positives at 60, cores saturated: {side}", str(count))


def bench_thousand(options):
    """Whole when each of them counts a thousand members: read from their RPC, since two cores have
    enough to do without a million lines of log."""
    count = 100 if options.quick else 1000
    with Cluster(options.programs["ours"], options.block("ours"), ["-log-level=err"]) as cluster:
        begin = time.monotonic()
        first = cluster.start(0)
        assert cluster.wait(lambda: rpc_up(first.address), 20) is not None
        for index in range(1, count):
            cluster.start(index, join=first.address)
        last = time.monotonic()
        waiting = collections.deque(cluster.agents)
        while waiting and time.monotonic() - last < 120:
            # Asking takes processors from those that are asked.
            if members(waiting[0].address) == count:
                waiting.popleft()
            else:
                waiting.rotate(-1)
                cluster.idle(0.05)
        took = time.monotonic() - last
        running = [agent for agent in cluster.agents if agent.process.poll() is None]
        used = mean([status(agent.pid)["cpu"] for agent in running]) * 1e3
        result = f"{len(waiting)} not whole in 120 s" if waiting else \
            f"{took:.2f} s after the last start, {took + last - begin:.2f} s after the first"
        result += f", {used:.0f} ms of CPU each, {count - len(running)} gave up joining"
        note(f"{count} agents of ours: whole views", result)


def bench_ways(options):
    """Each of our departures from the reference's timing, with and without."""
    for label, setting in (("as shipped", {}),
                           ("without eager gossip", {"disable_eager_gossip": True}),
                           ("without the settling exchange", {"disable_settle_exchange": True}),
                           ("without both", {"disable_eager_gossip": True,
                                             "disable_settle_exchange": True})):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(setting, file)
            file.flush()
            times = []
            for _ in range(1 if options.quick else 5):
                with Cluster(options.programs["ours"], options.block("ours"),
                             [f"-config-file={file.name}"]) as cluster:
                    took = cluster.form(100)
                    times.append(150 if took is None else took)
                    cluster.idle(2)
                    with attention():
                        spreads = spread(cluster, options.programs["ours"], cluster.agents[3], "w")
            note(f"join of 100 {label}", f"{median(times):.2f} s (worst {max(times):.2f}); "
                 f"event: median {spreads[50] * 1e3:.1f} ms, last {spreads[-1] * 1e3:.1f} ms")


BENCHES = {
    "start": bench_start,
    "idle10": bench_idle(10),
    "idle100": bench_idle(100),
    "join": bench_join,
    "event": bench_event,
    "query": bench_query,
    "detect": bench_detect,
    "busy": bench_busy,
    "thousand": bench_thousand,
    "ways": bench_ways,
}


def main():
    static = os.path.join(ROOT, "target/x86_64-unknown-linux-musl/release/tribune")
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=static if os.path.exists(static) else
                        os.path.join(ROOT, "target/release/tribune"))
    parser.add_argument("--real", default="/usr/bin/serf")
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    # Asked to end, it ends its agents too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, "serf")
        os.symlink(os.path.abspath(options.ours), link)
        options.programs = {"ours": link, "real": options.real}
        options.block = lambda side: {"ours": 91, "real": 92}[side]
        for name in options.only.split(",") if options.only else BENCHES:
            BENCHES[name](options)
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump(RESULTS, file, indent=1)


if __name__ == "__main__":
    main()
