"""One `manage.py reconcile` of `make reconcile-proof`: killed by itself before a chosen statement, or counted to its end.

A block of lines that goes to a COPY counts as a statement. `python -m config.local.proofs.reconciler STATEMENT OPTIONS...`: 0
lets it live. The last line says how many statements it took, and the first and last of those that are in a COPY.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django
import psycopg

django.setup()

from django.core.management import call_command  # noqa: E402  # after the registry is filled
from django.core.management.base import CommandError  # noqa: E402
from django.db import connection  # noqa: E402

write = psycopg.Copy.write


class Counter:
    """Counts what goes to the database, and ends the process where it is told to."""

    def __init__(self, dies_at: int) -> None:
        self.dies_at, self.count = dies_at, 0
        self.copies: list[int] = []

    def note(self) -> None:
        self.count += 1
        if self.count == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, execute: Callable[..., Any], *about: Any) -> Any:
        self.note()
        return execute(*about)

    def block(self, copy: psycopg.Copy, data: Any) -> None:
        self.note()
        self.copies.append(self.count)
        write(copy, data)
        self.note()  # the lines are on their way, and nothing has ended them
        self.copies.append(self.count)


def main(dies_at: int, words: list[str]) -> int:
    """The command's own exit code."""
    counter = Counter(dies_at)
    psycopg.Copy.write = lambda copy, data: counter.block(copy, data)  # type: ignore[assignment, method-assign]
    with connection.execute_wrapper(counter.statement):
        try:
            call_command("reconcile", *words)
            code = 0
        except CommandError as error:
            print(error)
            code = error.returncode
    print(
        f"\n{counter.count} {counter.copies[0] if counter.copies else 0} {counter.copies[-1] if counter.copies else -1}"
    )
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
