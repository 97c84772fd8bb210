"""Children die with their supervisor, also when it is killed: a small process sees it go and ends them.

The supervisor alone holds the writing end of a pipe, the watcher reads it. Each child writes its own group into the pipe
before it becomes its program, so there is no instant at which a child runs that the watcher will not hear of.
"""

import contextlib
import functools
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

GRACE_S = {signal.SIGTERM: 3.0, signal.SIGINT: 15.0}  # from the polite signal to SIGKILL; SIGINT is for PostgreSQL
_FORGET_S = 1.0


def dies_with_us(polite: signal.Signals) -> Callable[[], None]:
    """For preexec_fn, along with start_new_session: the child's group gets this signal when we die, at last SIGKILL.

    polite  a key of GRACE_S
    """
    pipe, _ = _watched_pipe()

    def tell_the_watcher() -> None:
        os.write(pipe, f"{os.getpid()} {int(polite)}\n".encode())  # whole or not at all: shorter than PIPE_BUF

    return tell_the_watcher


@functools.cache
def _watched_pipe() -> tuple[int, "subprocess.Popen[bytes]"]:
    """Start this process's watcher; the pipe's writing end, which no program that we start inherits, and the watcher."""
    reading, writing = os.pipe()
    with open(reading, "rb") as watched:
        watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=watched, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", env={}, start_new_session=True,
        )  # fmt: skip
    return writing, watcher


def _watch(pipe: int) -> dict[int, signal.Signals]:
    """Read until the supervisor is gone; the groups that live then, each with its polite signal.

    Groups that end before are forgotten, for their numbers come again.
    """
    groups: dict[int, signal.Signals] = {}
    heard = b""
    while True:
        if select.select([pipe], [], [], _FORGET_S)[0]:
            news = os.read(pipe, 4096)
            if not news:
                return groups
            *lines, heard = (heard + news).split(b"\n")
            groups |= {int(group): signal.Signals(int(polite)) for group, polite in map(bytes.split, lines)}
        groups = {group: polite for group, polite in groups.items() if _send(group, 0)}


def _end(groups: dict[int, signal.Signals]) -> None:
    """Ask every group to end, and kill those that don't within their time."""
    for group, polite in groups.items():
        _send(group, polite)
    asked = time.monotonic()
    while groups:
        time.sleep(0.05)
        waited = time.monotonic() - asked
        groups = {
            group: polite
            for group, polite in groups.items()
            if _send(group, signal.SIGKILL if waited > GRACE_S[polite] else 0) and waited < max(GRACE_S.values()) + 5
        }


def _send(group: int, number: int) -> bool:
    """Send a signal to a group of ours, 0 only asks; whether there is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    _end(_watch(sys.stdin.fileno()))
