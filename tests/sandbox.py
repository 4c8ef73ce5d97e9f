#!/usr/bin/env python3
"""The README's first command, `tribune cluster`, by script: every way of losing the primary, what it
says when an address is taken, and that nothing is left behind.

    python3 tests/sandbox.py [--binary PATH]
"""

import argparse
import fcntl
import glob
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request

from harness import report

BLOCK = "78"
PAGE = f"http://127.{BLOCK}.0.99:8080/"
LIMIT = 120


def lines_of(binary, *arguments, expect=0):
    done = subprocess.run([binary, "cluster", *arguments, f"-block={BLOCK}"], text=True,
                          capture_output=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    assert done.returncode == expect, f"exit {done.returncode}, not {expect}:\n{said}"
    return said


def ways(binary, _):
    said = lines_of(binary, "5", "-script", "kill primary; wait; heal; wait; pause primary; wait; "
                    "heal; wait; stop primary; wait; heal; add; wait; quit")
    for expected in [
        r"started 5 nodes, page: " + re.escape(PAGE),
        r"node0 is primary after [\d.]+ s",
        r"node0 \(primary\) killed",
        r"node0 is failed: detected in [\d.]+ s",
        r"role moved to node1 in [\d.]+ s",
        r"node1 \(primary\) paused",
        r"role moved to node0 in [\d.]+ s",
        r"node0 \(primary\) leaving",
        r"node0 is left: detected in [\d.]+ s",
        r"node5 added",
        r"6 of 6 members alive",
    ]:
        found = re.search(expected, said)
        assert found, f"'{expected}' not in:\n{said}"
        said = said[found.end():]


def majority(binary, _):
    said = lines_of(binary, "3", "-quorum=majority", "-script", "kill primary; wait; quit")
    # Any two nodes are a majority: one that starts late is not the first primary.
    killed = re.search(r"(node\d) \(primary\) killed", said)
    assert killed, said
    successor = "node1" if killed[1] == "node0" else "node0"
    assert re.search(rf"role moved to {successor} in [\d.]+ s", said[killed.end():]), said


def page(binary, _):
    """The floating address shows the primary's page, and after a kill that of its successor."""
    process = subprocess.Popen([binary, "cluster", "3", f"-block={BLOCK}", "-script",
                                "sleep 2; kill primary; wait; sleep 60"],
                               stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    try:
        seen = set()
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and len(seen) < 2:
            try:
                body = urllib.request.urlopen(PAGE, timeout=1).read().decode()
                seen.update(re.findall(r"primary: (node\d)", body))
            except OSError:
                pass
            time.sleep(0.1)
        assert seen == {"node0", "node1"}, seen
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
    assert code == 130, code


def taken(binary, _):
    with socket.create_server((f"127.{BLOCK}.0.2", 8080)):
        said = lines_of(binary, "3", "-script", "quit", expect=1)
    assert "web page" in said and "is taken" in said and "-block" in said, said


def terminal(binary, _):
    """On a terminal of 80 columns and 12 rows: no line is wider, no table is higher, keys work, and
    Ctrl-C is heard from the beginning on."""
    for keys, seen in [("", ""), ("p", r"node0 \(primary\) paused")]:
        child, screen = pty.fork()
        if child == 0:
            os.execv(binary, [binary, "cluster", "15", f"-block={BLOCK}"])
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
        said, typed = "", False
        deadline = time.monotonic() + LIMIT
        wait_for = "primary after" if keys else "started"
        while time.monotonic() < deadline:
            if not select.select([screen], [], [], 0.1)[0]:
                continue
            try:
                said += os.read(screen, 65536).decode()
            except OSError:  # the other end is closed
                break
            if not typed and re.search(wait_for, said):
                typed = True
                os.write(screen, keys.encode())
                if not keys:
                    os.write(screen, b"\x03")
            elif keys and re.search(seen, said):
                os.write(screen, b"\x03")
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(screen)
        assert code == 0 and typed, (code, said)
        assert re.search(seen, said), said
        assert len(max(re.split(r"\r\n|\x1b\[\d*[A-Z]", said), key=len)) <= 80, said
        rises = [int(rows) for rows in re.findall(r"\x1b\[(\d+)A", said)]
        assert max(rises, default=0) < 12 and (rises or not keys), rises


def unread(binary, _):
    """Whoever reads the lines goes away: the cluster ends, and leaves nothing."""
    with subprocess.Popen([binary, "cluster", "2", f"-block={BLOCK}"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(20) == 1 and said == "", said


def misuse(binary, _):
    for arguments in [("0",), ("91",), ("3", "-quorum=some"), ("3", "-script", "explode"),
                      ("3", "-web-port=70000")]:
        done = subprocess.run([binary, "cluster", *arguments], text=True, capture_output=True,
                              timeout=LIMIT, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and done.stderr + done.stdout, (arguments, done)


def nothing_left(_, folder):
    left = glob.glob(os.path.join(folder, "tribune-cluster-*"))
    assert not left, left
    for command in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            words = open(command, "rb").read().split(b"\0")
        except OSError:
            continue
        assert not (b"cluster-node" in words and folder.encode() in b" ".join(words)), words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=report.default_program())
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        for test in (ways, majority, page, taken, terminal, unread, misuse,
                     nothing_left):
            begin = time.monotonic()
            try:
                test(options.binary, folder)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"FAIL {test.__name__}: {error}")
            else:
                passed += 1
                print(f"ok {test.__name__} ({time.monotonic() - begin:.1f} s)")
    print(f"sandbox: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
