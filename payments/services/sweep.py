"""What a dead process left: calls that were intended and never ended. Whether they reached Alipay, only a query can say."""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction

from payments.models import GatewayCall, Refund, Transaction
from payments.models.clock import database_now
from payments.services.cancel_charge import want_certainty

logger = structlog.get_logger(__name__)
SPARE = timedelta(seconds=15)  # beyond a call's total deadline: for the commits around it


def end_dead_calls(*, limit: int) -> int:
    """End calls that no living process can still be making, as unknown, and have what they were about asked now.

    Nothing is decided here: the numbers stay, and the poller or the refund ladder asks about them. A process that only
    slept writes its answer over ours. Safe to run twice or never. Returns how many were ended.
    """
    before = database_now() - timedelta(seconds=settings.PAYMENTS["call_deadline_s"]) - SPARE
    ended, held = 0, list[UUID]()
    while ended + len(held) < limit:
        call = None
        try:
            with transaction.atomic(durable=True):
                call = GatewayCall.objects.give_up_one(before=before, besides=held)
                if call is None:
                    break
                _have_asked(call)
        except DatabaseError:  # what it was about is held by somebody: the next round takes it, the others go on
            if call is None:
                raise
            logger.exception("dead_call_held_up", number=call.number)
            held.append(call.pk)
        else:
            ended += 1
            logger.warning(
                "dead_call_ended", purpose=call.purpose, number=call.number, started_at=call.started_at.isoformat()
            )
    return ended


def _have_asked(call: GatewayCall) -> None:
    """Rows further down under the lock of the journal's: refunds by their own ladder, attempts by the poller."""
    if call.purpose in ("refund", "refund_query"):
        Refund.objects.filter(transaction=call.transaction_id, out_request_no=call.number).bring_forward(
            now=database_now(), longest_call=timedelta(0)
        )
    elif call.transaction_id is not None:
        Transaction.objects.mark_in_doubt(call.transaction_id, next_check_at=database_now())
        if call.purpose == "cancel":
            want_certainty(call.transaction_id)
