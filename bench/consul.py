#!/usr/bin/env python3
"""Measures a server of ours beside the floors of this machine, in one run.

    python3 bench/consul.py [--ours PATH] [--examples DIR] [--only NAME,...] [--json FILE] [--quick]

    NAME      what is measured                                                    minutes, at most
    get       a key, by 64 connections                                                          1
    put       durable writes, by 1 connection and by 64                                         2
    health    a service of 3, 100 and 1,000 instances                                           2
    list      the list of 1,000 keys                                                            1
    register  a service in the catalogue, and through the agent                                 1
    watch     10,000 watchers of one service, woken by one write                                2
    others    10,000 watchers of 1,000 services and of keys, and 1,000 writes/s elsewhere       5
    memory    10,000 services, 100,000 keys; then kill -9, the restart, a snapshot              2
    large     1,000,000 keys of 39 bytes with 200; then kill -9 and the restart                 4
    start     `-dev` from exec to a leader and to a session, 20 times                           1
    idle      `-dev` left alone for 60 s                                                        2
    members   the command line's `members`, 20 times                                            1

The floor is `crates/server/examples/floor.rs`, an HTTP server that does nothing: it sends the same
bytes, or writes the same bodies to a log with one flush for what waits. Both answer the same load,
`crates/server/examples/load`, in turns. `cargo build --release -p tribune -p tribune-server --bins
--examples` builds all. CPU is the server's alone. --quick takes a tenth and proves nothing. Each
row has its target and the load average of the machine; the last line is all rows as JSON. Nothing
here is a test.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

from cluster import load
from daemons import Bench, leads, registered
from serf import ROOT, median

RESULTS = []
WATCHERS = 10_000


def show(label, value, unit, floor=None, ratio=None, most=None, least=None):
    """A figure with its floor; `ratio` is the most that it may be of the floor, `most` and `least`
    its own bounds."""
    row = {"bench": label, "ours": value, "unit": unit, "load": load()}
    text, wanted = "", []
    if floor is not None:
        row |= {"floor": floor, "ratio": value / floor if floor else float("nan")}
        text = f"floor {floor:>10.2f}  ratio {row['ratio']:>6.2f}"
    if ratio is not None:
        at_least = least is not None
        wanted.append((f"{'>=' if at_least else '<='} {ratio} x",
                       row["ratio"] >= ratio if at_least else row["ratio"] <= ratio))
    elif least is not None:
        wanted.append((f">= {least}", value >= least))
    if most is not None:
        wanted.append((f"<= {most}", value <= most))
    row |= {"target": " and ".join(name for name, _ in wanted),
            "met": all(met for _, met in wanted) if wanted else None}
    verdict = "" if not wanted else "met" if row["met"] else "MISSED"
    print(f"{label:<40} {value:>11.2f} {unit:<7} {text:<32} {row['target']:<12} {verdict:<6} "
          f"load {row['load']:.1f}", flush=True)
    RESULTS.append(row)


def turns(options, sides, press):
    """Presses each side in turn, several times: for each the median figures."""
    runs = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, daemon in sides.items():
            runs[side].append(press(daemon))
    return {side: {figure: median([run[figure] for run in each]) for figure in each[0]}
            for side, each in runs.items()}


def compare_reads(options, server, label, path, ratio, rate=False):
    """CPU of one read beside the floor that sends the same bytes."""
    _, answer = server.need("GET", path)
    with options.bench.floor(answer) as floor:
        result = turns(options, {"ours": server, "floor": floor},
                       lambda side: options.bench.press(side, "GET", path,
                                                        seconds=options.seconds))
    show(f"{label}: CPU", result["ours"]["cpu"], "us", result["floor"]["cpu"], ratio)
    if rate:
        show(f"{label}: rate", result["ours"]["rate"], "1/s", result["floor"]["rate"])


def bench_get(options):
    with options.bench.server() as server:
        server.need("PUT", "/v1/kv/x", "v" * 64)
        compare_reads(options, server, "GET of a key", "/v1/kv/x", 1.4, rate=True)


def bench_put(options):
    with options.bench.server() as server, options.bench.floor() as floor:
        for connections in (1, 64):
            result = turns(options, {"ours": server, "floor": floor},
                           lambda side: options.bench.press(
                               side, "PUT", "/v1/kv/bench/{n%1000}", "v" * 200,
                               connections, options.seconds))
            ours, least = result["ours"], result["floor"]
            label = f"PUT by {connections}"
            show(f"{label}: CPU", ours["cpu"], "us", least["cpu"], 1.6 if connections == 1 else 2.5)
            if connections == 1:
                show(f"{label}: p50", ours["p50"], "us", least["p50"], 1.3)
            else:
                show(f"{label}: rate", ours["rate"], "1/s", least["rate"], 0.6, least=True)


def service(ident, name):
    return f'"Service":{{"ID":"{ident}","Service":"{name}","Tags":["v1","primary"],' \
           '"Address":"10.0.0.1","Port":8080,"Meta":{"version":"1"}}'


def registration(node, ident, name):
    """A body for the catalogue: a service with a check that passes."""
    return f'{{"Node":"{node}","Address":"10.0.0.1",{service(ident, name)},' \
           f'"Check":{{"CheckID":"service:{ident}","Name":"alive","Status":"passing",' \
           f'"ServiceID":"{ident}"}}}}'


def bench_health(options):
    with options.bench.server() as server:
        for count, ratio in ((3, 2.5), (100, 4), (1000, 5)):
            name = f"web{count}"
            options.bench.press(server, "PUT", "/v1/catalog/register",
                                registration(f"{name}-node{{n}}", name, name), count=count,
                                seconds=600)
            compare_reads(options, server, f"health of {count}", f"/v1/health/service/{name}",
                          ratio)


def bench_list(options):
    with options.bench.server() as server:
        options.bench.press(server, "PUT", "/v1/kv/list/{n}", "v" * 64, count=1000, seconds=600)
        compare_reads(options, server, "list of 1,000 keys", "/v1/kv/list/?recurse", None)


def bench_register(options):
    count = options.scaled(20_000)
    with options.bench.server() as server, options.bench.floor() as floor:
        body = registration("node-{n/10}", "service-{n}", "service-{n/3}")
        result = {side: options.bench.press(daemon, "PUT", "/v1/catalog/register", body,
                                            count=count, seconds=600)
                  for side, daemon in (("ours", server), ("floor", floor))}
        show("register in the catalogue: CPU", result["ours"]["cpu"], "us",
             result["floor"]["cpu"], most=30)
        show("register in the catalogue: rate", result["ours"]["rate"], "1/s",
             result["floor"]["rate"])
    with options.bench.server() as server, options.bench.floor() as floor:
        body = '{"ID":"own-{n}","Name":"own-{n/3}","Tags":["v1","primary"],"Port":8080}'
        result = {side: options.bench.press(daemon, "PUT", "/v1/agent/service/register", body,
                                            count=count, seconds=600)
                  for side, daemon in (("ours", server), ("floor", floor))}
        show("register through the agent: CPU", result["ours"]["cpu"], "us",
             result["floor"]["cpu"], most=120)
        show("register through the agent: rate", result["ours"]["rate"], "1/s",
             result["floor"]["rate"], least=5000)


def woken(options, daemon, path, write):
    """Parks watchers and wakes them by a write: KiB and CPU microseconds of each, milliseconds to
    the last answer."""
    count = options.watchers
    before = daemon.status()
    with options.bench.parked(daemon, count, path) as end:
        parked = daemon.status()
        report = end(write)
        used = daemon.cpu() - parked["cpu"]
    if report["answered"] != count or report["early"]:
        raise RuntimeError(f"of {count} watchers: {report}")
    return (parked["rss"] - before["rss"]) / count, used * 1e6 / count, report["last"] / 1e3


def bench_watch(options):
    with options.bench.server() as server:
        server.need("PUT", "/v1/catalog/register", registration("node-1", "web", "web"))
        headers, answer = server.need("GET", "/v1/health/service/web")
        path = f"/v1/health/service/web?wait=10m&index={headers['X-Consul-Index']}"
        ours = woken(options, server, path,
                     "PUT /v1/catalog/register " + registration("node-2", "web", "web"))
    with options.bench.floor(answer) as floor:
        least = woken(options, floor, path, "PUT / x")
    label = f"{options.watchers:,} watchers"
    show(f"{label}: last answered", ours[2], "ms", least[2], 1.5)
    show(f"{label}: CPU per wake", ours[1], "us", least[1], 2)
    show(f"{label}: RSS each", ours[0], "KiB", least[0], most=24)


def bench_others(options):
    """What watchers cost that nothing concerns: the same writes without them, and with."""
    seconds, rate = options.seconds * 3, 1000

    def writes(server):
        return options.bench.press(server, "PUT", "/v1/kv/elsewhere/{n%1000}", "v" * 64, 8,
                                   seconds, rate=rate)

    for what, path in (("1,000 other services", "/v1/health/service/other-{n%1000}"),
                       ("absent keys", "/v1/kv/absent/{n}")):
        with options.bench.server() as server:
            options.bench.press(server, "PUT", "/v1/catalog/register",
                                registration("node-{n}", "other", "other-{n}"), count=1000,
                                seconds=600)
            without = [writes(server)]
            headers, _ = server.need("GET", "/v1/catalog/nodes")
            waits = f"{path}?wait=10m&index={headers['X-Consul-Index']}"
            if "absent" in path:
                # The index of what is not there is that of the last write to any key.
                _, headers, _ = server.ask("GET", "/v1/kv/absent/x")
                waits = f"{path}?wait=10m&index={headers['X-Consul-Index']}"
            with options.bench.parked(server, options.watchers, waits) as end:
                with_them = writes(server)
                report = end()
            without.append(writes(server))
        label = f"watchers of {what}"
        alone = median([run["used"] / run["seconds"] for run in without]) * 100
        show(f"{label}: answers", report["answered"] + report["failed"], "", most=0)
        show(f"{label}: CPU at {rate:,}/s", with_them["used"] / with_them["seconds"] * 100, "%",
             alone)
        show(f"{label}: CPU for them", with_them["used"] / with_them["seconds"] * 100 - alone,
             "%", most=3)


def grown(server, before):
    server.quiet()
    return (server.status()["rss"] - before) / 1024


def killed(bench, folder, server, label, most):
    """Kills a server right after a write that was acknowledged, and starts it again."""
    server.need("PUT", "/v1/kv/last", "written")
    server.kill()
    # Exec is in it.
    server = bench.start_server(folder)
    took = server.until(lambda server: b"d3JpdHRlbg==" in
                        server.ask("GET", "/v1/kv/last?consistent")[2])
    show(label, took * 1e3, "ms", most=most)
    return server


def bench_memory(options):
    services, keys = options.scaled(10_000), options.scaled(100_000)
    bench = options.bench
    with bench.directory() as folder:
        server = bench.start_server(folder)
        server.until(registered)
        empty = server.status()["rss"]
        body = '{"Node":"node-{n/10}","Address":"10.0.0.1",' \
            + service("service-{n}", "service-{n/3}") + "}"
        bench.press(server, "PUT", "/v1/catalog/register", body, count=services, seconds=600)
        show(f"{services:,} services: RSS", grown(server, empty), "MiB", 3 * services / 1e4,
             most=12 * services / 1e4)
        half = server.status()["rss"]
        bench.press(server, "PUT", "/v1/kv/keys/{n}", "v" * 64, count=keys, seconds=600)
        show(f"{keys:,} keys of 64 bytes: RSS", grown(server, half), "MiB", 8 * keys / 1e5,
             most=20 * keys / 1e5)
        server = killed(bench, folder, server, "kill -9 to a consistent answer", 400)
        begun = time.monotonic()
        code, _, archive = server.ask("GET", "/v1/snapshot")
        if code == 200 and archive:
            show("snapshot", (time.monotonic() - begun) * 1e3, "ms", most=200)
            show("snapshot: size", len(archive) / 2 ** 20, "MiB")
        else:
            print(f"snapshot: {code} {archive[:80]!r}", flush=True)
        server.kill()


def bench_large(options):
    count = options.scaled(1_000_000)
    bench = options.bench
    with bench.directory() as folder:
        server = bench.start_server(folder)
        server.until(registered)
        before = server.status()["rss"]
        run = bench.press(server, "PUT", "/v1/kv/" + "k" * 31 + "{n}", "v" * 200,
                          128, 600, count)
        # A row weighs its fields and 40 bytes.
        raw = count * (39 + 200 + 40) / 2 ** 20
        show(f"{count:,} keys of 39 + 200 bytes: RSS", grown(server, before), "MiB", raw, 2.5)
        show(f"{count:,} keys of 39 + 200 bytes: rate", run["rate"], "1/s")
        label = f"{count:,} keys: kill -9 to a consistent answer"
        killed(bench, folder, server, label, 3000).kill()


def bench_start(options):
    bench, times = options.bench, {"leader": [], "session": []}
    for _ in range(options.scaled(20)):
        for goal in times:
            with bench.directory() as folder:
                server = bench.start_server(folder, dev=True)
                times[goal].append(server.until(leads if goal == "leader" else locks) * 1e3)
                server.kill()
    show("-dev: exec to leader", median(times["leader"]), "ms", most=10)
    show("-dev: exec to a key locked", median(times["session"]), "ms", most=50)


def locks(server):
    """Takes a lock with a session that stands on the node's health."""
    code, _, answer = server.ask("PUT", "/v1/session/create", '{"Name":"bench"}')
    if code != 200:
        return False
    session = json.loads(answer)["ID"]
    return server.ask("PUT", f"/v1/kv/lock?acquire={session}", "x")[2].strip() == b"true"


