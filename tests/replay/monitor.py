"""Judging `serf monitor`: its output is a mix of log lines and events whose order and repetition are chance.

Rule: every block is well formed; the events are the recorded ones with their fields in any order; the log lines are,
as a set, the recorded ones (see `masks.RACY_LOG` for those that are a matter of timing). At DEBUG, where the backlog of
512 messages may begin anywhere, its lines from INFO up must be a run of the agent's own log, unchanged.
"""

import re

import compare
import masks

_LOG = re.compile(r"\A\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(TRACE|DEBUG|INFO|WARN|ERR)\] \S")
_FIELD = re.compile(r"\A\t[A-Za-z]+: .+\Z", re.S)
_MEMBER = 'map[interface {}]interface {}{"Addr":'
_END = "\nRemote side ended the monitor! This usually means that the\nremote side has exited or crashed.\n"
BACKLOG = 512


def _blocks(text):
    """(log messages, events, ending) of an output; an event is its sorted, masked fields."""
    ending = ""
    if text.endswith(_END):
        text, ending = text[: -len(_END)], _END
    logs, events = [], []
    current = None
    for line in text.splitlines():
        if _LOG.match(line):
            current = [line]
            logs.append(current)
        elif line == "Event Info:":
            current = []
            events.append(current)
        elif current is None:
            raise ValueError(f"output begins with {line!r}")
        else:
            current.append(line)
    for event in events:
        for field in event:
            if not _FIELD.match(field):
                raise ValueError(f"not a field of an event: {field!r}")
    return ["\n".join(log) for log in logs], ["\n".join(sorted(map(_field, event))) for event in events], ending


def _field(line):
    """One masked field; the list of members sorted by itself."""
    if line.startswith("\tMembers: "):
        head, *members = line.split(_MEMBER)
        tail = "}"
        members = sorted(member.rstrip("}, ") for member in members)
        line = head + " | ".join(members) + tail
    return masks.text(line)


def _judged(logs):
    masked = {masks.text(log) for log in logs}
    return {log for log in masked
            if not masks.INNER_DEBUG.search(log) and not any(p.search(log) for p in masks.RACY_LOG)}


def judge(case, expected, actual, agent_stdout):
    """None, or what is wrong with the output of a monitor."""
    try:
        logs, events, ending = _blocks(actual)
    except ValueError as error:
        return f"{error}"
    want_logs, want_events, want_ending = _blocks(expected)
    problems = []
    if ending != want_ending:
        problems.append(f"the output ends in {actual[-80:]!r}")
    if sorted(events) != sorted(want_events):
        problems.append("events:\n" + compare.diff("\n\n".join(sorted(want_events)), "\n\n".join(sorted(events))))
    debug = any("[DEBUG]" in log for log in want_logs)
    problems += _debug(want_logs, logs, agent_stdout) if debug else _levels(want_logs, logs)
    return "\n".join(problems) or None


def _levels(want_logs, logs):
    want, got = _judged(want_logs), _judged(logs)
    if want == got:
        return []
    return ["log lines:\n" + compare.diff("\n".join(sorted(want)), "\n".join(sorted(got)))]


def _debug(want_logs, logs, agent_stdout):
    problems = []
    own = [entry[4:] for entry in compare.entries(agent_stdout) if _LOG.match(entry[4:])]
    seen = [log for log in logs if not re.search(r"\[(TRACE|DEBUG)\]", log)]
    if seen:
        at = own.index(seen[0]) if seen[0] in own else -1
        if at < 0 or not _contains(own, seen):
            problems.append("the lines from INFO up are no run of the agent's log:\n"
                            + compare.diff("\n".join(own[at:] if at >= 0 else own), "\n".join(seen)))
    else:
        problems.append("no line from INFO up")
    asked = {masks.text(log) for log in want_logs if "[DEBUG] agent: Requesting" in log}
    told = {masks.text(log) for log in logs if "[DEBUG] agent: Requesting" in log}
    if told - asked or len(told) * 2 < len(asked):
        problems.append("DEBUG lines of the agent:\n" + compare.diff("\n".join(sorted(asked)), "\n".join(sorted(told))))
    if len(logs) > BACKLOG + 64:
        problems.append(f"{len(logs)} messages: more than the {BACKLOG} that an agent remembers")
    return problems


def _contains(whole, part):
    return any(whole[at:at + len(part)] == part for at in range(len(whole) - len(part) + 1))
