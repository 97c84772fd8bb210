"""Every minute: seal the audit events that nothing can slip between any more."""

from datetime import timedelta

import structlog

from payments.models import AuditSeal
from payments.models.clock import database_now
from payments.models.sealing import Bound, bound_now, seal_events
from payments.services import duties

logger = structlog.get_logger(__name__)
NAME = "seal_audit"
EVERY = timedelta(minutes=1)
MOST = 200_000  # in one round; about a second per 50,000


def seal_audit() -> int | None:
    """Seal what one round may. Returns how many events were sealed; None when it is not due, or somebody is at it.

    The first round only notes how far the second may go.
    """
    now = database_now()
    duty = duties.take(NAME, now=now, lease=timedelta(minutes=5))
    if duty is None:
        return None
    noted = Bound.from_note(duty.note)
    safe = noted is not None and noted.is_safe(now)
    bound = bound_now(now) if safe or noted is None else noted
    try:
        with duties.finishing(duty, period=f"{now:%Y-%m-%d %H:%M}", next_due_at=now + EVERY, note=bound.note()):
            sealed = seal_events(until_id=noted.until_id, most=MOST, now=now) if safe and noted else 0
    except duties.Replaced:
        return None
    if sealed:
        # the head in the log is an anchor outside the database: who cuts the chain's end off can't cut it here
        logger.info("audit_sealed", events=sealed, head=str(AuditSeal.objects.order_by("-number").first()))
    return sealed
