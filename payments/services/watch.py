"""A page is open: read what it shows, and have Alipay asked more often than for a page nobody looks at."""

from datetime import timedelta

from django.conf import settings

from payments.models import Transaction
from payments.queries.paying import Paying, paying

EAGER = timedelta(minutes=3)


def watch(token: str) -> Paying | None:
    """What the page shows now. Brings the next check forward at most once every few seconds, so most looks only read."""
    seen = paying(token)
    if seen is not None and seen.attempt_id is not None and seen.is_live and _is_time(seen):
        Transaction.objects.check_by(seen.attempt_id, when=seen.now)
    return seen


def _is_time(seen: Paying) -> bool:
    """Whether the last question is long enough ago, and the next one still further off."""
    assert seen.attempt_created_at is not None, "a live attempt was created"
    pause = timedelta(seconds=settings.PAYMENTS["watch_s"])
    if seen.now - seen.attempt_created_at > EAGER and seen.scanned_at is None and seen.wanted_at is None:
        pause *= 3
    last = seen.asked_at or seen.attempt_created_at
    return seen.now - last >= pause and seen.next_check_at is not None and seen.next_check_at > seen.now
