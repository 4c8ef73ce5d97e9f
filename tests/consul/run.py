#!/usr/bin/env python3
"""Replays the recorded HTTP API of Consul: its scenarios of one server, and three tables.

Each runs against a fresh agent in namespaces of its own. A step that answers otherwise than recorded must be in
`tests/deviations.toml`, where our answer is; one that is there and answers as recorded after all fails as well.
"""

import fnmatch
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "replay"), os.path.dirname(HERE)]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import scenario
from harness import report, sandbox

FOLDERS = ("consul-http", "consul-catalog")
TABLES = ("consul-catalog/filters.json", "consul-catalog/index-moves.json", "consul-catalog/rtt.json")
# They wait for minutes: whole synchronisations, the least time before a critical service goes, the longest lock-delay.
LONG = ("consul-catalog/anti-entropy.json", "consul-http/agent-deregister-critical.json",
        "consul-http/session-lock-delay-cap.json")
# They take the most time, so they go first.
HEAVY = ("consul-http/blocking-jitter", "consul-http/session-ttl-default", "consul-catalog/snapshot-",
         "consul-http/blocking-wake-")
JOB_SECONDS = 200
LONG_SECONDS = 900
WIDTH = 6


def files(long):
    """The recordings to play, the longest first."""
    found = list(TABLES)
    for folder in FOLDERS:
        for name in sorted(os.listdir(os.path.join(scenario.RECORDINGS, folder))):
            file = f"{folder}/{name}"
            if not name.endswith(".json") or file in TABLES or (file in LONG and not long):
                continue
            recording = scenario.load(file)
            if "steps" in recording and scenario.is_played(recording) and any(
                    "request" in step for _, step in scenario.steps(recording)):
                found.append(file)
    return sorted(found, key=lambda file: (file not in LONG, not file.startswith(HEAVY)))


def entries():
    """File -> its deviations."""
    found = {}
    for folder in FOLDERS:
        for name, entry in report.deviations(folder).items():
            found[f"{folder}/{name}.json"] = entry
    return found


def play(file, program):
    how = scenario.play_table if file in TABLES else scenario.play
    return json.dumps(how(file, entries().get(file), program))


def take(names, options, width):
    results = {}
    seconds = LONG_SECONDS if options.long else JOB_SECONDS
    program = ["--program", os.path.abspath(options.program)]
    for file, result in sandbox.run_once(__file__, names, program, width, seconds, fresh=True):
        if result["ok"]:
            verdicts, cells = json.loads(result["detail"])
        else:
            verdicts, cells = [["failed", "run", result["detail"]]], {}
        results[file] = (verdicts, cells, result["seconds"])
    return results


def close(results, options):
    """What failed, the table of who wakes, and the totals; returns the exit code."""
    totals = {folder: {"recorded": 0, "deviation": 0, "failed": 0} for folder in FOLDERS}
    for file, (verdicts, _, seconds) in sorted(results.items()):
        for kind, _, _ in verdicts:
            totals[file.split("/")[0]][kind] += 1
        show_failures(file, verdicts, options)
        if options.times:
            print(f"{seconds:7.2f} s  {file}")
    show_wakes({file: cells for file, (_, cells, _) in results.items() if cells})
    for folder, count in totals.items():
        print(f"{folder}: {count['recorded']} as recorded, {count['deviation']} deviations, {count['failed']} failed")
    passed = sum(count["recorded"] + count["deviation"] for count in totals.values())
    return report.close(passed, sum(count["failed"] for count in totals.values()))


def show_failures(file, verdicts, options):
    for kind, place, text in verdicts:
        if kind == "failed":
            first, *rest = text.splitlines() or [""]
            print(f"FAIL {file} {place}: {first[:160]}")
            print("".join(f"     {line[:400]}\n" for line in rest[: 40 if options.verbose else 3]), end="")


def show_wakes(tables):
    """How many watches each kind of write woke."""
    cells = [cell for table in tables.values() for cell in table.values()]
    if cells:
        print(f"wakes: {len(tables)} kinds of write, {len(cells)} watches: {cells.count('woken')} woken with another "
              f"body, {cells.count('asleep')} asleep, {cells.count('idle')} woken for nothing")


def parse():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    parser.set_defaults(width=WIDTH)
    parser.add_argument("--long", action="store_true", help="also what waits for minutes")
    parser.add_argument("--once", action="store_true", help="do not play again, alone, what failed")
    parser.add_argument("--times", action="store_true", help="show how long each recording took")
    return parser.parse_args()


def main():
    options = parse()
    if options.worker:
        sandbox.work(options.worker, lambda file, _: play(file, options.program))
        return 0
    report.check_ground(options.program)
    known = files(options.long or bool(options.names))
    unknown = set(entries()) - set(files(True))
    if unknown:
        sys.exit(f"deviations of recordings that are not played: {sorted(unknown)}")
    patterns = options.names or ["*"]
    wanted = [file for file in known if any(
        fnmatch.fnmatchcase(file, pattern) or fnmatch.fnmatchcase(file, f"*/{pattern}.json") for pattern in patterns)]
    results = take(wanted, options, options.width)
    # As in the other suites: a fault comes back when nothing else runs.
    again = [file for file in wanted if any(kind == "failed" for kind, _, _ in results[file][0])]
    if again and not options.once:
        for file in again:
            show_failures(file, results[file][0], options)
        print("played again, alone:", *again)
        results.update(take(again, options, 1))
    return close(results, options)


if __name__ == "__main__":
    sys.exit(main())