def bench_idle(options):
    seconds = 60 if not options.quick else 10
    with options.bench.server(dev=True) as server:
        time.sleep(seconds / 6)
        before, ran, begun = server.status(), server.ran(), time.monotonic()
        time.sleep(seconds)
        after, ran, span = server.status(), server.ran() - ran, time.monotonic() - begun
    show("-dev, idle: RSS", after["rss"] / 1024, "MiB", most=10)
    show("-dev, idle: private", after["private"] / 1024, "MiB", most=5)
    show("-dev, idle: CPU", ran / span * 100, "%", most=0.05)
    show("-dev, idle: wake-ups", (after["switches"] - before["switches"]) / span, "1/s", most=10)
    show("-dev, idle: threads", after["threads"], "")


def bench_members(options):
    with options.bench.server(dev=True) as server:
        def took(*command):
            begun = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return (time.monotonic() - begun) * 1e3
        ours, least = [], []
        for _ in range(20):
            ours.append(took(options.bench.tribune, "members",
                             f"-http-addr=http://{server.address}"))
            least.append(took("/bin/true"))
    show("members: median", median(ours), "ms", median(least), most=3)


BENCHES = {
    "get": bench_get,
    "put": bench_put,
    "health": bench_health,
    "list": bench_list,
    "register": bench_register,
    "watch": bench_watch,
    "others": bench_others,
    "memory": bench_memory,
    "large": bench_large,
    "start": bench_start,
    "idle": bench_idle,
    "members": bench_members,
}


