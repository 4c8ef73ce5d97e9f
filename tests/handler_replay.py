#!/usr/bin/env python3
"""Replays the recorded handler invocations (`serf-handlers/`) with a live agent.

Each case brings up the agents of its recording in a private namespace, causes what the recording was about (events,
joins, failures, queries) and compares what the handler was given (environment, standard input), what its output became
(the query's result as the command line prints it) and the agent's log lines, in their order. What may differ is listed
in `volatile.toml`.
"""

import fnmatch
import json
import os
import re
import sys
import tomllib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import agent as agents
from harness import report, sandbox
from harness.waiting import until

RECORDER = """#!/bin/sh
# Keeps what a handler is given: environment and standard input, in the order of the invocations.
n=$(ls "$RECORDS" | grep -c done)
env -0 > "$RECORDS/$n.env"
cat > "$RECORDS/$n.stdin"
: > "$RECORDS/$n.done"
"""
INHERITED = "from the agent's environment"
CUT = re.compile(r" \.\.\.\[(\d+) characters cut\]\.\.\. ")
SELF, OTHER_ADDRESSES = "127.0.0.201", {"node2": "127.0.0.202", "node3": "127.0.0.203", "node4": "127.0.0.204"}
OTHER_TAGS = {"node2": ["-tag", "role=db"], "node3": ["-tag", "dc=west"], "node4": ["-tag", "role=x"]}

with open(os.path.join(report.TESTS, "volatile.toml"), "rb") as volatile_file:
    VOLATILE = tomllib.load(volatile_file)


def load(name):
    with open(os.path.join(report.shared(), "vectors", "serf-handlers", name + ".json")) as file:
        return json.load(file)


# --- the stage ------------------------------------------------------------------------------------------------------


class Stage:
    """The agents of one recording, and what its handlers were given."""

    def __init__(self, case, program, peer, directory):
        self.case = case
        self.program = program
        self.peer = peer
        self.directory = directory
        self.nodes = {}
        self.seen = 0
        self.records = os.path.join(directory, "records")
        os.mkdir(self.records)

    def main(self, argv=None, config=None, env=None):
        """Starts the agent whose handlers are watched, with the recorded command line."""
        argv = argv or self.case["agent_argv"][1:]
        bind = next(word.split("=", 1)[1] for word in argv if word.startswith("-bind="))
        directory = os.path.join(self.directory, "node1")
        os.mkdir(directory)
        with open(os.path.join(directory, "record.sh"), "w") as script:
            script.write(RECORDER.replace("$RECORDS", self.records))
        os.chmod(script.name, 0o755)
        if "-config-file=c.json" in argv:
            with open(os.path.join(directory, "c.json"), "w") as file:
                json.dump(config or self.case.get("config") or {"reconnect_timeout": "2s"}, file)
        node = agents.Agent(self.program, "node1", bind, directory, argv=argv, env=env)
        self.nodes["node1"] = node
        return node.start()

    def settled_main(self, **more):
        """The same, once its own member-join is delivered and forgotten."""
        node = self.main(**more)
        self.settle()
        return node

    def settle(self):
        """Waits until every member event so far has been delivered; invocations are counted from here."""
        until(self.delivered, 15, lambda _: "member events were not delivered:\n" + self.nodes["node1"].log())
        self.seen = self.done()

    def delivered(self):
        log = self.nodes["node1"].log()
        received = log.find("Received event: member-", log.rfind("serf: EventMember"))
        records = "-event-handler=./record.sh" in self.nodes["node1"].argv()
        return received > 0 and (not records or self.done() == log.count("Received event: "))

    def done(self):
        return sum(name.endswith(".done") for name in os.listdir(self.records))

    def others(self, *names, wait=True, peer_argv=()):
        for name in names:
            address = OTHER_ADDRESSES[name]
            directory = os.path.join(self.directory, name)
            arguments = OTHER_TAGS[name] + ["-join=" + SELF] + list(peer_argv)
            node = agents.Agent(self.peer, name, address, directory, arguments)
            self.nodes[name] = node
            node.start(wait=False)
        if wait:
            wanted = {name: "alive" for name in self.nodes}
            for node in self.nodes.values():
                node.wait_ready()
                node.sees(wanted)

    def invocations(self, count, seconds=40):
        """Waits for this many invocations and returns them."""
        log = self.nodes["node1"].log

        until(
            lambda: self.done() >= self.seen + count,
            seconds,
            lambda _: "the handler did not run %d times; the log ends:\n%s" % (count, log()[-2000:]),
        )
        found = []
        for number in range(self.seen, self.done()):
            path = os.path.join(self.records, str(number))
            with open(path + ".env", "rb") as file:
                pairs = [pair.split("=", 1) for pair in text(file.read()).split("\0") if "=" in pair]
            with open(path + ".stdin", "rb") as file:
                found.append((dict(pairs), file.read()))
        return found

    def stop(self):
        for node in self.nodes.values():
            node.kill()


