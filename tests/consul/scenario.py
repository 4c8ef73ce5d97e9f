"""One recorded scenario, or one recorded table, played against an agent that is started for it.

The recordings' own program speaks HTTP, starts agents and compares; here is what the suite adds: deviations, and the
question whether a blocked query that was answered early had something new to tell.
"""

import json
import os
import re
import shlex
import sys

from harness import report

RECORDINGS = os.path.join(report.shared(), "vectors")
sys.path[:0] = [os.path.join(RECORDINGS, "consul-http"), os.path.join(RECORDINGS, "consul-catalog")]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position,import-error
import deviations
import replay
import replay_tables

READY_SECONDS = 60
SLACK_SECONDS = 0.02
WAIT = re.compile(r"[?&]wait=(\d+)ms")
# The store and its API, and prepared queries.
TIERS = frozenset("1q")


class Options:
    """What the recordings' programs want to know from their command line."""

    header_case = key_order = prefix = False

    def __init__(self, program):
        self.start = shlex.quote(program)


def load(file):
    """The recording `FOLDER/NAME.json`."""
    with open(os.path.join(RECORDINGS, file), encoding="utf-8") as text:
        return json.load(text)


def is_played(recording):
    """Whether it is about one server, without ACLs."""
    if recording["agent"].get("token"):
        return False
    words = recording["agent"].get("argv", [])
    return not recording.get("more_agents") and bool({"-dev", "-bootstrap-expect=1"} & set(words))


def steps(recording):
    """[(position in the file, step)] of the tiers that are played: what needs no ACLs, configuration entries or mesh."""
    left_out, kept = set(), []
    for position, step in enumerate(recording["steps"]):
        if "request" in step and replay.tier(step) not in TIERS:
            left_out.add(step.get("start"))
        elif not {step.get("join"), step.get("pending")} & (left_out - {None}):
            kept.append((position, step))
    return kept


def positions(entry, part=None):
    """The steps or rows that an entry of the deviations changes, or changes that part of: the 12 in `steps/12/response`."""
    ways = [change["at"].split("/") for change in entry["change"]] if entry else []
    return {int(way[1]) for way in ways if part in (None, *way[2:3])}


class Runner(replay.Runner):
    """Keeps the last answer, to hold it against more than one expectation."""

    last = None

    def send(self, step):
        answer = super().send(step)
        if "start" not in step:
            self.last = answer
        return answer

    def join(self, name, timeout):
        self.last = super().join(name, timeout)
        return self.last


class Watches:
    """The blocked queries of a `blocking-wake-*` recording: what each read before it waited."""

    def __init__(self):
        self.before, self.waits = {}, {}

    def note(self, step, answer):
        """Remembers what a plain read showed, and how long a query is going to wait."""
        if "start" in step:
            wait = WAIT.search(step["request"]["path"])
            self.waits[step["start"]] = int(wait.group(1)) / 1000 if wait else None
        elif "request" in step:
            for name in step.get("capture") or {}:
                self.before[name] = (answer.status, answer.body) if answer else None

    def cell(self, step, answer):
        """"asleep", "woken" with another body, or "idle": answered early with what was known already."""
        if answer is None or "woken" not in step:
            return None
        if answer.seconds >= self.waits[step["join"]] - SLACK_SECONDS:
            return "asleep"
        return "idle" if self.before[step["join"]] == (answer.status, answer.body) else "woken"


def play(file, entry, program):
    """Plays a scenario; returns ([kind, place, text] of each step, the cells of its wake table)."""
    recording = load(file)
    changed = deviations.applied(entry, recording, {"agent"}) or recording
    deviating, answers = positions(entry), positions(entry, "response")
    variables = replay.base_vars(False)
    variables.update(recording.get("vars") or {})
    options, verdicts, cells = Options(program), [], {}
    agent = replay.Agent([program], recording["agent"], variables, False)
    variables["dir"] = agent.dir
    try:
        problem = agent.wait_ready(READY_SECONDS)
        if problem:
            return [["failed", "start", problem + "\n" + "\n".join(agent.tail(30))]], {}
        runner, watches = Runner(changed, {"": agent}, variables), Watches()
        replay.identify(agent, variables)
        for position, step in steps(changed):
            problems = take(runner, step, options)
            watches.note(step, runner.last)
            cell = watches.cell(step, runner.last) if "join" in step else None
            if cell:
                cells[step["join"]] = cell
            if cell and cell != ("woken" if step["changed"] else "asleep"):
                problems = problems + [f"it is {cell}; another body was{'' if step['changed'] else ' not'} recorded"]
            if position in answers and not problems and stale(runner, recording, position, options):
                problems = ["it answers as recorded: strike it from the deviations"]
            kind = "failed" if problems else "deviation" if position in deviating else "recorded"
            verdicts.append([kind, f"steps/{position}", describe(step, problems)])
        runner.release()
    finally:
        agent.stop()
    return verdicts, cells


def take(runner, step, options):
    try:
        return replay.run_step(runner, step, options)
    except replay.Undefined as name:
        return [f"the variable {name} is not set: an earlier step failed"]


def stale(runner, recording, position, options):
    """Whether the answer to a step is the recorded one after all, though the deviations have another."""
    step = recording["steps"][position]
    try:
        unlike = replay.compare(step, recording, runner.last, runner.vars, options)
        return not unlike and not any(replay.check_assert(text, runner.vars) for text in step.get("assert", []))
    except replay.Undefined:
        return False


def describe(step, problems):
    note = f" ({step['note']})" if step.get("note") else ""
    return "\n".join([replay.label(step) + note, *problems])


# ---------------------------------------------------------------------------------------------- tables


def play_table(file, entry, program):
    """Plays a table; the same result as `play`, with a verdict for each row."""
    table = played(deviations.applied(entry, load(file), {"agent"}) or load(file))
    variables = replay.base_vars(False)
    options = Options(program)
    agent = replay.Agent([program], table["agent"], variables, False)
    try:
        problem = agent.wait_ready(READY_SECONDS)
        if problem:
            return [["failed", "start", problem + "\n" + "\n".join(agent.tail(30))]], {}
        ask = replay_tables.Ask(agent.addr)
        replay.identify(agent, variables)
        refused = [request for request in table["setup"] if ask(*request).status != 200]
        play_rows = next(rows for key, rows in replay_tables.KINDS.items() if key in table)
        count, bad = play_rows(table, ask, options, variables)
    finally:
        agent.stop()
    verdicts = [["failed", "setup", f"{request} was refused"] for request in refused]
    verdicts += [["failed", f"{on} {what}", f"expected {wanted}\ngot {got}"] for on, what, wanted, got in bad]
    # A row is compared exactly, so that one that meets its changed expectation is not as recorded.
    good = count - len(bad)
    deviating = min(len(positions(entry)), good)
    verdicts += [["deviation", "row", ""]] * deviating + [["recorded", "row", ""]] * (good - deviating)
    return verdicts, {}


def played(table):
    """A table without the endpoints and writes of tiers that are not played."""
    def wanted(path):
        return replay.tier({"request": {"path": path}}) in TIERS

    table["setup"] = [request for request in table["setup"] if wanted(request[1])]
    if "endpoints" in table:
        table["endpoints"] = {name: path for name, path in table["endpoints"].items() if wanted(path)}
    if "cases" in table:
        table["cases"] = [case for case in table["cases"] if case["on"] in table["endpoints"]]
    if "changes" in table:
        table["changes"] = [change for change in table["changes"] if wanted(change["request"][1])]
        for change in table["changes"]:
            change["moved"] = [name for name in change["moved"] if name in table["endpoints"]]
    return table