def programs(parser):
    """What every measurement can be told."""
    static = os.path.join(ROOT, "target/x86_64-unknown-linux-musl/release/tribune")
    parser.add_argument("--ours", default=static if os.path.exists(static) else
                        os.path.join(ROOT, "target/release/tribune"))
    parser.add_argument("--examples", default=os.path.join(ROOT, "target/release/examples"))
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=int, default=0, help="of each press, instead of 5")


def scale(options):
    """How much is done, and how often."""
    options.scaled = lambda count: max(1, count // 10) if options.quick else count
    options.seconds = options.seconds or (1 if options.quick else 5)
    options.rounds = 1 if options.quick else 3


def carry_out(options, benches):
    """Does what was asked for, and shows the rows as JSON, whatever happens."""
    # Asked to end, it ends its daemons too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        options.bench = Bench(os.path.abspath(options.ours), options.examples, folder)
        try:
            for name in options.only.split(",") if options.only else benches:
                benches[name](options)
        finally:
            options.bench.close()
            text = json.dumps(RESULTS)
            print(text)
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    print(text, file=file)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    programs(parser)
    parser.add_argument("--watchers", type=int, default=0, help=f"instead of {WATCHERS:,}")
    options = parser.parse_args()
    scale(options)
    options.watchers = options.watchers or options.scaled(WATCHERS)
    # Each watcher has a descriptor here, and one in the server, which inherits the limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    carry_out(options, BENCHES)


if __name__ == "__main__":
    main()
