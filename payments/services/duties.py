"""Once a period, whoever rings and however often: take the duty, do the work, and let it count in one commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from payments.models import Duty


class Replaced(Exception):
    """Another holder took over meanwhile; what this one wrote was undone."""


def take(name: str, *, now: datetime, lease: timedelta) -> Duty | None:
    """The duty, when it is due and nobody holds it, held for `lease` from now on. A new duty is due at once."""
    Duty.objects.get_or_create(name=name, defaults={"due_at": now})
    version = Duty.objects.take(name, now=now, lease=lease)
    return None if version is None else Duty.objects.get(name=name, version=version)


@contextmanager
def finishing(duty: Duty, *, period: str, next_due_at: datetime, note: dict[str, Any] | None = None) -> Iterator[None]:
    """One transaction: what the block writes, and the duty moved on.

    Raises Replaced, and nothing is written, when its holder was too slow.
    """
    with transaction.atomic():
        yield
        moved = Duty.objects.finish(duty.name, version=duty.version, period=period, next_due_at=next_due_at, note=note)
        if not moved:
            raise Replaced(duty.name)
