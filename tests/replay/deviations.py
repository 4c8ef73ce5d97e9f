"""Recordings as ours is expected to behave: the `change`s of `tests/deviations.toml` applied to them."""

import copy


def applied(entry, recording, sides):
    """The recording with the changes of an entry, or None if nothing about it deviates.

    `sides` are the programs under test that are ours: "client", "agent", or both; an entry without a side is about the
    agent.
    """
    if entry is None or entry.get("side", "agent") not in sides:
        return None
    changed = copy.deepcopy(recording)
    for change in entry["change"]:
        _apply(changed, change, entry["file"])
    return changed


def _apply(recording, change, file):
    *way, last = (int(step) if step.isdigit() else step for step in change["at"].split("/"))
    place = recording
    for step in way:
        place = place[step]
    if "from" not in change:
        place[last] = change["to"]
        return
    if change["from"] not in place[last]:
        raise ValueError(f"{file}: {change['from']!r} is not in the recorded {change['at']}")
    place[last] = place[last].replace(change["from"], change["to"])