def text(data):
    return data.decode("utf-8", "surrogateescape")


# --- comparing ------------------------------------------------------------------------------------------------------


def check_invocations(stage, wanted, got):
    assert len(got) == len(wanted), "the handler ran %d times, recorded %d:\n%s" % (len(got), len(wanted), got)
    first = [recorded_pair(entry) for entry in wanted]
    recorded, now = ([comparable(pairs[0], pair) for pair in pairs] for pairs in (first, got))
    if stage.case["id"] == "member-update-repeats":  # "The order of the two invocations is not defined."
        recorded, now = sorted(recorded, key=repr), sorted(now, key=repr)
    for number, (old, new) in enumerate(zip(recorded, now)):
        assert old == new, "invocation %d\n  recorded %s\n  now      %s" % (number, old, new)


def recorded_pair(entry):
    env = dict(entry["env"])
    env.update({name: None for name in entry["other_env_names"]})
    return env, bytes.fromhex(entry["stdin_hex"]) if "stdin_hex" in entry else entry["stdin"].encode()


def comparable(first, pair):
    """Environment and input with what may differ made equal; `first` is the first pair of its list."""
    env, stdin = pair
    shown = {}
    for name, value in env.items():
        if name in [entry["name"] for entry in VOLATILE["env"]]:
            value = int(value) - int(first[0][name])
        shown[name] = value if name.startswith(("SERF_", "INHERITED_VAR")) else None
    if shown["SERF_EVENT"].startswith("member-"):
        stdin = sorted(member_line(line) for line in text(stdin).splitlines(keepends=True))
    return dict(sorted(shown.items())), stdin


def member_line(line):
    """A member's line; tags come in any order."""
    cells = line.rstrip("\n").split("\t")
    return cells[:3] + [sorted(cells[3].split(",")), line.endswith("\n")] if len(cells) == 4 else cells


def check_log(stage, wanted, start=0):
    """Waits until the recorded lines stand in the log, in their order (other lines may stand between them)."""
    lines = [bare(line) for line in wanted]
    lines = [line for line in lines if not any(fnmatch.fnmatchcase(line, e["pattern"]) for e in VOLATILE["log"])]

    def missing():
        position = 0
        have = [bare(line) for line in stage.nodes["node1"].log()[start:].splitlines() if line.startswith("    2")]
        for line in lines:
            if stage.case["id"] in VOLATILE["log_order"]["free"]:
                position = 0
            while position < len(have) and not same_line(line, have[position]):
                position += 1
            if position == len(have):
                return line
            position += 1
        return None

    until(
        lambda: missing() is None,
        15,
        lambda _: "not in the log, or not in this order: %s\nthe log:\n%s" % (missing(), stage.nodes["node1"].log()[start:]),
    )


def bare(line):
    return re.sub(r"^ *\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", line)


def same_line(recorded, line):
    cut = CUT.search(recorded)
    if not cut:
        return recorded == line
    front, back = recorded[: cut.start()], recorded[cut.end() :]
    rebuilt = len(bare(front)) + int(cut.group(1)) + len(back)
    return line.startswith(front) and line.endswith(back) and len(line) == rebuilt


def check_command(recorded, now):
    assert acks_sorted(now.stdout) == acks_sorted(recorded["stdout"]), "printed %r, recorded %r" % (
        now.stdout,
        recorded["stdout"],
    )
    assert now.stderr == recorded["stderr"], now.stderr
    assert now.returncode == recorded["exit_code"], now.returncode


