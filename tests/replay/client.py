"""Replays the client commands of one cluster: brings its agents up, runs the cases in order, judges each."""

import dataclasses
import os
import re
import signal
import socket
import tempfile
import threading
import time

import clusters
import compare
import masks
import monitor
import process

_TIMED = {"query", "reachability"}


class Group:
    """One cluster and its cases, inside the private namespaces of this process."""

    def __init__(self, description, setup, directory):
        self.description = description
        self.setup = setup
        self.directory = directory
        self.agents = {}
        self.background_runs = {}

    # ------------------------------------------------------------------ the cluster

    def start(self):
        """Starts the agents one after the other and waits until each knows all."""
        table = clusters.agents(self.description)
        for agent in table:
            self._start_agent(agent)
        joined = {agent.name for agent in table if agent.joins} | {table[0].name for agent in table if agent.joins}
        for name in joined:
            for other in joined:
                self._wait_join(name, other)

    def _start_agent(self, agent):
        home = tempfile.mkdtemp(prefix="agent-", dir=self.directory)
        clusters.write_files(home, agent.files)
        running = process.Process(self.setup.agents, agent.argv(), home)
        running.home, running.address = home, agent.address
        self.agents[agent.name] = running
        if not running.wait_output(lambda out: "Log data will now stream" in out):
            raise RuntimeError(f"agent {agent.name} did not come up:\n{running.stdout}{running.stderr}")

    def _wait_join(self, name, other, times=1):
        if not self.agents[name].wait_output(lambda out: out.count(f"EventMemberJoin: {other} ") >= times):
            raise RuntimeError(f"agent {name} never saw {other}:\n{self.agents[name].stdout}")

    def end(self):
        """Ends what still runs, without a leave."""
        for agent in self.agents.values():
            agent.end()
        self.agents.clear()
        self.background_runs.clear()

    def run(self, argv, **options):
        return process.run(self.setup.program, argv, self.directory, **options)

    # ------------------------------------------------------------------ actions before a case

    def kill(self, name):
        """The agent is gone without a word."""
        self.agents[name].end()

    def restart(self, name, options):
        """An agent that has left comes back, with other options."""
        table = clusters.agents(self.description)
        agent = next(agent for agent in table if agent.name == name)
        self.agents[name].end()
        self._start_agent(dataclasses.replace(agent, options=options))
        self._wait_join(table[0].name, name, times=2)

    def wait_log(self, name, text):
        self.agents[name].wait_output(lambda out: text in out, 60.0)

    def wait_delivered(self, name, seen, event):
        """Until no change of this kind that the agent has seen still waits for others to be delivered with."""
        self.agents[name].wait_output(lambda out: out.rfind(f"Received event: {event}") > out.rfind(f"EventMember{seen}:"))

    def command(self, argv):
        self.run(argv)

    def background(self, label, argv):
        """Starts a command whose end is not waited for."""
        self.background_runs[label] = process.Process(self.setup.program, argv, self.directory)

    def wait_coordinates(self, names):
        for name in names:
            process.wait_until(lambda n=name: self.run(["serf", "rtt", n]).exit_code == 0, interval=0.2)

    def wait_status(self, name, status):
        """Until node1 has that opinion of a member, or it is too late for it."""
        argv = ["serf", "members", f"-status={status}"]
        process.wait_until(lambda: name in self.run(argv).stdout, 3.0, 0.02)

    def send_events(self):
        """e1 and e2 as they are, e3 coalescable, from node1, before node2 joins."""
        for argv in (["-coalesce=false", "e1"], ["-coalesce=false", "e2"], ["e3"]):
            self.run(["serf", "event", *argv])
        self.wait_log("node2", "Received event: member-join")

    def closing_peer(self, address, port):
        """A peer that takes one connection and closes it at once."""
        listener = socket.create_server((address, port))

        def serve():
            with listener:
                listener.accept()[0].close()

        threading.Thread(target=serve, daemon=True).start()

    # ------------------------------------------------------------------ the cases

    def play(self, case):
        """Runs one case; returns a function that judges it against a recording (as it is, or with deviations)."""
        name = case["id"]
        tries, fresh = clusters.RACES.get(name, (1, False))
        judge = self._play_once(case)
        while tries > 1 and judge(self.setup.expected(case)):
            tries -= 1
            if fresh:
                self.end()
                self.start()
            judge = self._play_once(case)
        return judge

    def _play_once(self, case):
        name = case["id"]
        for method, *arguments in clusters.BEFORE.get(name, []):
            getattr(self, method)(*arguments)
        special = getattr(self, "play_" + name.replace("-", "_"), None)
        if special:
            return special(case)
        if name in clusters.EVENTUALLY:
            return self.play_eventually(case)
        result = self.run(case["argv"], env=case["env"], sigint_after=case.get("sigint_sent_after_seconds"),
                          ready=self._ready(case))
        return self._judge_with_surroundings(case, result)

    def _ready(self, case):
        """An interrupted command has shown what it showed in the recording."""
        expected = case.get("stdout", "").replace("Test interrupted\n", "").count("\n")
        return lambda out: out.count("\n") >= expected

    def play_eventually(self, case):
        deadline = time.monotonic() + process.PATIENCE
        wanted = self.setup.expected(case)
        while True:
            result = self.run(case["argv"], env=case["env"])
            if self.judge(wanted, result) is None or time.monotonic() > deadline:
                return lambda recording: self.judge(recording, result)
            time.sleep(0.02)

    def judge(self, recording, result):
        """The four things every command leaves behind, and how long it took where that is the point."""
        problems = []
        if result.exit_code != recording["exit_code"]:
            problems.append(f"exit code: recorded {recording['exit_code']}, got {result.exit_code}")
        if "stdout_hex" in recording:
            if result.stdout_bytes != bytes.fromhex(recording["stdout_hex"]):
                problems.append(f"stdout: recorded {bytes.fromhex(recording['stdout_hex'])!r}, "
                                f"got {result.stdout_bytes!r}")
        else:
            problem = compare.client_output(recording, recording["stdout"], result.stdout)
            problems += [f"stdout:\n{problem}"] if problem else []
        problem = compare.exact(recording["stderr"], result.stderr)
        problems += [f"stderr:\n{problem}"] if problem else []
        recorded = recording.get("seconds", 0)
        if recording["argv"][1:2] and recording["argv"][1] in _TIMED and recorded >= 0.4 \
                and "sigint_sent_after_seconds" not in recording \
                and not recorded - 0.15 <= result.seconds <= recorded + 5:
            problems.append(f"took {result.seconds:.2f} s, recorded {recorded} s")
        return "\n".join(problems) or None

    # ------------------------------------------------------------------ what some recordings hold besides

    def _asked(self, case):
        """The agent a command talked to."""
        address = next((a.split("=", 1)[1] for a in case["argv"] if a.startswith("-rpc-addr=")), "127.0.0.1:7373")
        return next((agent for agent in self.agents.values() if address == f"{agent.address}:7373"), None)

    def _judge_with_surroundings(self, case, result):
        observed = {}
        if "agent_exit_code_afterwards" in case:
            agent = self._asked(case)
            observed["exit"] = agent.wait_exit()
            observed["log"] = agent.stdout
        if "first_leave" in case:
            first = self.background_runs["first_leave"]
            first.wait_exit()
            observed["first"] = process.Result(first, first.age)
        if "node2_log_events" in case:
            count = sum("Received event" in line for line in case["node2_log_events"])
            self.agents["node2"].wait_output(lambda out: out.count("Received event") >= count)
            observed["events"] = self.agents["node2"].stdout

        def judge(recording):
            problems = [self.judge(recording, result)]
            if "exit" in observed and observed["exit"] != recording["agent_exit_code_afterwards"]:
                problems.append(f"exit code of the agent: recorded {recording['agent_exit_code_afterwards']}, "
                                f"got {observed['exit']}")
            if "log" in observed:
                begin = "Graceful leave triggered"
                problems.append(_logs("log of the agent", recording["agent_log_tail"], observed["log"], begin))
            if "first" in observed:
                problem = self.judge({**recording["first_leave"], "compare": "exact", "id": case["id"]},
                                     observed["first"])
                problems.append(problem and f"the first leave: {problem}")
            if "events" in observed:
                problems.append(_logs("log of node2", recording["node2_log_events"], observed["events"], None,
                                      r"Received event|agent: joining"))
            for key in ("keyring_file_node1", "keyring_file_node2"):
                if key in recording:
                    problems.append(self._keyring(key[-5:], recording[key]))
            return "\n".join(p for p in problems if p) or None

        return judge

    def _keyring(self, name, recorded):
        path = os.path.join(self.agents[name].home, "k.json")

        def content():
            with open(path, encoding="utf-8") as file:
                return file.read()

        process.wait_until(lambda: content() == recorded, 5.0)
        return None if content() == recorded else f"k.json of {name}:\n{compare.diff(recorded, content())}"

    # ------------------------------------------------------------------ cases with a play of their own

    def play_monitor_events(self, case):
        """An event, a query and a tag change while a monitor listens."""
        watching = process.Process(self.setup.program, case["argv"], self.directory)
        watching.wait_output(lambda out: out.count("No keyring to modify") >= 3)
        time.sleep(0.2)
        self.run(["serf", "event", "-coalesce=false", "deploy", "abc"])
        self.run(["serf", "query", "-timeout=200ms", "load", "15m"])
        self.run(["serf", "tags", "-set", "new=1"])
        watching.wait_output(lambda out: '"member-update"' in out)
        watching.wait_age(case["sigint_sent_after_seconds"])
        return self._interrupted(watching, "node1")

    def play_monitor_debug(self, case):
        """The backlog at DEBUG, then one event."""
        watching = process.Process(self.setup.program, case["argv"], self.directory)
        watching.wait_output(lambda out: "[DEBUG] agent: Requesting" in out)
        time.sleep(0.2)
        self.run(["serf", "event", "-coalesce=false", "deploy"])
        watching.wait_output(lambda out: '"user"' in out)
        watching.wait_age(case["sigint_sent_after_seconds"])
        return self._interrupted(watching, "node1")

    def _interrupted(self, watching, agent):
        watching.signal(signal.SIGINT)
        if watching.wait_exit() is None:
            watching.end()
        return self._monitor_judge(watching, agent)

    def _monitor_judge(self, watching, agent, missed=None):
        result = process.Result(watching, watching.age)
        log = self.agents[agent].stdout

        def judge(recording):
            expected = recording["stdout"]
            if missed:
                expected = missed(expected)
            problems = [monitor.judge(recording, expected, result.stdout, log)]
            if result.exit_code != recording["exit_code"]:
                problems.append(f"exit code: recorded {recording['exit_code']}, got {result.exit_code}")
            if result.stderr != recording["stderr"]:
                problems.append(f"stderr: {result.stderr!r}")
            return "\n".join(p for p in problems if p) or None

        return judge

    def play_monitor_remote_leaves(self, case):
        """node2 leaves while a monitor is attached to it."""
        late = "agent: Received event: member-reap" in self.agents["node2"].stdout
        watching = process.Process(self.setup.program, case["argv"], self.directory)
        watching.wait_output(lambda out: out.count("No keyring to modify") >= 3)
        if not late:
            watching.wait_output(lambda out: "member-reap" in out)
        self.run(["serf", "leave", "-rpc-addr=127.0.0.2:7373"])
        if watching.wait_exit() is None:
            watching.end()

        def missed(expected):
            # The prune just before is an event that a slow machine has delivered before the monitor attached.
            return re.sub(r"(?m)^Event Info:\n\tEvent: \"member-reap\"\n\tMembers: .*\n", "", expected)

        return self._monitor_judge(watching, "node2", missed if late else None)

    def play_force_leave_prune_alive(self, case):
        """Members are asked for during the command, right after it, and three seconds later."""
        pruning = process.Process(self.setup.program, case["argv"], self.directory)
        self.wait_log("node1", "Force leaving node (prune): node2")
        pruning.wait_age(1.0)
        asked = {"members_asked_during_the_sleep": self.run(["serf", "members"])}
        pruning.wait_exit()
        asked["members_right_after"] = self.run(["serf", "members"])
        time.sleep(3.0)
        asked["members_3s_later"] = self.run(["serf", "members"])
        result = process.Result(pruning, pruning.age)
        logs = {f"{name}_log": self.agents[name].stdout for name in ("node1", "node2")}

        def judge(recording):
            problems = [self.judge(recording, result)]
            for key, answer in asked.items():
                problem = self.judge({"compare": "rows", "id": case["id"], **recording[key]}, answer)
                problems.append(problem and f"{key}: {problem}")
            for key, log in logs.items():
                problems.append(_logs(key, recording[key], log, None))
            return "\n".join(p for p in problems if p) or None

        return judge

    def play_tags_file_too_big(self, case):
        """What the refused tags have left in the file, and what the next start makes of that."""
        result = self.run(case["argv"])
        agent = self.agents["node1"]
        path = os.path.join(agent.home, "t.json")
        size = os.path.getsize(path) if os.path.exists(path) else 0
        agent.end()
        again = process.Process(self.setup.agents, clusters.agents(self.description)[0].argv(), agent.home)
        again.wait_output(lambda out: "Received event: member-join" in out, 5.0)
        code = again.wait_exit(0.5)
        again.end()

        def judge(recording):
            problems = [self.judge(recording, result)]
            if size != recording["tags_file_afterwards_bytes"]:
                problems.append(f"t.json has {size} bytes, recorded {recording['tags_file_afterwards_bytes']}")
            if code != recording["restart_exit_code"]:
                problems.append(f"second start: exit code {code}, recorded {recording['restart_exit_code']}")
            problem = compare.agent_log(recording["restart_stdout"], again.stdout, code is None)
            problems.append(problem and f"second start:\n{problem}")
            return "\n".join(p for p in problems if p) or None

        return judge


def _logs(title, recorded, stdout, begin, only=None):
    """Compares log lines given as a list with those in an agent's output, from the last `begin` on."""
    def lines(entries):
        found = [masks.text(entry.strip(" ")) for entry in entries]
        return [entry for entry in found
                if entry.startswith("<TIME>") and (only is None or re.search(only, entry))]

    got = lines(compare.entries(stdout))
    if begin:
        starts = [i for i, entry in enumerate(got) if begin in entry]
        got = got[starts[-1]:] if starts else got
    got = [entry for entry in got if "agent.ipc: Accepted client" not in entry]
    want = [entry for entry in lines(recorded) if "agent.ipc: Accepted client" not in entry]
    problem = compare.log_problem(want, got, running=True)
    return problem and f"{title}:\n{problem}"
