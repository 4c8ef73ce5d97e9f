"""A server of ours in a directory of its own, for the suites that drive it over HTTP."""

import http.client
import json
import os
import signal
import subprocess

from harness.waiting import until

READY_SECONDS = 30
ANSWER_SECONDS = 10
DURABLE = ("-server", "-bootstrap-expect=1", "-bind=127.0.0.1")


class Server:
    """`tribune agent` on the default ports of its namespace."""

    def __init__(self, program, directory, words=DURABLE, config=None):
        self.program, self.directory = program, directory
        self.words = ["-node=node1", *words]
        if "-dev" not in words:
            self.words.append("-data-dir=" + os.path.join(directory, "data"))
        if config:
            with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
                json.dump(config, file)
            self.words.append("-config-file=" + file.name)
        self.port = 8500
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        """Starts the agent, and waits until it leads and is in its own catalogue."""
        self.launch()
        until(self.ready, READY_SECONDS, lambda _: "no server: " + self.log()[-3000:])

    def launch(self):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": self.directory}
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen([self.program, "agent", *self.words], cwd=self.directory, env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready(self):
        assert self.process.poll() is None, "the agent ended: " + self.log()[-3000:]
        try:
            return self.read("/v1/status/leader") and self.read("/v1/catalog/service/consul")
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        """Ends it as a power cut would, as far as the process is concerned."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def ask(self, method, path, body=None, seconds=ANSWER_SECONDS):
        """(status, index or None, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            content = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
            connection.request(method, path, content)
            answer = connection.getresponse()
            index = answer.getheader("X-Consul-Index")
            return answer.status, int(index) if index else None, answer.read()
        finally:
            connection.close()

    def read(self, path):
        """The JSON that a GET is answered with."""
        return self.call("GET", path)

    def write(self, path, body=None):
        """The JSON that a PUT is answered with."""
        return self.call("PUT", path, body)

    def call(self, method, path, body=None):
        status, _, content = self.ask(method, path, body)
        assert status == 200, f"{method} {path}: {status} {content[:300]!r}"
        return json.loads(content) if content else None
