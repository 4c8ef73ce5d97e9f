#!/usr/bin/env python3
"""Replays the recorded command line of serf: 280 client commands and 118 runs of an agent. See README.md."""

import fnmatch
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import agent
import client
import clusters
import deviations
from harness import report, sandbox

FOLDER = "serf-cli"
JOB_SECONDS = 400


class Setup:
    """What is replayed against what: programs, recordings, deviations."""

    def __init__(self, program, agents):
        self.program = program
        self.agents = agents
        self.sides = {side for side, path in (("client", program), ("agent", agents)) if report.is_ours(path)}
        folder = os.path.join(report.shared(), "vectors", FOLDER)
        with open(os.path.join(folder, "index.json"), encoding="utf-8") as file:
            index = json.load(file)
        self.order = index["cases"] + index["agent_runs"]
        self.cases = {}
        for name in self.order:
            with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
                self.cases[name] = {**json.load(file), "id": name}
        self.deviations = report.deviations(FOLDER)
        unknown = set(self.deviations) - set(self.cases)
        if unknown:
            raise ValueError(f"deviations of recordings that are not there: {sorted(unknown)}")

    def changed(self, case):
        """The recording as it is expected of ours, or None if nothing about it deviates."""
        return deviations.applied(self.deviations.get(case["id"]), case, self.sides)

    def expected(self, case):
        """What the programs under test are expected to do."""
        return self.changed(case) or case

    def verdict(self, case, judge):
        """(kind, detail) of a case that was played: kind is "recorded", "deviation" or "failed"."""
        changed = self.changed(case)
        problem = judge(changed or case)
        if problem:
            return "failed", problem
        return ("deviation" if changed else "recorded"), ""


# ---------------------------------------------------------------------------------------------- jobs


def jobs(setup, wanted):
    """The units of work, each for namespaces of its own: a cluster with its cases, or one run of an agent."""
    groups, runs = {}, []
    for name in setup.order:
        case = setup.cases[name]
        if "cluster" not in case:
            if name in wanted:
                runs.append({"cases": [name], "wanted": [name], "weight": case.get("seconds") or 10.0})
            continue
        key = case["cluster"] + (f" ({name})" if name in clusters.FRESH else "")
        groups.setdefault(key, []).append(name)
    for names in groups.values():
        needed = _needed(setup, names, wanted)
        if needed:
            runs.append({"cluster": setup.cases[names[0]]["cluster"], "cases": needed,
                         "wanted": [name for name in needed if name in wanted],
                         "weight": sum(setup.cases[name].get("seconds", 0) for name in needed)})
    # The longest first, so that none is left alone at the end.
    return sorted(runs, key=lambda job: -job["weight"])


def _needed(setup, names, wanted):
    """The wanted cases of a cluster, and those before them that change its state."""
    asked = [name for name in names if name in wanted]
    if not asked:
        return []
    before = names[: names.index(asked[-1]) + 1]
    if clusters.WHOLE.intersection(asked):
        return before
    return [name for name in before if name in wanted or not clusters.harmless(setup.cases[name])]


def play(job, setup, directory):
    """Plays a job; returns [name, kind, detail, seconds] of each wanted case as JSON."""
    sandbox.route_multicast()
    verdicts = []
    run = client.Group(job["cluster"], setup, directory) if "cluster" in job else agent.Run(setup, directory)
    try:
        run.start()
        for name in job["cases"]:
            began = time.monotonic()
            kind, detail = setup.verdict(setup.cases[name], run.play(setup.cases[name]))
            if name in job["wanted"]:
                verdicts.append([name, kind, detail, time.monotonic() - began])
    except RuntimeError as problem:
        done = {verdict[0] for verdict in verdicts}
        verdicts += [[name, "failed", f"was not played: {problem}", 0.0] for name in job["wanted"] if name not in done]
    finally:
        run.end()
    return json.dumps(verdicts)


# ---------------------------------------------------------------------------------------------- command line


def parse():
    parser = report.arguments(__doc__)
    parser.add_argument("--agents", help="the serf that runs as agent, if another one than the program")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="like a name; * and ? match anywhere")
    parser.add_argument("-v", dest="verbose", action="store_true", help="show what differs")
    parser.add_argument("--times", action="store_true", help="show how long each case took")
    options = parser.parse_args()
    options.agents = options.agents or options.program
    return options


def main():
    options = parse()
    if options.worker:
        setup = Setup(options.program, options.agents)
        sandbox.work(options.worker, lambda job, directory: play(job, setup, directory))
        return 0
    report.check_ground(options.program)
    report.check_ground(options.agents)
    setup = Setup(options.program, options.agents)
    patterns = options.names + (options.only or []) or ["*"]
    wanted = [name for name in setup.order if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    programs = ["--program", os.path.abspath(options.program), "--agents", os.path.abspath(options.agents)]
    verdicts = take(setup, wanted, programs, options.width)
    again = [name for name in wanted if verdicts[name][0] == "failed"]
    for name in again:
        print(f"failed at the first try: {name}: {verdicts[name][1].splitlines()[:1]}")
    # As in the other suites: a fault comes back when nothing else runs.
    verdicts.update(take(setup, again, programs, 1))
    return close(wanted, verdicts, options)


def take(setup, wanted, programs, width):
    verdicts = {}
    for job, result in sandbox.run(__file__, jobs(setup, set(wanted)), programs, width, JOB_SECONDS, fresh=True):
        if result["ok"]:
            verdicts.update((name, rest) for name, *rest in json.loads(result["detail"]))
        else:
            verdicts.update((name, ["failed", result["detail"], result["seconds"]]) for name in job["wanted"])
    return verdicts


def close(names, verdicts, options):
    """One line per failure, then the totals; returns the exit code."""
    totals = {"recorded": 0, "deviation": 0, "failed": 0}
    for name in names:
        kind, detail, seconds = verdicts[name]
        totals[kind] += 1
        if kind == "failed":
            lines = detail.splitlines() or [""]
            print(f"FAIL {name}: {lines[0][:160]}")
            if options.verbose:
                print("".join(f"     {line}\n" for line in lines), end="")
        if options.times:
            print(f"{seconds:7.2f} s  {kind:9}  {name}")
    print(f"{FOLDER}: {totals['recorded']} as recorded, {totals['deviation']} deviations, of {len(names)}")
    return report.close(totals["recorded"] + totals["deviation"], totals["failed"])


if __name__ == "__main__":
    sys.exit(main())
