"""One request, one effect: who repeats a request under its key gets the answer it got, however often and at once.

A key is held while its request is worked on. Where key, effect and answer are one commit, who comes meanwhile waits for its end
in the database, and a process that dies leaves nothing. Else it leaves the key held for HOLD; then the next repeat takes it over
and goes on, which is safe where the effect is one that happens once by itself.
"""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from payments.errors import KeyReused, StillRunning
from payments.models import IdempotencyRecord

HOLD = timedelta(seconds=30)  # longer than any request may take: three calls to Alipay while somebody waits
PATIENCE_S, LOOK_EVERY_S = 5.0, 0.1
AS_JSON = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: who asks under which key, and a hash of what."""

    caller: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given before."""

    status: int
    body: dict[str, Any]


def begin(asked: Asked) -> IdempotencyRecord | Kept:
    """Hold the key to do the work, or get what it brought before.

    While somebody else is at it this waits some seconds.
    Raises KeyReused (the key was used for another request), StillRunning.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        held = _hold(asked)
        if held is not None:
            return held
        found = IdempotencyRecord.objects.filter(caller=asked.caller, key=asked.key).first()
        if found is not None and found.request_hash != asked.request_hash:
            raise KeyReused(f"the key {asked.key!r} was used for another request")
        if found is not None and found.status is not None:
            return Kept(found.status, json.loads(found.body or "{}"))
        if time.monotonic() > until:
            raise StillRunning(f"the request with the key {asked.key!r} is being worked on")
        time.sleep(LOOK_EVERY_S)


def _hold(asked: Asked) -> IdempotencyRecord | None:
    """The key, unless it is in use or used. A commit that holds it is waited for as long as for any lock."""
    try:
        return IdempotencyRecord.objects.hold(asked.caller, asked.key, asked.request_hash, HOLD)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise StillRunning(f"the request with the key {asked.key!r} is being worked on") from error
        raise


def keep(held: IdempotencyRecord, *, status: int, body: dict[str, Any]) -> None:
    """Write the answer down. Raises StillRunning when it took so long that somebody else took the key over: undo it."""
    if not IdempotencyRecord.objects.keep(held, status=status, body=AS_JSON(body)):
        raise StillRunning("the key was taken over meanwhile")


def keep_refusal(asked: Asked, held: IdempotencyRecord | None, *, status: int, body: dict[str, Any]) -> None:
    """Write a refusal down; nothing else happened.

    held  None where the key went with the commit that failed: taken once more, unless a repeat is at it already
    """
    with transaction.atomic():
        again = held or _hold(asked)
        if again is not None:
            keep(again, status=status, body=body)


def answer_of(asked: Asked, *, status: int, body: dict[str, Any]) -> IdempotencyRecord:
    """The answer to a request, to be stored with its effect: for work that is one statement. Not stored."""
    return IdempotencyRecord(
        caller=asked.caller, key=asked.key, request_hash=asked.request_hash, status=status,
        body=AS_JSON(body),
    )  # fmt: skip


def let_go(held: IdempotencyRecord) -> None:
    """Nothing happened that a repeat must not do again."""
    IdempotencyRecord.objects.filter(pk=held.pk, held_until=held.held_until, status=None).delete()
