"""Once a day: remove what would otherwise grow for ever and says nothing about money."""

from datetime import datetime, timedelta

import structlog

from payments.models import IdempotencyRecord, InboundMessage, OutboxMessage, WebhookDelivery, WebhookEvent, WebhookTry
from payments.models.clock import database_now
from payments.services import duties

logger = structlog.get_logger(__name__)
NAME = "keep_house"
ANSWERS_KEPT = timedelta(days=7)
REFUSED_KEPT = timedelta(days=30)
DELIVERED_KEPT = timedelta(days=90)
TOLD_KEPT = timedelta(days=90)


def keep_house() -> bool:
    """Do the day's cleaning unless it is done or somebody is at it. True for the one who did it."""
    now = database_now()
    duty = duties.take(NAME, now=now, lease=timedelta(minutes=10))
    if duty is None:
        return False
    try:
        with duties.finishing(duty, period=f"{now:%Y-%m-%d}", next_due_at=now + timedelta(days=1)):
            removed = _remove(now)
    except duties.Replaced:
        return False
    logger.info("house_kept", removed=removed)
    return True


def _remove(now: datetime) -> int:
    old = [
        IdempotencyRecord.objects.filter(created_at__lt=now - ANSWERS_KEPT),
        InboundMessage.objects.filter(verdict=InboundMessage.Verdict.REFUSED, received_at__lt=now - REFUSED_KEPT),
        OutboxMessage.objects.filter(delivered_at__lt=now - DELIVERED_KEPT),
        WebhookTry.objects.filter(delivery__event__at__lt=now - TOLD_KEPT),
        WebhookDelivery.objects.filter(event__at__lt=now - TOLD_KEPT),
        WebhookEvent.objects.filter(at__lt=now - TOLD_KEPT),
    ]
    return sum(rows._raw_delete(rows.db) for rows in old)
