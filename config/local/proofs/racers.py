"""Processes that wait at a line for a word each, and start at the same moment: the machinery of the races."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from config.local.places import ROOT


@dataclass(slots=True)
class Racers:
    """The processes, by role; one that was killed is replaced before the next trial.

    module  what each of them runs: a loop that reads a line and answers with one
    """

    module: str
    environment: dict[str, str]
    processes: dict[str, "subprocess.Popen[str]"]

    def start(self, role: str) -> None:
        if role in self.processes:
            self.processes[role].communicate()  # it has ended, and its pipes do now
        self.processes[role] = subprocess.Popen(
            [sys.executable, "-m", self.module], cwd=ROOT, env=self.environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    def say(self, role: str, **words: object) -> None:
        pipe = self.processes[role].stdin
        assert pipe is not None, "made with a pipe"
        pipe.write(json.dumps(words) + "\n")
        pipe.flush()

    def hear(self, role: str) -> object:
        """What it answers; None from a process that was killed."""
        pipe = self.processes[role].stdout
        assert pipe is not None, "made with a pipe"
        line = pipe.readline()
        return json.loads(line) if line else None

    def kill(self, role: str) -> None:
        self.processes[role].send_signal(signal.SIGKILL)
        self.processes[role].wait()


@contextlib.contextmanager
def racers(module: str, environment: dict[str, str], roles: Iterable[str]) -> Iterator[Racers]:
    """One process a role, for as long as the block lasts."""
    made = Racers(module, {**os.environ, **environment}, {})
    for role in roles:
        made.start(role)
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.communicate()
