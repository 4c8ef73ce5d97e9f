#!/usr/bin/env python3
"""The Debian package, really built and installed.

    python3 tests/package.py [--binary PATH]

The package is installed over this machine's root, of which a private overlay keeps every change away: in the place of
Debian's `serf`, upgraded, removed and purged. Wants root, overlay file systems, and Debian's package `serf` installed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from harness import report

ROOT = report.ROOT
# Exit code of a suite that this machine cannot run.
NOT_RUN = 77
RESULTS = {"passed": 0, "failed": 0}
SHIPPED = """
/etc/serf /var/lib/serf /usr/bin/tribune /lib/systemd/system/tribune-serf.service /lib/systemd/system/serf.service
/usr/share/doc/tribune/serf.json.example /usr/share/doc/tribune/copyright /usr/share/doc/tribune/changelog.gz
/usr/share/doc/tribune/CHANGELOG.md.gz
/usr/share/man/man1/tribune-serf.1.gz /usr/share/man/man1/tribune.1.gz
/usr/share/bash-completion/completions/serf /usr/share/bash-completion/completions/tribune
/usr/share/zsh/vendor-completions/_serf
/usr/share/fish/vendor_completions.d/serf.fish /usr/share/fish/vendor_completions.d/tribune.fish
""".split()


def check(name, action):
    try:
        action()
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        RESULTS["failed"] += 1
        print("FAIL %s\n     %s" % (name, str(problem).replace("\n", "\n     ")))
    else:
        RESULTS["passed"] += 1
        print("ok   %s" % name)


def run(*command, code=0, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    assert done.returncode == code, "%s ended with %d\n%s%s" % (" ".join(command), done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


class Machine:
    """An overlay of this machine's root, entered by chroot."""

    def __init__(self, folder):
        self.root = os.path.join(folder, "root")
        upper = os.path.join(folder, "upper")
        for name in (self.root, upper):
            os.mkdir(name)
        run("mount", "-t", "tmpfs", "tmpfs", upper)
        layers = [os.path.join(upper, name) for name in ("changed", "work")]
        for name in layers:
            os.mkdir(name)
        run("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir=%s,workdir=%s" % tuple(layers), self.root)
        run("mount", "-t", "proc", "proc", self.path("/proc"))
        run("mount", "-t", "tmpfs", "tmpfs", self.path("/run"))
        run("mount", "--bind", "/dev", self.path("/dev"))

    def path(self, name):
        return self.root + name

    def run(self, *command, **options):
        return run("chroot", self.root, *command, **options)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def exists(self, name):
        return self.run("sh", "-c", 'test -e "$1" && echo yes || echo no', "sh", name).strip() == "yes"


OWN = {
    "/etc/serf/agent.json": '{"tags": {"role": "web"}}\n',
    "/etc/serf/keyring": '["AAAAAAAAAAAAAAAAAAAAAA=="]\n',
    "/var/lib/serf/snapshot": "alive: n2 127.0.0.12:7946\nclock: 7\n",
}


def untouched(machine):
    for name, text in OWN.items():
        assert machine.read(name) == text, "%s was changed" % name


def package_of(folder, binary, version=None):
    """Builds the package, with another version number if one is given, and returns its path."""
    os.makedirs(folder)
    run(os.path.join(ROOT, "packaging", "build-deb.sh"), binary, cwd=folder)
    (name,) = os.listdir(folder)
    path = os.path.join(folder, name)
    if version is None:
        return path
    tree = os.path.join(folder, "tree")
    run("dpkg-deb", "--raw-extract", path, tree)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control) as file:
        lines = ["Version: %s\n" % version if line.startswith("Version:") else line for line in file]
    with open(control, "w") as file:
        file.writelines(lines)
    run("dpkg-deb", "--root-owner-group", "--build", tree, path)
    return path


def refuses_dynamic(folder):
    complaint = run(os.path.join(ROOT, "packaging", "build-deb.sh"), "/bin/sh", cwd=folder, code=1)
    assert "not static" in complaint, complaint


def contents(package):
    listed = run("dpkg-deb", "--contents", package).splitlines()
    found = {}
    for line in listed:
        words = line.split()
        found[words[5].lstrip(".").rstrip("/") or "/"] = (words[0], words[1])
    missing = [name for name in SHIPPED if name not in found]
    assert not missing, "not in the package: %s" % missing
    strange = [name for name, (_, owner) in found.items() if owner != "root/root"]
    assert not strange, "not root's: %s" % strange
    assert found["/"][0] == "drwxr-xr-x", "the root folder has mode %s" % found["/"][0]


def unit(machine):
    machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/tribune-serf.service")
    lines = machine.read("/lib/systemd/system/tribune-serf.service").splitlines()
    assert "KillSignal=SIGINT" in lines
    (stop,) = [int(line.split("=")[1]) for line in lines if line.startswith("TimeoutStopSec=")]
    assert stop > 11, "a leave may take 11 s, the unit allows %d" % stop


