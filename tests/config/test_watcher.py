"""What a supervisor started ends when it is killed, whatever those processes think of signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

from config.local.places import ROOT

# Neither the shell nor what it starts minds SIGTERM: an ignored signal stays ignored in their programs.
STUBBORN = "trap '' TERM; sleep 60 & sleep 60"
SUPERVISOR = """
import os, signal, subprocess, sys, time
from config.local.watcher import dies_with_us
signal.signal(signal.SIGINT, signal.SIG_DFL)  # also where the suite runs in the background, which ignores it
tell, us = dies_with_us(signal.Signals(int(sys.argv[2]))), os.getpid()

def start():
    if sys.argv[3] == "early":
        os.kill(us, signal.SIGKILL)
    tell()

subprocess.Popen(["sh", "-c", sys.argv[1]], start_new_session=True, preexec_fn=start)
time.sleep(60)
"""


def _start(shell: str, polite: signal.Signals, mark: str, when: str = "late") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", SUPERVISOR, shell, str(int(polite)), when]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "WATCHED": mark})


def _living(mark: str) -> list[str]:
    """The commands of all processes that came from a supervisor with this mark, itself included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"WATCHED={mark}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def _within(seconds: float, mark: str, count: int) -> bool:
    until = time.monotonic() + seconds
    while len(_living(mark)) != count:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_stubborn_children_and_grandchildren_die_with_a_killed_supervisor_early_and_late():
    early, late = uuid4().hex, uuid4().hex
    killed_while_starting = _start(STUBBORN, signal.SIGTERM, early, "early")
    killed_later = _start(STUBBORN, signal.SIGTERM, late)
    assert _within(10, late, 4), "the supervisor, the shell and two sleepers are up"
    killed_later.kill()
    assert killed_later.wait() == killed_while_starting.wait(10) == -signal.SIGKILL
    assert _within(10, late, 0), _living(late)
    assert _within(10, early, 0), _living(early)


def test_a_polite_child_gets_the_signal_it_was_started_with(tmp_path: Path):
    mark, said = uuid4().hex, tmp_path / "said"
    traps = f"trap 'echo INT > {said}; exit' INT; trap 'echo TERM > {said}; exit' TERM"
    supervisor = _start(f"{traps}; touch {said}; while :; do sleep 0.05; done", signal.SIGINT, mark)
    until = time.monotonic() + 10
    while not said.exists() and time.monotonic() < until:
        time.sleep(0.05)
    supervisor.kill()
    supervisor.wait()
    assert _within(10, mark, 0), _living(mark)
    assert said.read_text() == "INT\n"
