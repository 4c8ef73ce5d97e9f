"""Replays the runs of `serf agent`: files, start, steps, and everything the agent prints until it ends or is ended."""

import os
import re
import signal
import socket
import tempfile
import threading
import time

import clusters
import compare
import mdns
import masks
import process
import telemetry

_NEW_KEY = "AAECAwQFBgcICQoLDA0ODw=="
_OLD_KEY = clusters.KEY
_SECOND_KEY = "T9jncgl9mbLus+baTTa7q7nPSUrXwbDi2dhbtqir37s="

# Command lines of the steps, which the recordings only name. Keys: the case and the action, or the action alone.
_COMMANDS = {
    "members": ["members"],
    "members json": ["members", "-format=json"],
    "info": ["info"],
    "info json": ["info", "-format=json"],
    "serf leave": ["leave"],
    "query": ["query", "-timeout=200ms", "q"],
    "list": ["keys", "-list"],
    "use": ["keys", f"-use={_SECOND_KEY}"],
    "install": ["keys", f"-install={_NEW_KEY}"],
    "remove": ["keys", f"-remove={_OLD_KEY}"],
    ("agent-sighup", "info"): ["info", "-format=json"],
    ("agent-sighup-loses-runtime-tags", "tags"): ["tags", "-set", "dyn=1"],
    # Twice: the second deletes what the first has set beside `a`.
    ("agent-tags-file", "tags"): [["tags", "-set", "a=<1>", "-set", "b=2"], ["tags", "-delete", "b"]],
}

# What the "write c.json" steps write, which the recordings tell by its effects. `leave_on_terminate` stays on from the
# first reload, as the graceful end shows; the first also has a key that reload does not take up.
_WRITES = {
    ("agent-sighup", "write c.json"):
        '{"tags": {"a": "2", "c": "3"}, "event_handlers": ["user=echo new"], "log_level": "debug",'
        ' "leave_on_terminate": true, "profile": "local"}',
    ("agent-sighup", "write c.json (malformed)"): "{bad",
    ("agent-sighup", "write c.json (bad level)"):
        '{"tags": {"d": "4"}, "log_level": "zork", "leave_on_terminate": true}',
    ("agent-sighup", "write c.json (tags too big)"):
        '{"tags": {"big": "' + 600 * "x" + '"}, "leave_on_terminate": true}',
}

# Recordings that show one outcome of a race inside the real program, and the tries it gets: its snapshot file is
# flushed by the first line written more than half a second after the last flush, and a timer of half a second writes;
# a handler may still run when a reload raises the log level, which shows its output.
_RACES = {"agent-snapshot": 5, "agent-sighup": 4}

# Another agent of these holds the port that the case wants.
_PORT_HOLDERS = {"agent-gossip-port-taken", "agent-rpc-port-taken"}

_BASE = ["serf", "agent", "-node=node1", "-bind=127.0.0.1", "-rpc-addr=127.0.0.1:7373"]


def _file(directory, name):
    """Mode and content of a file as the recordings note them."""
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        return "(no file)"
    with open(path, encoding="utf-8") as file:
        content = file.read()
    return {"mode": format(os.stat(path).st_mode & 0o777, "o"), "content": content}


