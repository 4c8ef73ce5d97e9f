#!/usr/bin/env python3
"""Finds the functions that a settled agent runs, and writes the linker's list of them.

    python3 bench/layout.py PROGRAM [--out FILE] [--seconds 200]

The system maps a program in pieces of 64 KiB, so that functions which are run at idle and lie far
apart keep the code between them resident. The list has the linker put them side by side (see
crates/tribune/build.rs). A name that is not there any more costs nothing, a function that is missing
64 KiB at most: make the list anew when an agent has grown.

PROGRAM is the static build with its symbols:

    cargo rustc --release --locked -p tribune --bin tribune --target x86_64-unknown-linux-musl \\
        -- -C strip=none

One agent of a cluster of 30 runs under callgrind (Debian: valgrind), which counts from the
time on when all is settled. It takes five minutes.
"""

import argparse
import os
import re
import subprocess
import tempfile

from cluster import Cluster, address

LIST = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                    "crates/tribune/layout.ld")
SETTLED = 80
MEMBERS = 29


def functions(profile):
    """Names of the functions in callgrind's output that ran themselves."""
    names, ran, current, is_call = {}, set(), None, False
    with open(profile, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if found := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?", line):
                callee, number, name = found.groups()
                if name:
                    names[number] = name.strip()
                if not callee:
                    current = number
            elif line.startswith("calls="):
                is_call = True
            elif re.match(r"[-+*0-9]", line):
                if not is_call:
                    ran.add(current)
                is_call = False
    return {names[number] for number in ran}


def pattern(name):
    """The name in every build: without what stands for versions and paths."""
    name = re.sub(r"('\d+|(\.llvm)?\.\d+)$", "", name)
    name = re.sub(r"17h[0-9a-f]{16}E$", "17h*E", name)
    return re.sub(r"Cs[0-9A-Za-z]{6,12}_", "Cs*_", name)


def profile(program, seconds, folder):
    link = os.path.join(folder, "serf")
    os.symlink(os.path.abspath(program), link)
    options = ["-event-handler=user:never=true"]
    host = address(96, MEMBERS)
    with Cluster(link, 96, options) as cluster:
        assert cluster.form(MEMBERS, 60) is not None, "the cluster does not become whole"
        watched = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--demangle=no",
             f"--callgrind-out-file={folder}/out", link, "agent", "-node=watched",
             f"-bind={host}", f"-rpc-addr={host}:7373", f"-join={address(96, 0)}", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for step, wait in (("--zero", SETTLED), ("--dump", seconds)):
                cluster.idle(wait)
                subprocess.run(["callgrind_control", step, str(watched.pid)], check=True,
                               stdout=subprocess.DEVNULL)
            cluster.idle(2)
        finally:
            watched.kill()
            watched.wait()
    return functions(f"{folder}/out.1")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--out", default=LIST)
    parser.add_argument("--seconds", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = sorted({pattern(name) for name in
                        profile(options.program, options.seconds, folder)})
    with open(options.out, "w", encoding="utf-8") as out:
        out.write("/* What a settled agent runs, side by side: made by bench/layout.py. */\n"
                  "SECTIONS\n{\n  .text.settled :\n  {\n")
        out.writelines(f"    *(.text.{name})\n" for name in names)
        out.write("  }\n}\nINSERT BEFORE .text;\n")
    print(f"{len(names)} functions in {options.out}")


if __name__ == "__main__":
    main()
