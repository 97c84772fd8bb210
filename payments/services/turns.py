"""A worker's round over many records: one that breaks is told in the log, the others get their turn all the same.

What broke keeps its due time, so that a later round takes it again.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

logger = structlog.get_logger(__name__)
Record = TypeVar("Record")


def take_turns(records: Iterable[Record], act: Callable[[Record], object], *, what: str) -> None:
    """Do it to each. A lock that somebody holds for long, or a fault of ours about one record, is that record's alone."""
    for record in records:
        try:
            act(record)
        except Exception as error:  # the worker's outermost door
            broke(what, record, error)


def broke(what: str, record: object, error: Exception) -> None:
    """Tell of it, within the handler of the exception."""
    logger.exception("turn_broke", what=what, about=str(record), error=type(error).__name__)