class Run:
    """One recording of an agent, inside the private namespaces of this process."""

    def __init__(self, setup, directory):
        self.case = None
        self.setup = setup
        self.directory = directory
        self.others = []
        self.counts = {}

    def start(self):
        """Nothing runs before the case."""

    def play(self, case):
        """Runs it; returns a function that judges it against a recording (as it is, or with deviations)."""
        self.case = case
        tries = _RACES.get(case["id"], 1)
        while True:
            judge = self._play_once(case)
            tries -= 1
            if not tries or judge(self.setup.expected(case)) is None:
                return judge
            self.end()
            self.directory = tempfile.mkdtemp(prefix="again-", dir=self.directory)

    def _play_once(self, case):
        special = getattr(self, "play_" + case["id"].replace("-", "_"), None)
        return special() if special else self._play_steps()

    def end(self):
        """Ends every process that was started."""
        for other in self.others:
            other.end()
        self.others.clear()

    def _start(self, argv, env=None):
        agent = process.Process(self.setup.agents, argv, self.directory, env)
        self.others.append(agent)
        return agent

    def _command(self, argv):
        return process.run(self.setup.program, ["serf", *argv], self.directory)

    def _up(self, agent):
        return agent.wait_output(lambda out: "Log data will now stream" in out)

    # ------------------------------------------------------------------ the ordinary form

    def _play_steps(self):
        case = self.setup.expected(self.case)
        clusters.write_files(self.directory, case["files"])
        if case["id"] in _PORT_HOLDERS:
            self._up(self._start(_BASE))
        if case["id"] == "agent-sigusr1":
            telemetry.wait_for_interval_end(0.6)
        agent = self._start(case["argv"], case["env"])
        starts = [step for step in case["steps"] if step["action"].startswith("an agent starts")]
        if "EventMemberJoin: node2 127.0.0.2" in case["stdout"] and not starts:
            process.wait_until(lambda: process.listening("127.0.0.1", 7946) or not agent.running, interval=0.002)
            self._peer(case)
        recorded = compare.entries(masks.text(case["stdout"]))
        anchors, results, offset = _Anchors(recorded), [], 0.0
        for step in case["steps"]:
            begin = step["at_seconds"] - (step.get("result") or {}).get("seconds", 0) \
                if isinstance(step.get("result"), dict) else step["at_seconds"]
            agent.wait_age(begin + offset)
            needed = anchors.before(step)
            agent.wait_output(lambda out, n=needed: _has(n, out), 10.0)
            offset = max(offset, agent.age - begin)
            results.append(self._step(agent, step))
        if case["exit_code"] is None:
            agent.wait_output(lambda out: _has(recorded, out), 10.0)
            agent.wait_age(case["seconds"] + offset)
            code = None if agent.running else agent.popen.returncode
            agent.end()
        else:
            code = agent.wait_exit()
            agent.end()
        after = {name: _file(self.directory, name) for name in case.get("files_after", {})}
        return lambda recording: self._judge(recording, agent, code, results, after)

    def _peer(self, case):
        profile = [arg for arg in case["argv"] if arg.startswith("-profile=")]
        self._start(["serf", "agent", "-node=node2", "-bind=127.0.0.2", "-rpc-addr=127.0.0.2:7373", *profile,
                     "-join=127.0.0.1"])

    def _step(self, agent, step):
        action = step["action"]
        name = self.case["id"]
        if action.startswith("SIG"):
            reloads = agent.stdout.count("==> Reloading configuration")
            agent.signal(getattr(signal, action))
            if action == "SIGHUP" and "SIGINT" not in [s["action"] for s in self.case["steps"]]:
                agent.wait_output(lambda out: out.count("==> Reloading configuration") > reloads)
            return None
        if action.startswith("an agent starts"):
            # It has been refused before: the agent under test tries again every second.
            other = self._start(["serf", "agent", "-node=node2", "-bind=127.0.0.2", "-rpc-addr=127.0.0.2:7373"])
            self._up(other)
            return None
        if action.startswith("write "):
            clusters.write_files(self.directory, {action.split()[1]: _WRITES[name, action]})
            return None
        if action in ("s.snap", "t.json", "k.json"):
            process.wait_until(lambda: _file(self.directory, action) == step["result"], 5.0)
            return _file(self.directory, action)
        return self._command(self._argv(name, step))

    def _argv(self, name, step):
        action = step["action"]
        if action == "event":
            sent = re.match(r"Event '(.*)' dispatched! Coalescing enabled: (\w+)\n", step["result"]["stdout"])
            return ["event", f"-coalesce={sent.group(2)}", sent.group(1)]
        argv = _COMMANDS.get((name, action)) or _COMMANDS[action]
        if isinstance(argv[0], list):
            count = self.counts[action] = self.counts.get(action, 0) + 1
            argv = argv[count - 1]
        return argv

    def _judge(self, recording, agent, code, results, after):
        running = recording["exit_code"] is None
        problems = []
        if code != recording["exit_code"]:
            problems.append(f"exit code: recorded {recording['exit_code']}, got {code}")
        problem = compare.agent_log(recording["stdout"], agent.stdout, running, self.case["id"] in masks.HURRIED)
        problems += [f"stdout:\n{problem}"] if problem else []
        problem = self._judge_stderr(recording, agent.stderr)
        problems += [f"stderr:\n{problem}"] if problem else []
        for number, (step, result) in enumerate(zip(recording["steps"], results)):
            problem = self._judge_step(step, result)
            problems += [f"step {number} ({step['action']}): {problem}"] if problem else []
        for name, content in recording.get("files_after", {}).items():
            if after[name] != content:
                problems.append(f"{name} afterwards: recorded {content}, got {after[name]}")
        return "\n".join(problems) or None

    def _judge_stderr(self, recording, stderr):
        if self.case["id"] == "agent-sigusr1":
            return telemetry.judge_dump(recording["stderr"], stderr)
        if recording["stderr"].endswith("..."):
            # Shortened in the recording.
            first = recording["stderr"].splitlines()[0]
            return None if stderr.startswith(first + "\n") else f"does not begin with {first!r}: {stderr[:80]!r}"
        return compare.exact(recording["stderr"], stderr)

    def _judge_step(self, step, result):
        recorded = step.get("result")
        if recorded is None:
            return None
        if not hasattr(result, "exit_code"):
            return None if recorded == result else f"recorded {recorded}, got {result}"
        if (recorded["exit_code"], recorded["stderr"]) != (result.exit_code, result.stderr):
            return f"recorded exit code {recorded['exit_code']}, got {result.exit_code}, stderr {result.stderr!r}"
        action = step["action"]
        if action.startswith("info"):
            # Clocks of an agent that is alone are exact; two joins at once are not.
            return compare.info(recorded["stdout"], result.stdout, self.case["id"] == "agent-config-ok-all-keys")
        if action == "members":
            return compare.rows(recorded["stdout"], result.stdout)
        if action in ("list", "query"):
            return compare.sorted_lines(recorded["stdout"], result.stdout)
        return compare.exact(recorded["stdout"], result.stdout)

    # ------------------------------------------------------------------ the four other forms

    def play_agent_name_conflict(self):
        """Three agents, two of one name."""
        case = self.case
        holder = self._start(case["holder"]["argv"])
        self._up(holder)
        other = self._start(case["other"]["argv"])
        other.wait_output(lambda out: "agent: joined" in out)
        newcomer = self._start(case["newcomer"]["argv"])
        codes = {"newcomer": newcomer.wait_exit()}
        agents = {"holder": holder, "other": other, "newcomer": newcomer}
        for name in ("holder", "other"):
            agents[name].wait_output(lambda out: "Received event: member-join" in out)
            codes[name] = None if agents[name].running else agents[name].popen.returncode
        self.end()

        def judge(recording):
            problems = []
            for name, agent in agents.items():
                if codes[name] != recording[name]["exit_code"]:
                    problems.append(f"{name}: exit code {codes[name]}, recorded {recording[name]['exit_code']}")
                problem = compare.agent_log(recording[name]["stdout"], agent.stdout, True)
                problems += [f"{name}:\n{problem}"] if problem else []
            return "\n".join(problems) or None

        return judge

    def play_agent_syslog(self):
        """Two agents, one after the other, that log to a socket of ours."""
        runs = []
        for number, run in enumerate(self.case["runs"]):
            datagrams = _Datagrams("/run/syslog")
            clusters.write_files(self.directory, run["files"])
            agent = self._start(_BASE + run["args"])
            agent.wait_output(lambda out: "Received event: member-join" in out)
            payload = max(re.findall(r"y{100,}", self.case["runs"][0]["datagrams"][4]))
            self._command(["event", "-coalesce=false", "x", payload])
            self._command(["event", "-coalesce=false", "x"])
            self._command(["join", "127.0.0.9"])
            agent.wait_output(lambda out: "error joining" in out and out.endswith("\n\n"))
            printed = agent.stdout
            agent.signal(signal.SIGTERM)
            agent.wait_exit()
            datagrams.wait(len(run["datagrams"]))
            runs.append((printed, datagrams.close(), agent.popen.pid, number))

        def judge(recording):
            problems = []
            for run, (printed, lines, pid, number) in zip(recording["runs"], runs):
                problem = compare.agent_log(run["stdout"], printed)
                problems += [f"run {number}, stdout:\n{problem}"] if problem else []
                foreign = [line for line in lines if f" serf[{pid}]: " not in line or not line.endswith("\n")]
                if foreign:
                    problems.append(f"run {number}: not lines of process {pid}: {foreign}")
                problem = _syslog_problem(run["datagrams"], lines)
                problems += [f"run {number}, datagrams:\n{problem}"] if problem else []
            return "\n".join(problems) or None

        return judge

    def play_agent_statsd(self):
        """An agent that counts into our UDP and TCP sockets."""
        clusters.write_files(self.directory, self.case["files"])
        sink = telemetry.Sink()
        agent = self._start(_BASE + ["-config-file=c.json"])
        agent.wait_output(lambda out: "Received event: member-join" in out)
        self._command(["event", "-coalesce=false", "dep.loy x"])
        self._command(["query", "-timeout=300ms", "load"])
        self._command(["tags", "-set", "a=b"])
        agent.wait_age(3.5)
        sink.wait(lambda lines: "serf.member.update" in lines and "runtime." in lines)
        datagrams, stream = sink.close()
        return lambda recording: telemetry.judge_sinks(recording, datagrams, stream)

    def play_agent_mdns(self):
        """Two agents that find each other by multicast."""
        capture = mdns.Capture("lo")
        began = time.monotonic()
        first = self._start(_BASE + ["-discover=clus"])
        first.wait_output(lambda out: "agent.mdns: Joined 1 hosts" in out)
        first.wait_age(self.case["second_start"])
        second = self._start(["serf", "agent", "-node=node2", "-bind=127.0.0.1:7947", "-rpc-addr=127.0.0.2:7373",
                              "-discover=clus"])
        first.wait_output(lambda out: out.count("Received event: member-join") > 1)
        self._command(["members"])
        for agent, key in ((first, "node1_stdout"), (second, "node2_stdout")):
            wanted = compare.entries(masks.text(self.setup.expected(self.case)[key]))
            agent.wait_output(lambda out, w=wanted: _has(w, out), 10.0)
        packets = capture.close(began)

        def judge(recording):
            problems = [mdns.judge(recording["packets"], packets)]
            for agent, key in ((first, "node1_stdout"), (second, "node2_stdout")):
                problem = compare.agent_log(recording[key], agent.stdout, True)
                problems.append(problem and f"{key}:\n{problem}")
            return "\n".join(p for p in problems if p) or None

        return judge


