#!/usr/bin/env python3
"""Replays the recorded DNS answers of Consul: every scenario of one server without ACLs.

Each runs against a fresh agent in namespaces of its own, with the recordings' own program, which starts the agent and the
recursors that a scenario wants; answers are explained as well, see `dns_explained.py`. What differs must be in
`tests/deviations.toml` under the name of its case, with the words in which the difference is told; a case that is there and
answers as recorded after all fails as well.
"""

import fnmatch
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from harness import report, sandbox

RECORDINGS = "consul-dns"
JOB_SECONDS = 240
WIDTH = 4
# What needs something that is not there yet, and what that is.
LEFT_OUT = {
    "acl-deny-anonymous": "there are no ACLs yet",
    "acl-dns-token": "there are no ACLs yet",
    "acl-unknown-token": "there are no ACLs yet",
    "no-leader": "a server that waits for others is refused at the start, as there are no clusters yet; the tests of the "
                 "crates `dns` and `server` play it",
    "two-datacenters": "there is one datacenter yet",
    "two-datacenters-translate": "there is one datacenter yet",
}
# Single cases of that kind, by scenario; what their set-up cannot do stands among them.
CASES_LEFT_OUT = {
    "addr-virtual-connect-ingress": (
        "there are no configuration entries yet",
        ("set-up PUT /v1/config", "ingress-a", "ingress-srv", "ingress-dc", "ingress-labels"),
    ),
}


def folder():
    return os.path.join(report.shared(), "vectors", RECORDINGS)


def scenarios():
    """Name -> number of cases."""
    found = {}
    for file in sorted(os.listdir(folder())):
        if file.endswith(".json"):
            with open(os.path.join(folder(), file), encoding="utf-8") as text:
                recording = json.load(text)
            if "cases" in recording:
                found[file.removesuffix(".json")] = len(recording["cases"])
    return found


def deviations(name):
    """Case -> how it differs, of one scenario."""
    entry = report.deviations(RECORDINGS).get(name, {})
    return {case["at"]: case["to"] for case in entry.get("change", [])}


def play(name, program):
    """The failures of one scenario as pairs of a case and a text, and how many cases passed, as JSON."""
    replay = [os.path.join(HERE, "dns_explained.py"), folder()]
    words = [sys.executable, *replay, "--start", program + " agent", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    lines = done.stdout.splitlines()
    assert lines and lines[-1].endswith(" failed"), done.stdout[-2000:] + done.stderr[-2000:]
    passed, failed = (int(part.split()[0]) for part in lines[-1].split(", "))
    failures = [line.removeprefix(f"FAIL {name}").lstrip("/: ").partition(": ")
                for line in lines[:-1] if line.startswith("FAIL ")]
    return json.dumps([passed, failed, [[case, text] for case, _, text in failures]])


def judge(name, passed, failed, failures):
    """Passed and failed cases once deviations are taken into account; what failed is printed."""
    known = deviations(name)
    why, without = CASES_LEFT_OUT.get(name, ("", ()))
    for case in without:
        # As many as fail, and none that passes.
        gone = [each for each in failures if each[0] == case]
        failures = [each for each in failures if each[0] != case]
        failed -= len(gone)
        print(f"left out: {name}/{case}: {why}" if gone else f"FAIL {name}/{case}: it is left out, and passes")
        failed += not gone
    expected = [case for case, text in failures if known.get(case) == text]
    passed, failed = passed + len(expected), failed - len(expected)
    for case, text in failures:
        if case not in expected:
            print(f"FAIL {name}/{case}: {text[:400]}")
    for case in known.keys() - {case for case, _ in failures}:
        print(f"FAIL {name}/{case}: it is a deviation, and answers as recorded")
        passed, failed = passed - 1, failed + 1
    return passed, failed


def chosen(names, known):
    patterns = names or ["*"]
    return [name for name in known if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    parser.set_defaults(width=WIDTH)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    if options.worker:
        sandbox.work(options.worker, lambda name, _: play(name, program))
        return 0
    report.check_ground(program)
    known = scenarios()
    assert LEFT_OUT.keys() <= known.keys(), "a scenario that is left out is not there"
    wanted = [name for name in chosen(options.names, known) if name not in LEFT_OUT]
    totals = {"passed": 0, "failed": 0}
    words = ["--program", program]
    # As in the other suites: a fault comes back when nothing else runs.
    for name, result in sandbox.run(__file__, wanted, words, options.width, JOB_SECONDS, fresh=True):
        if result["ok"]:
            passed, failed = judge(name, *json.loads(result["detail"]))
        else:
            passed, failed = 0, known[name]
            print(f"FAIL {name}: {result['detail'][-2000:]}")
        if options.verbose or failed:
            print(f"{name}: {passed} of {known[name]} cases passed ({result['seconds']:.1f} s)")
        totals["passed"] += passed
        totals["failed"] += failed
    for name in chosen(options.names, LEFT_OUT):
        print(f"left out: {name} ({known[name]} cases): {LEFT_OUT[name]}")
    return report.close(**totals)


if __name__ == "__main__":
    sys.exit(main())