def acks_sorted(output):
    """Acknowledgements come in any order."""
    lines = output.splitlines(keepends=True)
    return sorted(line for line in lines if line.startswith("Ack")), [line for line in lines if not line.startswith("Ack")]


# --- the scenarios: one per recording, or one for a family ----------------------------------------------------------


def command(node, *words):
    done = node.cli(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def recorded_command(stage, recorded):
    argv = [word for word in recorded["argv"][1:] if not word.startswith("-rpc-addr=")]
    address = next((w.split("=")[1].split(":")[0] for w in recorded["argv"] if w.startswith("-rpc-addr=")), None)
    node = next((node for node in stage.nodes.values() if node.address == address), stage.nodes["node1"])
    return node.cli(*argv)


class Recorded:
    """Runs `act` in the big cluster of the recordings and compares the invocations that follow, and the log."""

    def __init__(self, act, others=(), settle=True):
        self.act, self.others, self.settle = act, others, settle

    def __call__(self, stage):
        stage.main(env={"INHERITED_VAR": INHERITED} if INHERITED in json.dumps(stage.case) else {})
        if self.others:
            stage.settle()
            stage.others(*self.others)
        if self.settle:
            stage.settle()
        start = len(stage.nodes["node1"].log()) if self.settle else 0
        self.act(stage)
        wanted = stage.case["invocations"]
        stage.invocations(len(wanted))
        # Handlers run in order: when a last event's has run, there is nothing more to come of the action.
        stage.nodes["node1"].call("event", {"Name": "go", "Payload": None, "Coalesce": False})
        check_invocations(stage, wanted, stage.invocations(len(wanted) + 1)[:-1])
        if "agent_log" in stage.case:
            check_log(stage, lines_of_this(stage.case), start)


def lines_of_this(case):
    """The log lines of the recorded action alone; a few recordings show what went before, too."""
    lines = case["agent_log"]
    before = {
        "member-leave-forced": "EventMemberFailed: node4",
        "member-join-two": "EventMemberJoin: node2",
        "member-update-self": "EventMemberUpdate: node1",
        "member-update-repeats": "EventMemberJoin: node3",
    }.get(case["id"])
    if before:
        lines = lines[next(index for index, line in enumerate(lines) if before in line) :]
    return [line for line in lines if "Received event: member-" not in line or lines.count(line) == 1] if before else lines


def nothing(stage):
    pass


def event(*words, on="node1"):
    return lambda stage: command(stage.nodes[on], "event", *words)


def burst(name, *flags):
    def act(stage):
        for number in range(3):
            command(stage.nodes["node1"], "event", *flags, name, "v%d" % number)

    return act


def two_join(stage):
    stage.others("node2", "node3", wait=False)


def run_query(stage):
    check_command(stage.case["cli"], recorded_command(stage, stage.case["cli"]))


def leave(stage):
    command(stage.nodes["node2"], "leave")


def kill(stage):
    stage.nodes["node3"].kill()


def forced_leave(stage):
    stage.nodes["node4"].kill()
    stage.nodes["node1"].wait_log("EventMemberFailed: node4")
    command(stage.nodes["node1"], "force-leave", "node4")


def reap(stage):
    """node3 fails; that is another recording. What follows by itself is this one."""
    stage.nodes["node3"].kill()
    stage.nodes["node1"].wait_log("Received event: member-failed", 40)
    stage.settle()


def binary_event(stage):
    body = {"Name": "bin", "Payload": bytes.fromhex("0001fffe0a09"), "Coalesce": False}
    stage.nodes["node1"].call("event", body)


def update_node2(stage):
    command(stage.nodes["node2"], "tags", "-set", "color=blue", "-set", "role=db2")


def after_update(act):
    """What happens once node2's update has been delivered."""

    def both(stage):
        update_node2(stage)
        stage.settle()
        act(stage)

    return both


def join_node3(stage):
    stage.others("node3", wait=False)


def update_self(stage):
    command(stage.nodes["node1"], "tags", "-set", "newtag=n", "-delete", "dc")


def tag_collision(stage):
    stage.settled_main()
    for _ in range(24):
        event("-coalesce=false", "go")(stage)
    got = stage.invocations(24)
    values = {env["SERF_TAG_A_B"] for env, _ in got}
    assert values <= {"first", "second", "third"}, values
    wanted = stage.case["invocations"]
    for entry, (env, _) in zip(wanted, got):
        entry["env"]["SERF_TAG_A_B"] = env["SERF_TAG_A_B"]  # which one survives is not defined
    check_invocations(stage, wanted, got)


def query_response(stage):
    """A handler's output as the answer to a query, asked once for JSON and once for text."""
    stage.settled_main()
    for form in ("cli_json", "cli_text"):
        check_command(stage.case[form], recorded_command(stage, stage.case[form]))
    check_log(stage, stage.case["agent_log"])


def two_handlers(stage):
    stage.settled_main()
    run_query(stage)
    check_log(stage, stage.case["agent_log"])


def events_and_log(*names):
    def run(stage):
        stage.settled_main()
        for name in names:
            event("-coalesce=false", name)(stage)
        check_log(stage, stage.case["agent_log"])

    return run


def output_8k(stage):
    node = stage.settled_main()
    event("-coalesce=false", "one")(stage)
    lead = "Event 'user' script output: "
    node.wait_log(lead)
    line = until(lambda: next((l for l in node.log_lines() if lead in l and l.endswith("2999,")), None), 10, "no output")
    output = line.split(lead, 1)[1]
    assert len(output) == stage.case["bytes_kept"], len(output)
    assert output.startswith(stage.case["kept_head"]) and output.endswith(stage.case["kept_tail"])
    assert not [l for l in node.log_lines() if "truncat" in l], "a warning about cut output"


def stdin_not_read(stage):
    node = stage.settled_main(config={"user_event_size_limit": 2048})
    for _ in range(30):
        node.call("event", {"Name": "big", "Payload": b"x" * 1000, "Coalesce": False})
    node.wait_log("agent: Received event: user-event: big", count=stage.case["events_received"])
    node.wait_log("Event 'user' script output: ", count=stage.case["events_received"])
    allowed = {bare(line) for line in stage.case["agent_log_errors"]}
    errors = {bare(line) for line in node.log_lines() if "[ERR]" in line}
    assert errors <= allowed, errors


def fail_and_return(stage):
    node = stage.main()
    stage.nodes["node2"] = agents.Agent(
        stage.peer, "node2", "127.0.0.2", os.path.join(stage.directory, "node2"), ["-profile=local", "-join=127.0.0.1"]
    ).start()
    node.sees({"node1": "alive", "node2": "alive"})
    until(stage.delivered, 15, "the joins were not delivered")
    stage.nodes["node2"].kill()
    start = len(node.log())
    node.wait_log("EventMemberFailed: node2")
    stage.nodes["node2"].start()
    check_log(stage, stage.case["agent_log_after_the_kill"], start)
    # A later event marks the end of the coalescing window: had there been a member event, it would stand before it.
    stage.nodes["node2"].call("tags", {"Tags": {"marker": "1"}})
    node.wait_log("Received event: member-update")
    received = [line for line in node.log()[start:].splitlines() if "Received event" in line]
    assert len(received) == 1, received


def filters(stage):
    case = stage.case
    argv = ["agent", "-node=node1", "-bind=127.0.0.201", "-rpc-addr=127.0.0.201:7373"]
    node = stage.main(argv=argv + ["-event-handler=" + handler for handler in case["handlers"]])
    shown = node.stats()["event_handlers"]
    assert shown == case["info_event_handlers"], shown
    out = os.path.join(stage.directory, "node1", "out")
    for entry in case["results"]:
        kind, _, name = entry["event"].partition(" ")
        if kind == "user":
            event("-coalesce=false", name)(stage)
        elif kind == "query":
            command(node, "query", "-timeout=1s", name)

        def ran():
            if not os.path.exists(out):
                return []
            with open(out) as file:
                return file.read().split()

        until(lambda: len(ran()) >= len(entry["ran"]), 10, lambda _: "%s ran %s" % (entry["event"], ran()))
        assert ran() == entry["ran"], "%s ran %s, recorded %s" % (entry["event"], ran(), entry["ran"])
        os.remove(out)


ALL_THREE = ("node2", "node3")
SCENARIOS = {
    "fail-and-return": fail_and_return,
    "failing-handler": events_and_log("one"),
    "filters": filters,
    "internal-query": Recorded(run_query, ALL_THREE),
    "member-failed": Recorded(kill, ALL_THREE),
    "member-join-self": Recorded(nothing, settle=False),
    "member-join-two": Recorded(two_join),
    "member-leave": Recorded(leave, ALL_THREE),
    "member-leave-forced": Recorded(forced_leave, ("node4",)),
    "member-reap": Recorded(reap, ("node3",)),
    "member-update": Recorded(update_node2, ("node2",)),
    "member-update-repeats": Recorded(after_update(join_node3), ("node2",)),
    "member-update-self": Recorded(after_update(update_self), ("node2",)),
    "member-update-then-user": Recorded(after_update(event("-coalesce=false", "go")), ("node2",)),
    "output-8k": output_8k,
    "query": Recorded(run_query, ALL_THREE),
    "query-no-payload": Recorded(run_query, ALL_THREE),
    "query-two-handlers": two_handlers,
    "slow-serial": events_and_log("one", "two"),
    "stdin-escaping": Recorded(nothing, settle=False),
    "stdin-not-read": stdin_not_read,
    "tag-names": Recorded(event("-coalesce=false", "go")),
    "tag-names-colliding": tag_collision,
    "user-binary-payload": Recorded(binary_event),
    "user-burst-coalesced": Recorded(burst("burst")),
    "user-burst-not-coalesced": Recorded(burst("burst2", "-coalesce=false")),
    "user-coalesced": Recorded(event("deploy", "abc123", on="node2"), ("node2",)),
    "user-no-payload": Recorded(event("-coalesce=false", "restart")),
    "user-odd-name": Recorded(event("-coalesce=false", "two words\tand tab", "x y")),
    "user-payload-with-newline": Recorded(event("-coalesce=false", "nl", "line1\nline2\n")),
}


def replay(name, directory, program, peer, deviation):
    case = load(name)
    case.update({key: value for key, value in deviation.items() if key not in ("file", "reason")})
    if case["id"] == "member-update-repeats":
        OTHER_TAGS["node3"] = []  # here it has none
    if case["id"] == "tag-names":
        case["config"] = {"tags": case["tags"]}
    stage = Stage(case, program, peer, directory)
    try:
        (query_response if name.startswith("query-response-") else SCENARIOS[name])(stage)
    finally:
        stage.stop()


SLOW = ("member-reap", "member-leave-forced", "member-failed", "query-response", "fail-and", "internal", "member", "query")


def by_length(names):
    return sorted(names, key=lambda name: next((rank for rank, front in enumerate(SLOW) if name.startswith(front)), 99))


def main():
    parser = report.arguments(__doc__.split("\n", 1)[0])
    parser.add_argument("--peer", help="the program of the other members (default: --program)")
    options = parser.parse_args()
    peer = options.peer or options.program
    marked = report.deviations("serf-handlers") if report.is_ours(options.program) else {}
    if options.worker:
        sandbox.work(
            options.worker, lambda name, directory: replay(name, directory, options.program, peer, marked.get(name, {}))
        )
        return 0
    report.check_ground(options.program)
    files = os.listdir(os.path.join(report.shared(), "vectors", "serf-handlers"))
    names = report.chosen(sorted(name[:-5] for name in files if name.endswith(".json")), options.names)
    results = {}
    arguments = ["--program", os.path.abspath(options.program), "--peer", os.path.abspath(peer)]
    for name, result in sandbox.run(__file__, by_length(names), arguments, options.width):
        results[name] = result
        report.show(name, result, options.verbose)
    passed = [name for name in names if results[name]["ok"]]
    deviating = [name for name in passed if name in marked]
    print(
        "serf-handlers: %d as recorded, %d deviations, of %d"
        % (len(passed) - len(deviating), len(deviating), len(names))
    )
    return report.close(len(passed), len(names) - len(passed))


if __name__ == "__main__":
    sys.exit(main())
