"""End attempts and orders: at Alipay first, and here only when Alipay says unpaid and time and grace are over."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from payments import gateway
from payments.alipay import requests
from payments.alipay.answers import read_close
from payments.alipay.facts import TradeStatus
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.models import AuditEvent, Case, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.services import ask, turns
from payments.services.cancel_charge import cancel_charge
from payments.services.doubt import note_doubt
from payments.services.settle import SAYS

logger = structlog.get_logger(__name__)
Result = Done[str] | CertainlyNot | Unknown


def close_due(*, limit: int) -> int:
    """Claim attempts whose time and grace are over, ask Alipay, and close those that it calls unpaid; then their orders.

    Safe to run twice or never. Returns how many attempts were looked at.
    """
    claimed = Transaction.objects.claim_due("close_due_at", now=database_now(), lease=ask.lease(limit), limit=limit)
    asked_at = database_now()
    outcomes = ask.ask_about(claimed, actor="closer")
    turns.take_turns(
        claimed,
        lambda attempt: _look_at(attempt, asked_at, is_answered=outcomes[attempt.pk] is not None),
        what="close",
    )
    turns.take_turns(_orders_over(database_now(), limit), close_order, what="close order")
    return len(claimed)


def retire(attempt: Transaction, *, actor: str) -> bool:
    """Take an attempt out of use before another one starts. False while Alipay gives no certain answer, or says paid.

    A trade that exists is closed at Alipay. Where none exists yet, none can be closed: its code leaves the page and it
    stays watched, for the code may still be paid from somewhere else. A code that nobody has been shown can be left
    without asking: so another way stays open while Alipay can't be reached.
    """
    if _was_never_shown(attempt) and set_aside(attempt, actor=actor, unless_shown=True):
        return True
    match _close_at_alipay(attempt, actor=actor, deadline_s=settings.PAYMENTS["page_deadline_s"]):
        case Done():
            return True
        case CertainlyNot(next=Next.WAIT):
            set_aside(attempt, actor=actor)
            return True
        case Unknown():
            Transaction.objects.mark_in_doubt(attempt.pk, next_check_at=database_now())
            note_doubt(attempt)
    ask.ask_about([attempt], actor=actor, deadline_s=settings.PAYMENTS["page_deadline_s"])
    return Transaction.objects.filter(pk=attempt.pk, state=Transaction.State.CLOSED).exists()


def _was_never_shown(attempt: Transaction) -> bool:
    """Its code or trade has not come from Alipay, and no call about it has an uncertain end."""
    made = (Transaction.Scene.QR, Transaction.Scene.JSAPI)
    return attempt.scene in made and attempt.state == Transaction.State.CREATED and not attempt.in_doubt


def set_aside(attempt: Transaction, *, actor: str, unless_shown: bool = False) -> bool:
    """Take it off its page; it stays watched to its end, and what it brings is booked. True for the one who did it.

    unless_shown  only while nobody can have been shown a code of it
    """
    with transaction.atomic(durable=True):
        Order.objects.locked(attempt.order_id)
        moved = Transaction.objects.mark_superseded(attempt.pk, unless_shown=unless_shown)
        if moved:
            AuditEvent.objects.add(attempt, "superseded", actor=actor)
    return moved


def close_order(order_id: int) -> bool:
    """Close an unpaid order whose time and grace are over and whose attempts are all ended. True for the one who did."""
    now = database_now()
    with transaction.atomic(durable=True):
        order = Order.objects.locked(order_id)
        if Transaction.objects.unsettled().filter(order=order).exists():
            return False
        if not Order.objects.mark_closed(order_id, expired_before=now - _grace(), now=now):
            return False
        AuditEvent.objects.add(order, "closed", actor="closer", state=Order.State.CLOSED)
        OutboxMessage.objects.create(
            topic="order.closed", dedupe_key=f"order.closed:{order_id}", payload={"order_id": order_id}
        )
    logger.info("order_closed", order=order.number)
    return True


def _orders_over(now: datetime, limit: int) -> list[int]:
    """Orders awaiting payment past their time and grace, with no attempt that could still be paid."""
    over = Order.objects.filter(state=Order.State.AWAITING_PAYMENT, expires_at__lte=now - _grace())
    live = Transaction.objects.unsettled().filter(order=OuterRef("pk"))
    return list(over.filter(~Exists(live)).order_by("expires_at").values_list("pk", flat=True)[:limit])


def _look_at(attempt: Transaction, asked_at: datetime, *, is_answered: bool) -> None:
    """A charge at the counter is cancelled when patience is over, whatever is known, and again while nothing is certain.

    Once its time and grace are over, a certain answer ends it as any other attempt.
    """
    at_counter = attempt.scene == Transaction.Scene.COUNTER
    cancels = at_counter and (not is_answered or asked_at < attempt.time_expire + _grace())
    if cancels and cancel_charge(attempt, actor="closer"):
        return
    if not is_answered:
        _still_unknown(attempt, asked_at)
    elif not cancels:
        _close_if_unpaid(attempt)


def _close_if_unpaid(attempt: Transaction) -> None:
    attempt.refresh_from_db()
    if attempt.state not in Transaction.UNSETTLED:
        return
    if attempt.heard_status == SAYS[TradeStatus.ABSENT]:
        with transaction.atomic(durable=True):
            _mark_closed(attempt, actor="closer", action="closed_unused", looks_back=True)
    else:  # anything but a certain answer leaves the attempt to the next round: its lease brings it back
        _close_at_alipay(attempt, actor="closer", deadline_s=settings.PAYMENTS["call_deadline_s"])


def _close_at_alipay(attempt: Transaction, *, actor: str, deadline_s: float) -> Result:
    """One close call. Where Alipay closed the trade, the attempt is closed here in the same commit."""

    def finish(result: Result) -> Result:
        if isinstance(result, Done):
            _mark_closed(attempt, actor=actor, action="closed")
        return result

    return gateway.call(
        attempt,
        requests.close(attempt.out_trade_no),
        purpose="close",
        read=lambda body, who: read_close(body, who=who, out_trade_no=attempt.out_trade_no),
        finish=finish,
        deadline_s=deadline_s,
    )


def _mark_closed(attempt: Transaction, *, actor: str, action: str, looks_back: bool = False) -> None:
    Order.objects.locked(attempt.order_id)
    now = database_now()
    look_back_at = ask.look_back_at(now, after=now) if looks_back else None
    if Transaction.objects.mark_closed(attempt.pk, now=now, look_back_at=look_back_at):
        AuditEvent.objects.add(attempt, action, actor=actor, state=Transaction.State.CLOSED)


def _still_unknown(attempt: Transaction, asked_at: datetime) -> None:
    """No certain answer after the end: the buyer is told, long after it a person looks, and we go on asking."""
    note_doubt(attempt)
    at_counter = attempt.scene == Transaction.Scene.COUNTER  # a buyer stands there: a person looks at once
    doubt = timedelta(0) if at_counter else timedelta(seconds=settings.PAYMENTS["doubt_s"])
    if attempt.time_expire + _grace() + doubt < asked_at:
        Case.objects.open_once(
            Case.Kind.STUCK, f"transaction:{attempt.pk}", evidence=f"transaction:{attempt.pk}",
            amount_fen=attempt.amount_fen, out_trade_no=attempt.out_trade_no,
        )  # fmt: skip


def _grace() -> timedelta:
    return timedelta(seconds=settings.PAYMENTS["grace_s"])
