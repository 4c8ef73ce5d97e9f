#!/usr/bin/env python3
"""Other people's programs in front of DNS: dig, dnsperf, and the resolvers of `docs/resolvers.md` as it configures them.

`addresses`: an agent that listens at all addresses of a machine answers from the one that was asked.
"""

import os
import re
import shutil
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import server
from harness import report, sandbox
from harness.waiting import until

# Where `.ci/run` unpacks systemd-resolved: its package would make itself the resolver of the machine.
UNPACKED = os.path.join(report.ROOT, "target", "systemd-resolved")
RESOLVED = next(filter(os.path.exists, (root + "/lib/systemd/systemd-resolved" for root in (UNPACKED, ""))), "systemd-resolved")
PROGRAMS = {"dig": ("dig",), "dnsperf": ("dnsperf",), "dnsmasq": ("dig", "dnsmasq"), "unbound": ("dig", "unbound"),
            "systemd-resolved": ("dig", "ip", RESOLVED), "addresses": ("ip",)}
JOB_SECONDS = 90
READY_SECONDS = 15
INSTANCES = ["10.1.0.1", "10.1.0.2", "10.1.0.3"]
PORT = 53


def dig(port, *words):
    """The answers, one a line, as `dig +short` shows them."""
    command = ["dig", "@127.0.0.1", "-p", str(port), "+short", "+tries=1", "+time=2", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return sorted(done.stdout.splitlines())


def status(port, *words):
    command = ["dig", "@127.0.0.1", "-p", str(port), "+tries=1", "+time=2", *words]
    found = re.search(r"status: (\w+)", subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    return found.group(1) if found else None


def answers(port):
    """What every client has to get, whoever is between."""
    assert dig(port, "web.service.consul") == INSTANCES, dig(port, "web.service.consul")
    assert dig(port, "+tcp", "web.service.consul") == INSTANCES
    assert dig(port, "v1.web.service.consul") == INSTANCES
    services = dig(port, "_web._tcp.service.consul", "SRV")
    assert services == [f"1 1 80 0a01000{number}.addr.dc1.consul." for number in (1, 2, 3)], services
    assert dig(port, "0a010002.addr.dc1.consul") == ["10.1.0.2"]
    assert dig(port, "host-1.node.consul") == ["10.1.0.1"]
    assert dig(port, "-x", "10.1.0.1") == ["host-1.node.dc1.consul."]
    assert status(port, "web.service.consul", "AAAA") == "NOERROR"
    assert dig(port, "web.service.consul", "AAAA") == []
    assert status(port, "nobody.service.consul") == "NXDOMAIN"


def perf(directory):
    """A second of questions, none of which is lost."""
    path = os.path.join(directory, "questions")
    with open(path, "w", encoding="ascii") as file:
        file.write("web.service.consul A\nweb.service.consul SRV\nnobody.service.consul A\n")
    for mode in ("udp", "tcp"):
        words = ["dnsperf", "-s", "127.0.0.1", "-p", "8600", "-d", path, "-l", "1", "-q", "32", "-m", mode]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        lost = int(re.search(r"Queries lost:\s+(\d+)", text).group(1))
        codes = re.search(r"Response codes:\s+(.*)", text).group(1)
        assert lost == 0 and set(re.findall(r"[A-Z]+", codes)) == {"NOERROR", "NXDOMAIN"}, text


def configuration(name):
    """The block of the page that stands behind the mark of that name."""
    with open(os.path.join(report.ROOT, "docs", "resolvers.md"), encoding="utf-8") as file:
        return re.search(f"<!-- {name} -->\n```\n(.*?)```", file.read(), re.DOTALL).group(1)


def dnsmasq(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(configuration("dnsmasq"))
    return ["dnsmasq", "-k", "-C", path, "-R", "-h", "-a", "127.0.0.1", "-u", "root"]


def unbound(path):
    own = '    interface: 127.0.0.1\n    do-daemonize: no\n    use-syslog: no\n    username: ""\n    chroot: ""\n    pidfile: ""\n'
    with open(path, "w", encoding="utf-8") as file:
        file.write("server:\n" + own + configuration("unbound"))
    return ["unbound", "-d", "-c", path]


def resolved(path):
    """Needs a network, its user, and its files where it looks for them: all are the worker's own."""
    for words in ("link add lan type veth peer name far", "address add 192.0.2.1/24 dev lan", "link set lan up",
                  "link set far up"):
        subprocess.run(["ip", *words.split()], check=True)
    shutil.copy("/etc/passwd", path)
    with open(path, "a", encoding="utf-8") as file:
        file.write("systemd-resolve:x:0:0::/:/usr/sbin/nologin\n")
    subprocess.run(["mount", "--bind", path, "/etc/passwd"], check=True)
    sandbox.mount("/etc/systemd")
    for folder in ("/etc/systemd/resolved.conf.d", "/run/systemd"):
        os.makedirs(folder, exist_ok=True)
    # At 127.0.0.53 alone unless it is told.
    for name, text in (("own", "[Resolve]\nDNSStubListenerExtra=127.0.0.1\n"), ("consul", configuration("systemd-resolved"))):
        with open(f"/etc/systemd/resolved.conf.d/{name}.conf", "w", encoding="utf-8") as file:
            file.write(text)
    return ["env", f"LD_LIBRARY_PATH={UNPACKED}/usr/lib/{os.uname().machine}-linux-gnu/systemd", RESOLVED]


# From where, and whom: the address that the system would choose for the reply is another one.
ASKED = {"0.0.0.0": [("127.0.0.1", "127.0.0.9")], "::": [("127.0.0.1", "127.0.0.9"), ("::1", "fd00::9")]}
QUESTION = bytes.fromhex("12340100000100000000000003776562077365727669636506636f6e73756c0000010001")


def from_where(own, asked):
    """The address that the reply to one question comes from."""
    family = socket.AF_INET6 if ":" in asked else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(READY_SECONDS)
        client.bind((own, 0))
        client.sendto(QUESTION, (asked, 8600))
        reply, sender = client.recvfrom(4096)
    assert reply[:2] == QUESTION[:2] and reply[3] & 15 == 0 and reply[7] == len(INSTANCES), reply
    return sender[0]


def addresses(everywhere):
    for own, asked in ASKED[everywhere]:
        seen = from_where(own, asked)
        assert seen == asked, f"at {everywhere}: {asked} was asked, {seen} replied"


def in_front(words):
    """A resolver at port 53, which passes the zone on."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        until(lambda: dig(PORT, "web.service.consul") == INSTANCES, READY_SECONDS, f"{words[0]} does not answer")
        answers(PORT)
    finally:
        process.kill()
        process.wait()


def play(job, program, directory):
    if job == "addresses":
        subprocess.run(["ip", "address", "add", "fd00::9/128", "dev", "lo"], check=True)
        for number, everywhere in enumerate(ASKED):
            own = os.path.join(directory, str(number))
            os.mkdir(own)
            serve(program, own, everywhere, lambda at=everywhere: addresses(at))
        return
    path = os.path.join(directory, "resolver.conf")
    test = {"dig": lambda: answers(8600), "dnsperf": lambda: perf(directory),
            "dnsmasq": lambda: in_front(dnsmasq(path)), "unbound": lambda: in_front(unbound(path)),
            "systemd-resolved": lambda: in_front(resolved(path))}[job]
    serve(program, directory, "127.0.0.1", test)


def serve(program, directory, client, test):
    """Runs a test against an agent with some instances."""
    agent = server.Server(program, directory, ("-dev", f"-client={client}"))
    try:
        agent.start()
        for number, address in enumerate(INSTANCES, 1):
            service = {"Service": "web", "Address": address, "Port": 80, "Tags": ["v1"]}
            agent.write("/v1/catalog/register", {"Node": f"host-{number}", "Address": address, "Service": service})
        test()
    finally:
        agent.kill()


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    options = parser.parse_args()
    if options.worker:
        sandbox.work(options.worker, lambda job, directory: play(job, options.program, directory))
        return 0
    report.check_ground(options.program)
    chosen = report.chosen(PROGRAMS, options.names)
    jobs = [job for job in chosen if all(map(shutil.which, PROGRAMS[job]))]
    for job in set(chosen) - set(jobs):
        print(f"skip {job}: not all of {PROGRAMS[job]} is installed")
    passed = 0
    words = ["--program", os.path.abspath(options.program)]
    for job, result in sandbox.run(__file__, jobs, words, 2, JOB_SECONDS, fresh=True):
        report.show(job, result, options.verbose)
        passed += result["ok"]
    return report.close(passed, len(jobs) - passed, len(chosen) - len(jobs))


if __name__ == "__main__":
    sys.exit(main())
