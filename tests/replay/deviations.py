"""Recordings as ours is expected to behave: the `change`s of `tests/deviations.toml` applied to them."""

import copy
import re


def applied(entry, recording, sides):
    """The recording with the changes of an entry, or None if nothing about it deviates.

    `sides` are the programs under test that are ours: "client", "agent", or both; an entry without a side is about the
    agent.
    """
    if entry is None or entry.get("side", "agent") not in sides:
        return None
    changed = copy.deepcopy(recording)
    for change in entry["change"]:
        *way, last = (int(step) if step.isdigit() else step for step in change["at"].split("/"))
        place = changed
        for step in way:
            place = place[step]
        if change.get("gone"):
            del place[last]
            continue
        try:
            old = place.get(last) if isinstance(place, dict) else place[last]
            place[last] = _changed(old, change)
        except ValueError as error:
            raise ValueError(f"{entry['file']}: {change['at']}: {error}") from None
    return changed


def _changed(value, change):
    if change.get("nothing"):
        return None
    if "append" in change:
        return value + change["append"]
    if "without" in change:
        return _without(value, re.compile(change["without"]))
    if "from" not in change:
        return change["to"]
    if value.count(change["from"]) != change.get("times", 1):
        raise ValueError(f"{change['from']!r} is recorded {value.count(change['from'])} times")
    return value.replace(change["from"], change["to"])


def _without(value, pattern):
    """A text without its lines that match; of a list, every text like that, and none that nothing is left of."""
    def left(text):
        return "".join(line for line in text.splitlines(keepends=True) if not pattern.search(line))

    changed = [rest for text in value if (rest := left(text))] if isinstance(value, list) else left(value)
    if changed == value:
        raise ValueError(f"no line matches {pattern.pattern!r}")
    return changed
