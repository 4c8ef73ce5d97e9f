"""Waiting for conditions: no test sleeps for a time and hopes."""

import time

STEP_S = 0.01


def until(condition, seconds, what):
    """Calls `condition` until it returns something true, and returns that.

    After `seconds` it fails with `what` (a text, or a function that makes one from the last value).
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("after %g s: %s" % (seconds, what(value) if callable(what) else what))
        time.sleep(STEP_S)


def holds(condition, seconds, what):
    """Fails as soon as `condition` is false within the next `seconds`: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(what() if callable(what) else what)
        time.sleep(STEP_S)
