"""The buyer says "I have paid": ask Alipay once, now."""

from datetime import timedelta

from django.conf import settings

from payments.models import Transaction
from payments.models.clock import database_now
from payments.queries.paying import Paying, paying
from payments.services import ask
from payments.services.doubt import note_doubt


def check_payment(token: str) -> Paying | None:
    """Ask about every attempt of the order that could have been paid; what the page shows then. None if unknown.

    Alipay is asked at most once in a few seconds, however often the button is pressed: an answer as fresh as that is
    shown again.
    """
    seen = paying(token)
    if seen is None:
        return None
    now = database_now()
    lately = now - timedelta(seconds=settings.PAYMENTS["ask_again_s"])
    for attempt in Transaction.objects.unsettled().filter(order_id=seen.order_id).select_related("account"):
        if attempt.heard_at is not None and attempt.heard_at > lately:
            Transaction.objects.want_check(attempt.pk, since=attempt.heard_at, ask_at=attempt.next_check_at or now)
            continue
        Transaction.objects.want_check(attempt.pk, since=now, ask_at=now)
        ask.ask_now(attempt, actor="buyer")
        attempt.refresh_from_db(fields=["heard_at", "state"])
        if attempt.state == Transaction.State.PRESENTED and (attempt.heard_at or lately) < now:
            note_doubt(attempt)
    return paying(token)
