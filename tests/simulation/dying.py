"""Death of a process at a chosen point: before any statement or commit, before a call leaves, after Alipay acted on it.

Nothing of the product knows of it. Whatever a real process could lose by being killed lies between two of these points:
the database's connection is cut before we unwind, so that nothing that Python still does on the way out is heard.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from django.db import connection


class Killed(BaseException):
    """The process is gone. No `except Exception` of the product may catch it."""


class Death:
    """Counts the points that are passed; at the one chosen, the process dies."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.at: int | None = None
        self.looks_on = True
        self.struck = ""

    def arm(self, at: int | None) -> None:
        """Die at the at-th point from now; None lives."""
        self.passed, self.at, self.struck = [], at, ""

    @contextlib.contextmanager
    def possible(self) -> Iterator[None]:
        """Only what the product does counts; an observer's own reads are no points."""
        self.looks_on = False
        try:
            yield
        finally:
            self.looks_on = True

    def point(self, name: str) -> None:
        if self.looks_on:
            return
        if self.at is not None and len(self.passed) == self.at:
            self.at, self.struck = None, name
            if connection.connection is not None:
                connection.connection.close()
            raise Killed(name)
        self.passed.append(name)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Make every statement and commit of this process's connection such a point."""
        commit = connection.commit

        def watched_commit() -> None:
            self.point("commit")
            commit()

        def watched(execute: Callable[..., Any], statement: Any, *rest: Any) -> Any:
            self.point(str(statement)[:40])
            return execute(statement, *rest)

        with connection.execute_wrapper(watched), patch.object(connection, "commit", watched_commit):
            yield


def survive(death: Death) -> None:
    """What the next process finds: no connection, nothing remembered."""
    death.arm(None)
    connection.in_atomic_block, connection.savepoint_ids, connection.atomic_blocks = False, [], []
    connection.needs_rollback, connection.closed_in_transaction, connection.run_on_commit = False, False, []
    if connection.connection is not None:  # opened anew while the process was dying
        connection.connection.close()
    connection.connection = None
