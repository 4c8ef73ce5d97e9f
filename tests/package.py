#!/usr/bin/env python3
"""The Debian package, really built and installed.

    python3 tests/package.py [--binary PATH]

The package is installed over this machine's root, of which a private overlay keeps every change away: in the place of
Debian's `serf` and of a package `consul`, upgraded, removed and purged. Wants root, overlay file systems, and Debian's
package `serf` installed.
"""

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

from harness import report
from harness.waiting import until

ROOT = report.ROOT
# Exit code of a suite that this machine cannot run.
NOT_RUN = 77
RESULTS = {"passed": 0, "failed": 0}
SHIPPED = """
/etc/serf /var/lib/serf /usr/bin/tribune /lib/systemd/system/tribune-serf.service /lib/systemd/system/serf.service
/usr/bin/consul /lib/systemd/system/consul.service /etc/consul.d/consul.hcl
/usr/share/doc/tribune/serf.json.example /usr/share/doc/tribune/copyright /usr/share/doc/tribune/changelog.gz
/usr/share/doc/tribune/CHANGELOG.md.gz /usr/share/doc/tribune/consul-configuration.md.gz
/usr/share/man/man1/tribune-serf.1.gz /usr/share/man/man1/tribune.1.gz /usr/share/man/man1/consul.1.gz
/usr/share/bash-completion/completions/serf /usr/share/bash-completion/completions/tribune
/usr/share/bash-completion/completions/consul /usr/share/zsh/vendor-completions/_serf
/usr/share/fish/vendor_completions.d/serf.fish /usr/share/fish/vendor_completions.d/tribune.fish
/usr/share/fish/vendor_completions.d/consul.fish
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


# What a Consul before has left in /etc/consul.d/consul.hcl, changed by its user.
BEFORE = 'data_dir = "/var/lib/consul"\nbind_addr = "127.0.0.1"\nserver = true\nbootstrap_expect = 1\n'
OWN = {
    "/etc/serf/agent.json": '{"tags": {"role": "web"}}\n',
    "/etc/serf/keyring": '["AAAAAAAAAAAAAAAAAAAAAA=="]\n',
    "/var/lib/serf/snapshot": "alive: n2 127.0.0.12:7946\nclock: 7\n",
    "/etc/consul.d/web.json": '{"service": {"name": "web", "port": 80}}\n',
    "/var/lib/consul/notes": "mine\n",
}


def untouched(machine):
    for name, text in OWN.items():
        assert machine.read(name) == text, "%s was changed" % name


def package_of(folder, binary):
    """Builds the package and returns its path."""
    os.makedirs(folder)
    run(os.path.join(ROOT, "packaging", "build-deb.sh"), binary, cwd=folder)
    (name,) = os.listdir(folder)
    return os.path.join(folder, name)


def newer_than(package):
    """The same package with a later version, not compressed; returns its path."""
    tree = os.path.join(os.path.dirname(package), "newer")
    run("dpkg-deb", "--raw-extract", package, tree)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control) as file:
        lines = ["Version: 999.0\n" if line.startswith("Version:") else line for line in file]
    with open(control, "w") as file:
        file.writelines(lines)
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, tree + ".deb")
    return tree + ".deb"


def real_consul(folder):
    """A package with the names of the real one: a program, settings that dpkg keeps as such, a unit."""
    tree = os.path.join(folder, "consul")
    files = {
        "usr/bin/consul": "#!/bin/sh\n",
        "etc/consul.d/consul.hcl": 'data_dir = "/opt/consul"\n',
        "lib/systemd/system/consul.service": "[Service]\nExecStart=/usr/bin/consul\n",
        "DEBIAN/control": "Package: consul\nVersion: 1.16.4-1\nArchitecture: all\nMaintainer: Nobody <nobody@example.invalid>\nDescription: stand-in\n",
        "DEBIAN/conffiles": "/etc/consul.d/consul.hcl\n",
    }
    for name, text in files.items():
        path = os.path.join(tree, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    run("dpkg-deb", "--root-owner-group", "--build", tree, tree + ".deb")
    return tree + ".deb"


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


def consul_unit(machine):
    # Of keys that it does not know it only speaks.
    said = machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/consul.service")
    assert "consul.service" not in said, said
    for folder in ("/etc/systemd/system", "/lib/systemd/system"):
        wants = machine.path(folder + "/multi-user.target.wants/consul.service")
        assert not os.path.lexists(wants), "the unit is enabled by being installed"


def account(machine):
    name, _, number, group, _, home, shell = machine.run("getent", "passwd", "consul").strip().split(":")
    assert 0 < int(number) < 1000 and (home, shell) == ("/var/lib/consul", "/usr/sbin/nologin"), (name, number, home, shell)
    assert machine.run("getent", "group", "consul").split(":")[2] == group
    assert machine.run("stat", "-c", "%U:%G:%a", "/etc/consul.d").strip() == "root:consul:750"


class Unit:
    """What systemd makes of consul.service: its folder, its user, its commands, its notification."""

    def __init__(self, machine):
        self.machine = machine
        lines = machine.read("/lib/systemd/system/consul.service").splitlines()
        self.settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        self.folder = "/var/lib/" + self.settings["StateDirectory"]
        machine.run("chown", "-R", "%s:%s" % (self.settings["User"], self.settings["Group"]), self.folder)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0tribune-package")
        self.socket.settimeout(0.2)

    def command(self, key):
        user = ["setpriv", "--reuid", self.settings["User"], "--regid", self.settings["Group"], "--init-groups"]
        return user + ["env", "NOTIFY_SOCKET=@tribune-package"] + shlex.split(self.settings[key])

    def start(self):
        self.machine.run(*self.command("ExecStartPre"))
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(["chroot", self.machine.root] + self.command("ExecStart"), stdout=self.log, stderr=self.log)
        until(lambda: self.notified() or self.process.poll() is not None, 60, "READY=1")
        assert self.process.poll() is None, self.said()

    def notified(self):
        try:
            return b"READY=1" in self.socket.recv(1000)
        except TimeoutError:
            return False

    def said(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    def wait(self):
        """The exit code, as systemd judges it."""
        code = self.process.wait(30)
        return code, code == 0 or str(code) in self.settings["SuccessExitStatus"].split()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.socket.close()


def request(method, path, body=None):
    asked = urllib.request.Request("http://127.0.0.1:8500/v1/" + path, body, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10) as answer:
        return answer.read()


def leads():
    try:
        return request("GET", "status/leader").strip() not in (b"", b'""')
    except OSError:
        return False


def runs_as_unit(machine):
    """Starts, keeps its data over a stop, which is no failure, and after a leave is not started again."""
    run("ip", "link", "set", "lo", "up")
    unit = Unit(machine)
    try:
        unit.start()
        until(leads, 30, lambda _: "no leader\n" + unit.said())
        assert request("PUT", "kv/kept", b"yes") == b"true"
        assert machine.run("consul", "kv", "get", "kept") == "yes\n"
        assert b'"web"' in request("GET", "agent/services")
        status = machine.read("/proc/%d/status" % unit.process.pid).splitlines()
        (users,) = [line.split()[1:] for line in status if line.startswith("Uid:")]
        assert users == [machine.run("id", "-u", "consul").strip()] * 4, users
        unit.process.send_signal(signal.SIGHUP)
        until(unit.notified, 30, "READY=1 after a reload")
        unit.process.send_signal(getattr(signal, unit.settings["KillSignal"]))
        assert unit.wait() == (1, True), unit.said()
        unit.start()
        until(leads, 30, lambda _: "no leader\n" + unit.said())
        assert request("GET", "kv/kept?raw") == b"yes"
        machine.run("consul", "leave")
        assert unit.wait() == (0, True), unit.said()
        assert "0" in unit.settings["RestartPreventExitStatus"].split()
    finally:
        unit.end()


def consul_example(machine, package):
    """The example runs one server once its two lines are taken in."""
    tree = os.path.join(machine.root, "tmp", "shipped")
    run("dpkg-deb", "--extract", package, tree)
    with open(os.path.join(tree, "etc/consul.d/consul.hcl")) as file:
        text = file.read()
    machine.write("/tmp/tried/consul.hcl", text)
    machine.write("/tmp/tried/bind.hcl", 'bind_addr = "127.0.0.1"\n')
    machine.run("consul", "validate", "/tmp/tried")
    changed = text.replace("#server", "server").replace("#bootstrap_expect", "bootstrap_expect")
    assert changed.count("\n#") == text.count("\n#") - 2, "the two lines are not there"
    machine.write("/tmp/tried/consul.hcl", changed)
    assert "Configuration is valid!" in machine.run("consul", "validate", "/tmp/tried")


def takes_over_from_consul(machine):
    assert os.readlink(machine.path("/usr/bin/consul")) == "tribune"
    assert machine.run("consul", "version").startswith("Consul v")
    state = machine.run("dpkg-query", "--show", "--showformat", "${db:Status-Status}", "consul")
    assert state != "installed", "the package consul is still installed"
    assert machine.read("/etc/consul.d/consul.hcl") == BEFORE, "the settings of before are gone"


def purged(machine):
    machine.run("dpkg", "--purge", "tribune")
    assert not machine.exists("/etc/consul.d/consul.hcl"), "dpkg's own file of settings is left behind"
    machine.run("getent", "passwd", "consul")


def takes_over(machine):
    assert "Tribune" in machine.run("serf", "version")
    assert os.readlink(machine.path("/usr/bin/serf")) == "/etc/alternatives/serf"
    wants = "/etc/systemd/system/multi-user.target.wants/serf.service"
    if os.path.lexists(machine.path(wants)):
        assert machine.exists(wants), "Serf's unit was enabled, and now leads nowhere"


def stays_enabled(machine):
    """A purge of what is left of Serf's package takes Serf's link away, not that of the unit in its place."""
    wants = "/etc/systemd/system/multi-user.target.wants/"
    assert os.path.lexists(machine.path(wants + "serf.service")), "Serf's unit was not enabled"
    assert machine.exists(wants + "tribune-serf.service"), "Serf's unit was enabled, and this one is not"
    machine.run("dpkg", "--purge", "serf")
    assert not os.path.lexists(machine.path(wants + "serf.service"))
    assert machine.exists(wants + "tribune-serf.service"), "the unit is not enabled any more"


def manual(machine):
    for name in ("serf", "consul", "tribune", "tribune-serf"):
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
_tribune
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completions(machine):
    for wanted, words in (
        ("members", "serf mem"),
        ("-detailed", "serf members -d"),
        ("cluster", "tribune clu"),
        ("-quorum", "tribune cluster -q"),
        ("-snapshot", "tribune serf agent -s"),
        ("put", "consul kv p"),
        ("-bootstrap-expect", "consul agent -boot"),
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
    left = [name for name in ("/usr/bin/serf", "/usr/bin/consul", "/usr/bin/tribune", "/etc/alternatives/serf", "/usr/share/man/man1/serf.1.gz") if os.path.lexists(machine.path(name))]
    assert not left, "left behind: %s" % left


def play(binary, folder):
    package = package_of(os.path.join(folder, "built"), binary)
    newer = newer_than(package)
    check("refuses a binary that wants shared libraries", lambda: refuses_dynamic(folder))
    check("contents", lambda: contents(package))
    machine = Machine(folder)
    for name, text in OWN.items():
        machine.write(name, text)
    for path, name in ((package, "/tmp/tribune.deb"), (newer, "/tmp/newer.deb"), (real_consul(folder), "/tmp/consul.deb")):
        shutil.copy(path, machine.path(name))
    machine.run("dpkg", "--install", "/tmp/consul.deb")
    machine.write("/etc/consul.d/consul.hcl", BEFORE)
    install = ("dpkg", "--install", "--auto-deconfigure", "--force-confold", "/tmp/tribune.deb")
    check("installs in the place of serf and consul", lambda: machine.run(*install))
    check("takes the name and the unit", lambda: takes_over(machine))
    check("takes the name and the settings of consul", lambda: takes_over_from_consul(machine))
    check("the account of consul", lambda: account(machine))
    check("leaves the user's files at the installation", lambda: untouched(machine))
    check("unit", lambda: unit(machine))
    check("unit of consul", lambda: consul_unit(machine))
    check("consul runs as its unit says", lambda: runs_as_unit(machine))
    check("manual", lambda: manual(machine))
    check("completions", lambda: completions(machine))
    check("example", lambda: example(machine))
    check("example of consul", lambda: consul_example(machine, package))
    check("upgrades", lambda: machine.run("dpkg", "--install", "/tmp/newer.deb"))
    check("keeps the name over an upgrade", lambda: takes_over(machine))
    check("keeps the settings of consul over an upgrade", lambda: takes_over_from_consul(machine))
    check("leaves the user's files at an upgrade", lambda: untouched(machine))
    check("stays enabled without Serf's package", lambda: stays_enabled(machine))
    check("is removed without a trace", lambda: removed(machine))
    check("leaves the user's files at the removal", lambda: untouched(machine))
    check("is purged", lambda: purged(machine))
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
