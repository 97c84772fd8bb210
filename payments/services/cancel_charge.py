"""End a charge at the counter whose outcome is open: Alipay closes what is unpaid and gives back what was paid.

Cancelling may be repeated without harm. Its own uncertain end is a follow-up in the outbox, which repeats it until Alipay
says what it did; meanwhile nothing here says "not paid".
"""

import uuid
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from payments import gateway
from payments.alipay import requests
from payments.alipay.answers import read_cancel
from payments.alipay.facts import Cancelled, TradeFacts, TradeStatus
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.errors import NoAnswer
from payments.models import AuditEvent, Case, GatewayCall, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.models.settling import MadeCall
from payments.services import ask
from payments.services.external_refund import record_external_refund
from payments.services.settle import Settled, settle

logger = structlog.get_logger(__name__)
ACTOR = "cancel"
AGAIN = timedelta(seconds=15)  # until an uncertain cancel is repeated for the first time
Result = Done[Cancelled] | CertainlyNot | Unknown


def cancel_charge(attempt: Transaction, *, actor: str) -> bool:
    """Have Alipay end it, unless it is settled. True when that is certain: settled before, closed, or paid and sent back."""
    attempt.refresh_from_db()
    return attempt.state not in Transaction.UNSETTLED or _cancel(attempt, actor)


def make_certain(message: dict[str, Any]) -> None:
    """For "cancel.unclear": ask, and cancel again, until it is known what the cancel did. Nothing to do where it is.

    Raises NoAnswer while it is not: the follow-up comes again.
    """
    attempt = Transaction.objects.select_related("account", "order").get(pk=message["transaction_id"])
    if attempt.calls.filter(purpose="cancel", outcome=GatewayCall.Outcome.DONE).exists():
        return
    heard = ask.ask_about([attempt], actor=ACTOR, deadline_s=settings.PAYMENTS["page_deadline_s"])[attempt.pk]
    attempt.refresh_from_db()
    if heard is not None and attempt.state == Transaction.State.PAID:
        return  # the cancel did not reach it; where it did, the question has found the money that went back
    if heard is Settled.NOTHING and attempt.state == Transaction.State.CLOSED:
        return  # no trade ever came of this number
    if heard is None or not _cancel(attempt, ACTOR):
        raise NoAnswer("Alipay has not said yet what became of a cancelled charge")


def want_certainty(transaction_id: int) -> None:
    """A cancel had no certain answer: write down that it must get one."""
    message = OutboxMessage(
        topic="cancel.unclear", dedupe_key=f"cancel:{transaction_id}", payload={"transaction_id": transaction_id},
        due_at=database_now() + AGAIN,
    )  # fmt: skip
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)


def _cancel(attempt: Transaction, actor: str) -> bool:
    call_id = uuid.uuid4()
    result = gateway.call(
        attempt,
        requests.cancel(attempt.out_trade_no),
        purpose="cancel",
        call_id=call_id,
        read=lambda body, who: read_cancel(body, who=who, out_trade_no=attempt.out_trade_no),
        finish=lambda result: _after(attempt, result, call_id, actor),
        deadline_s=settings.PAYMENTS["call_deadline_s"],
    )
    if isinstance(result, CertainlyNot):  # it has moved on, or was sent back before: the question says which
        ask.ask_about([attempt], actor=ACTOR)
    return not isinstance(result, Unknown)


def _after(attempt: Transaction, result: Result, call_id: uuid.UUID, actor: str) -> Result:
    match result:
        case Done(Cancelled(was_paid=True) as answer):
            _came_and_went(attempt, answer.trade_no, call_id)
        case Done():
            _closed(attempt, call_id, actor)
        case CertainlyNot(code, sub_code, Next.ALERT):
            Case.objects.open_once(
                Case.Kind.REFUSED_CALL, f"cancel:{code} {sub_code}".strip(), evidence=f"call:{call_id}",
                amount_fen=attempt.amount_fen, number=attempt.out_trade_no,
            )  # fmt: skip
        case Unknown():
            Transaction.objects.mark_in_doubt(
                attempt.pk, next_check_at=database_now() + timedelta(seconds=settings.PAYMENTS["ask_again_s"])
            )
            want_certainty(attempt.pk)
    return result


def _closed(attempt: Transaction, call_id: uuid.UUID, actor: str) -> None:
    Order.objects.locked(attempt.order_id)
    if Transaction.objects.mark_closed(attempt.pk, now=database_now()):
        AuditEvent.objects.add(
            attempt, "cancelled", actor=actor, cause=f"call:{call_id}", state=Transaction.State.CLOSED
        )  # fmt: skip


def _came_and_went(attempt: Transaction, trade_no: str, call_id: uuid.UUID) -> None:
    """It had been paid, and Alipay has given all of it back: both are facts, booked together."""
    source = MadeCall(call_id)
    paid = TradeFacts(
        app_id=attempt.app_id, seller_id=attempt.seller_id, out_trade_no=attempt.out_trade_no, status=TradeStatus.PAID,
        trade_no=trade_no, total=attempt.amount, receipt=attempt.amount, total_text=attempt.amount.to_yuan(),
    )  # fmt: skip
    with transaction.atomic():
        if settle([paid], source=source, actor=ACTOR)[0] is not Settled.CASE:
            record_external_refund(
                attempt, attempt.out_trade_no, attempt.amount, actor=ACTOR, evidence=source.evidence
            )  # fmt: skip
    logger.info("charge_came_and_went", number=attempt.out_trade_no, evidence=source.evidence)
