"""One request, one effect: who repeats a request under its key gets the answer it got, however often and at once.

A key is held while its request is worked on. A process that dies leaves it held for HOLD; then the next repeat takes it
over and goes on, which is safe where effect and answer are one commit, or the effect is one that happens once by itself.
"""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from payments.errors import KeyReused, StillRunning
from payments.models import IdempotencyRecord

HOLD = timedelta(seconds=30)  # longer than any request may take: three calls to Alipay while somebody waits
PATIENCE_S, LOOK_EVERY_S = 5.0, 0.1


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given before."""

    status: int
    body: dict[str, Any]


def begin(caller: str, key: str, request_hash: str) -> IdempotencyRecord | Kept:
    """Hold the key to do the work, or get what it brought before.

    While somebody else is at it this waits some seconds.
    Raises KeyReused (the key was used for another request), StillRunning.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        held = IdempotencyRecord.objects.hold(caller, key, request_hash, HOLD)
        if held is not None:
            return held
        found = IdempotencyRecord.objects.filter(caller=caller, key=key).first()
        if found is not None and found.request_hash != request_hash:
            raise KeyReused(f"the key {key!r} was used for another request")
        if found is not None and found.status is not None:
            return Kept(found.status, json.loads(found.body or "{}"))
        if time.monotonic() > until:
            raise StillRunning(f"the request with the key {key!r} is being worked on")
        time.sleep(LOOK_EVERY_S)


def keep(held: IdempotencyRecord, *, status: int, body: dict[str, Any]) -> None:
    """Write the answer down. Raises StillRunning when it took so long that somebody else took the key over: undo it."""
    if not IdempotencyRecord.objects.keep(held, status=status, body=json.dumps(body, ensure_ascii=False)):
        raise StillRunning("the key was taken over meanwhile")


def let_go(held: IdempotencyRecord) -> None:
    """Nothing happened that a repeat must not do again."""
    IdempotencyRecord.objects.filter(pk=held.pk, held_until=held.held_until, status=None).delete()