def takes_over(machine):
    assert "Tribune" in machine.run("serf", "version")
    assert os.readlink(machine.path("/usr/bin/serf")) == "/etc/alternatives/serf"
    wants = "/etc/systemd/system/multi-user.target.wants/serf.service"
    if os.path.lexists(machine.path(wants)):
        assert machine.exists(wants), "Serf's unit was enabled, and now leads nowhere"


def manual(machine):
    for name in ("serf", "tribune", "tribune-serf"):
        assert machine.exists("/usr/share/man/man1/%s.1.gz" % name), "%s(1) is missing" % name
    page = os.path.join(machine.root, "tmp", "page.1")
    with open(page, "wb") as file:
        file.write(subprocess.run(["zcat", machine.path("/usr/share/man/man1/tribune-serf.1.gz")], capture_output=True).stdout)
    complaints = machine.run("groff", "-man", "-ww", "-Tutf8", "-z", "/tmp/page.1")
    assert not complaints, complaints


COMPLETE_BASH = """
source /usr/share/bash-completion/completions/$1
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_tribune_serf
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completions(machine):
    for wanted, words in (
        ("members", "serf mem"),
        ("-detailed", "serf members -d"),
        ("cluster", "tribune clu"),
        ("-quorum", "tribune cluster -q"),
        ("-snapshot", "tribune serf agent -s"),
    ):
        words = words.split()
        found = machine.run("bash", "-c", COMPLETE_BASH, "bash", words[0], *words).split()
        assert wanted in found, "%s completes to %s" % (words, found)
    machine.run("zsh", "-n", "/usr/share/zsh/vendor-completions/_serf")
    if machine.exists("/usr/bin/fish"):
        for name in ("serf mem", "tribune serf mem"):
            found = machine.run("fish", "--no-config", "-c", "source /usr/share/fish/vendor_completions.d/serf.fish; complete -C '%s'" % name)
            assert found.startswith("members"), found


def example(machine):
    """The example is a configuration that the agent takes, on a machine with an address of the example's network."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", "10.0.0.14/24", "dev", "lo")
    machine.write("/etc/serf/agent.json", machine.read("/usr/share/doc/tribune/serf.json.example"))
    try:
        machine.run("serf", "agent", "-validate", "-config-dir=/etc/serf/")
    finally:
        machine.write("/etc/serf/agent.json", OWN["/etc/serf/agent.json"])


def removed(machine):
    machine.run("dpkg", "--remove", "tribune")
    left = [name for name in ("/usr/bin/serf", "/usr/bin/tribune", "/etc/alternatives/serf", "/usr/share/man/man1/serf.1.gz") if os.path.lexists(machine.path(name))]
    assert not left, "left behind: %s" % left


def play(binary, folder):
    package = package_of(os.path.join(folder, "first"), binary)
    newer = package_of(os.path.join(folder, "second"), binary, "999.0")
    check("refuses a binary that wants shared libraries", lambda: refuses_dynamic(folder))
    check("contents", lambda: contents(package))
    machine = Machine(folder)
    for name, text in OWN.items():
        machine.write(name, text)
    for path, name in ((package, "/tmp/tribune.deb"), (newer, "/tmp/newer.deb")):
        shutil.copy(path, machine.path(name))
    check("installs in the place of serf", lambda: machine.run("dpkg", "--install", "--auto-deconfigure", "/tmp/tribune.deb"))
    check("takes the name and the unit", lambda: takes_over(machine))
    check("leaves the user's files at the installation", lambda: untouched(machine))
    check("unit", lambda: unit(machine))
    check("manual", lambda: manual(machine))
    check("completions", lambda: completions(machine))
    check("example", lambda: example(machine))
    check("upgrades", lambda: machine.run("dpkg", "--install", "/tmp/newer.deb"))
    check("keeps the name over an upgrade", lambda: takes_over(machine))
    check("leaves the user's files at an upgrade", lambda: untouched(machine))
    check("is removed without a trace", lambda: removed(machine))
    check("leaves the user's files at the removal", lambda: untouched(machine))
    check("is purged", lambda: machine.run("dpkg", "--purge", "tribune"))
    check("leaves the user's files at a purge", lambda: untouched(machine))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--binary", default=report.STATIC, help="a static build (default: this checkout's)")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        play(options.binary, options.inside)
        print("%d passed, %d failed" % (RESULTS["passed"], RESULTS["failed"]))
        return 1 if RESULTS["failed"] else 0
    with open("/proc/filesystems") as file:
        overlays = any(line.split()[-1] == "overlay" for line in file)
    if os.geteuid() != 0 or not (overlays or os.path.exists("/sbin/modprobe") and subprocess.call(["modprobe", "overlay"]) == 0):
        print("this suite needs root and overlay file systems")
        return NOT_RUN
    folder = tempfile.mkdtemp(prefix="tribune-package-")
    try:
        # Mounts and processes of the test end with its namespaces.
        space = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net"]
        return subprocess.call(space + [sys.executable, os.path.abspath(__file__), "--binary", os.path.abspath(options.binary), "--inside", folder])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
