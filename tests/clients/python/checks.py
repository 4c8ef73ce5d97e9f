"""What both programs share: one line for each check, and where the stage is."""

import os

HOST, PORT = os.environ["STAGE_RPC"].rsplit(":", 1)
PORT = int(PORT)
TOKEN = os.environ["STAGE_TOKEN"]
PEER = os.environ["STAGE_PEER"]
VICTIM = int(os.environ["STAGE_VICTIM"])
PATIENCE = 15

failures = []


class Check:
    """`with Check(name):` prints `ok NAME`, or `not ok NAME: REASON` and goes on."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, _):
        if problem is None:
            print("ok %s" % self.name, flush=True)
            return False
        failures.append(self.name)
        print("not ok %s: %s %s" % (self.name, kind.__name__, " ".join(str(problem).split())), flush=True)
        return isinstance(problem, Exception)


def equal(got, wanted):
    assert got == wanted, "got %r, wanted %r" % (got, wanted)


def refused(problem, text):
    assert text in str(problem), "refused with %r, wanted %r" % (str(problem), text)
