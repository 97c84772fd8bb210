"""Once a day: remove what would otherwise grow for ever and says nothing about money."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from payments.models import Duty, IdempotencyRecord, InboundMessage, OutboxMessage
from payments.models.clock import database_now

logger = structlog.get_logger(__name__)
NAME = "keep_house"
ANSWERS_KEPT = timedelta(days=7)
REFUSED_KEPT = timedelta(days=30)
DELIVERED_KEPT = timedelta(days=90)


def keep_house() -> bool:
    """Do the day's cleaning unless it is done or somebody is at it. True for the one who did it."""
    now = database_now()
    Duty.objects.get_or_create(name=NAME, defaults={"due_at": now})
    version = Duty.objects.take(NAME, now=now, lease=timedelta(minutes=10))
    if version is None:
        return False
    with transaction.atomic():
        removed = _remove(now)
        if not Duty.objects.finish(
            NAME, version=version, period=f"{now:%Y-%m-%d}", next_due_at=now + timedelta(days=1)
        ):
            transaction.set_rollback(True)
            return False
    logger.info("house_kept", removed=removed)
    return True


def _remove(now: datetime) -> int:
    old = [
        IdempotencyRecord.objects.filter(created_at__lt=now - ANSWERS_KEPT),
        InboundMessage.objects.filter(verdict=InboundMessage.Verdict.REFUSED, received_at__lt=now - REFUSED_KEPT),
        OutboxMessage.objects.filter(delivered_at__lt=now - DELIVERED_KEPT),
    ]
    return sum(rows._raw_delete(rows.db) for rows in old)
