#!/usr/bin/env python3
"""Runs the mixed-cluster suite: the real `serf` and ours in one membership.

Every test has a private namespace of its own. With `--program /usr/bin/serf` the suite proves itself: everything but our
own improvements must pass with the real program on both sides.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import report, sandbox
from mixed import discovery, encryption, events, files, hostile, improvements, membership, network, queries, stage

MODULES = (membership, events, queries, encryption, files, discovery, network, hostile, improvements)
SECONDS = 150


def play(name, directory, program, with_logs):
    played = stage.Stage(program, directory)
    try:
        return stage.CASES[name].function(played)
    except AssertionError as problem:
        if not with_logs:
            raise
        logs = ["--- %s (%s), last lines\n%s" % (node, node.kind, last_lines(node)) for node in played.agents]
        raise AssertionError("%s\n%s" % (problem, "\n".join(logs)))
    finally:
        played.stop()


def last_lines(node):
    """The end of a log without the lines that the test's own questions make."""
    lines = [line for line in node.log().splitlines() if "agent.ipc: Accepted client" not in line]
    return "\n".join(lines)[-3000:]


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true", help="only the quick ones that touch every part")
    parser.add_argument("--logs", action="store_true", help="show the ends of all logs of a test that fails")
    parser.add_argument("--list", action="store_true", help="print the names of the tests")
    options = parser.parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda name, directory: play(name, directory, options.program, options.logs))
        return 0
    names = report.chosen(stage.CASES, options.names)
    if options.smoke:
        names = [name for name in names if stage.CASES[name].smoke]
    if options.list:
        print("\n".join(names))
        return 0
    report.check_ground(options.program)
    if not os.access(report.REAL, os.X_OK):
        sys.exit("the real program is needed beside ours: install Debian's package `serf`")
    if not report.is_ours(options.program):
        names = [name for name in names if not stage.CASES[name].improvement]
    names.sort(key=lambda name: not stage.CASES[name].slow)
    arguments = ["--program", os.path.abspath(options.program)] + (["--logs"] if options.logs else [])
    passed = skipped = 0
    for name, result in sandbox.run(__file__, names, arguments, options.width, SECONDS, fresh=True):
        report.show(name, result, options.verbose)
        skipped += result.get("skipped", False)
        passed += result["ok"] and not result.get("skipped", False)
    return report.close(passed, len(names) - passed - skipped, skipped)


if __name__ == "__main__":
    sys.exit(main())
