"""Deviations, programs and closing lines, the same for all suites."""

import argparse
import os
import subprocess
import sys
import tomllib

from . import sandbox

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
REAL = os.environ.get("TRIBUNE_REAL_SERF", "/usr/bin/serf")
# What is shipped, and what `cargo static` builds.
STATIC = os.path.join(ROOT, "target", "x86_64-unknown-linux-musl", "release", "tribune")


def shared():
    """The folder with specifications and recordings, beside the checkout."""
    return os.environ.get("TRIBUNE_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", help="only these cases; a trailing * matches any ending")
    parser.add_argument("--program", default=default_program(), help="the program under test (default: this checkout's)")
    parser.add_argument("--width", type=int, default=12, help="how many namespaces at a time")
    parser.add_argument("--verbose", action="store_true", help="name the cases that pass, too")
    parser.add_argument("--worker", metavar="ROOM", help=argparse.SUPPRESS)
    return parser


def default_program():
    """The newest of this checkout's static and release builds."""
    builds = [STATIC, os.path.join(ROOT, "target", "release", "tribune")]
    return max(filter(os.path.exists, builds), key=os.path.getmtime, default=STATIC)


def check_ground(program):
    """Ends the run with a sentence if namespaces or the program are not to be had."""
    if not os.access(program, os.X_OK):
        sys.exit("no program at %s: build it with `cargo static`, or name one with --program" % program)
    reason = sandbox.available()
    if reason:
        sys.exit("these tests need private namespaces: " + reason)


def is_ours(program):
    """Whether this is Tribune: the real program prints two lines."""
    shown = subprocess.run(["serf", "version"], executable=program, capture_output=True, text=True)
    return "Tribune" in shown.stdout


def chosen(cases, names):
    if not names:
        return list(cases)
    ends = [name for name in names if not name.endswith("*")]
    fronts = tuple(name[:-1] for name in names if name.endswith("*"))
    return [case for case in cases if case in ends or (fronts and case.startswith(fronts))]


def deviations(folder):
    """The recordings of `folder` that the issue calls faults: file name without ending -> entry."""
    path = os.path.join(TESTS, "deviations.toml")
    if not os.path.exists(path):
        return {}
    with open(path, "rb") as file:
        entries = tomllib.load(file).get("deviation", [])
    prefix = folder + "/"
    return {
        os.path.splitext(entry["file"][len(prefix) :])[0]: entry
        for entry in entries
        if entry["file"].startswith(prefix)
    }


def show(name, result, verbose):
    """One case's line, and what went wrong."""
    word = "skip" if result.get("skipped") else "ok" if result["ok"] else "FAIL"
    if word == "ok" and "first" not in result and not verbose:
        return
    print("%-4s %s (%.1f s)%s" % (word, name, result["seconds"], ", at the second try" if "first" in result else ""))
    for detail in (result.get("first"), result["detail"] if word != "ok" else None):
        if detail:
            print("     " + detail.rstrip().replace("\n", "\n     "))
    sys.stdout.flush()


def close(passed, failed, skipped=0):
    """The last line, and the exit code: 77 says that something cannot run on this machine. Nothing at all is no success."""
    print("%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else ""))
    return 1 if failed or not passed + skipped else 77 if skipped else 0