class _Anchors:
    """Where in the recorded log a step took effect, and what the agent had said before that."""

    def __init__(self, recorded):
        self.recorded = recorded
        self.clients = 0
        self.signals = 0

    def before(self, step):
        """The entries that must have been seen before the step is taken."""
        action = step["action"]
        at = None
        if action.startswith("SIG"):
            at = self._position(r"\A==> Caught signal: ", self.signals)
            self.signals += 1
        elif isinstance(step.get("result"), dict) and "stdout" in step["result"]:
            at = self._position(r"agent\.ipc: Accepted client", self.clients)
            self.clients += 1
        needed = [e for e in self.recorded[:at] if not any(p.search(e) for p in masks.OPTIONAL)] if at else []
        # Commands that came in the same moment as the agent's first event would be folded into it.
        first = next((e for e in self.recorded if e.endswith("agent: Received event: member-join")), None)
        return needed + ([first] if first and first not in needed else [])

    def _position(self, pattern, number):
        found = [i for i, entry in enumerate(self.recorded) if re.search(pattern, entry)]
        return found[number] if number < len(found) else None


def _has(needed, stdout):
    """Whether an output has all these masked entries, each as often."""
    left = compare.entries(masks.text(stdout))
    for entry in needed:
        if any(p.search(entry) for p in masks.OPTIONAL):
            continue
        if entry not in left:
            return False
        left.remove(entry)
    return True


_PRIORITY = re.compile(r"\A(<\d+>)<TIME> serf\[<PID>\]: ")


def _syslog_problem(recorded, lines):
    """Datagrams by the rules of logs; their priority and layout are compared with the text."""
    def log(datagrams):
        return [_PRIORITY.sub(r"<TIME> [\1] ", masks.text(line)) for line in datagrams]

    return compare.log_problem(log(recorded), log(lines))


class _Datagrams:
    """A socket of the local syslog."""

    def __init__(self, path):
        self.path = path
        if os.path.exists(path):
            os.unlink(path)
        self.lines = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            data = self.socket.recv(65536)
            if data == b"\0end":
                return
            self.lines.append(data.decode("utf-8", "surrogateescape"))

    def wait(self, count):
        process.wait_until(lambda: len(self.lines) >= count, 5.0)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(b"\0end", self.path)
        self.reader.join()
        self.socket.close()
        return self.lines
