"""Client libraries that others wrote: fetched, built, driven, and what their programs say of each check."""

import json
import os
import shutil
import subprocess
import sys

from . import sandbox

HERE = os.path.dirname(os.path.abspath(__file__))


def quietly(command, directory):
    """Runs a step of a build, whose output matters only if it fails."""
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s ended with %d:\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))


def build_node(source, built):
    """Copies a program for Node and `checks.js` to a folder, and fetches its packages there."""
    os.makedirs(built, exist_ok=True)
    for path in [os.path.join(source, name) for name in ("package.json", "package-lock.json", "main.js")] + [os.path.join(HERE, "checks.js")]:
        shutil.copy(path, built)
    quietly(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], built)


def checks_of(command, environment, seconds, directory=None):
    """Runs a client's program; its lines `ok NAME` and `not ok NAME: REASON`, and one more if its end does not fit them."""
    running = subprocess.Popen(command, env=dict(os.environ, NODE_NO_WARNINGS="1", PYTHONDONTWRITEBYTECODE="1", **environment),
                               cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        printed, complaint = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.kill()
        printed, complaint = running.communicate()
    lines = [line for line in printed.splitlines() if line.startswith(("ok ", "not ok "))]
    bad = any(line.startswith("not ok ") for line in lines)
    if not lines or (running.returncode != 0) != bad:
        lines.append("not ok program: ended with %d after %s: %s" % (running.returncode, lines[-1:], (complaint + printed)[-3000:]))
    return lines


def run(script, names, options, seconds):
    """Plays each client in a namespace of its own and prints how it went; how many checks passed, and how many failed."""
    passed = failed = 0
    arguments = ["--program", os.path.abspath(options.program)]
    for name, result in sandbox.run(script, names, arguments, options.width, seconds, fresh=True):
        checks = json.loads(result["detail"]) if result["ok"] else ["not ok " + name + ": " + result["detail"]]
        good = sum(line.startswith("ok ") for line in checks)
        tries = ", at the second try" if "first" in result else ""
        print("%s: %d of %d checks as wanted (%.1f s)%s" % (name, good, len(checks), result["seconds"], tries))
        for line in checks:
            if options.verbose or line.startswith("not ok "):
                print("     " + line)
        passed += good
        failed += len(checks) - good
    return passed, failed
