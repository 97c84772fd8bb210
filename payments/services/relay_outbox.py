"""Deliver follow-ups: each message to the functions its topic names in settings, again until they succeed."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from payments.models import Case, OutboxMessage
from payments.models.clock import database_now

logger = structlog.get_logger(__name__)
LEASE = timedelta(seconds=30)
TRIES = 8  # after about an hour of them
Handler = Callable[[dict[str, Any]], None]


def relay_outbox(*, limit: int) -> int:
    """Deliver what is due. A handler may see a message twice, after a crash between its work and our note of it.

    A handler that raises keeps its message due, later each time; the others go on. After several tries a person is told.
    What the lease leaves no time for is left to the next round. Returns how many were delivered.
    """
    delivered, until = 0, time.monotonic() + LEASE.total_seconds() / 2
    for message in OutboxMessage.objects.claim_due(now=database_now(), lease=LEASE, limit=limit):
        if time.monotonic() > until:
            break
        try:
            for handler in _handlers(message.topic):
                handler({**message.payload, "topic": message.topic, "dedupe_key": message.dedupe_key})
        except Exception as error:  # the worker's outermost door: one bad message must not stop the others
            logger.exception("outbox_failed", topic=message.topic, message=message.pk, attempts=message.attempts)
            OutboxMessage.objects.note_failure(message, f"{type(error).__name__}: {error}")
            if message.attempts >= TRIES:
                Case.objects.open_once(
                    Case.Kind.STUCK, f"follow_up:{message.pk}", evidence=f"follow_up:{message.pk}", topic=message.topic
                )
        else:
            delivered += OutboxMessage.objects.mark_delivered(message)
            if message.attempts >= TRIES:
                Case.objects.resolve(Case.Kind.STUCK, f"follow_up:{message.pk}", actor="outbox", note="delivered")
    return delivered


def _handlers(topic: str) -> list[Handler]:
    return [import_string(name) for name in settings.OUTBOX_HANDLERS.get(topic, [])]
