"""Money beyond the order: late, or a second time. It is booked already; here the robot honours it, or gives it back once.

Late money opens its order again where the shop can take the goods again at the same price. Other money goes back to the
buyer, up to an amount; above that, or where Alipay takes no refund, a person decides.
"""

from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from payments.errors import BooksDisagree, RefundRefused
from payments.models import Account, AuditEvent, Case, Order, OutboxMessage, Refund, Transaction, Transfer
from payments.models.ledger import in_cases_fen
from payments.money import Money
from payments.services.refund import approve_refund, request_refund

logger = structlog.get_logger(__name__)
ROBOT, RULE = "robot:surplus", "rule:automatic"


def handle(message: dict[str, Any]) -> None:
    """For "money.surplus": honour it, else give it back once, else open a case. A repeated message changes nothing.

    Until it has run, the message itself is the written intent: it stands in the commit that booked the money.
    """
    with transaction.atomic():
        order = Order.objects.locked(message["order_id"])
        attempt = Transaction.objects.get(pk=message["transaction_id"])
        if order.paid_by_id == attempt.pk or attempt.refunds.filter(origin=Refund.Origin.ROBOT).exists():
            return
        if order.state == Order.State.CLOSED and may_honour(attempt, order) and _takes_goods_again(order):
            honour(order, attempt, actor=ROBOT)
        elif not _give_back(attempt):
            Case.objects.open_once(
                Case.Kind.SURPLUS, f"transaction:{attempt.pk}", evidence=attempt.evidence, amount_fen=attempt.amount_fen,
                late=attempt.late, out_trade_no=attempt.out_trade_no,
            )  # fmt: skip


def honour_by_hand(attempt: Transaction, *, actor: str) -> bool:
    """A person books late money of a closed order: it pays the order after all, whole. True for the one who did it.

    The goods are taken again where they are to be had; where not, the shop's follow-up to "order.paid" says so in a case.
    """
    assert attempt.order_id is not None, "money of no order has no order to pay"
    with transaction.atomic():
        order = Order.objects.locked(attempt.order_id)
        if order.state != Order.State.CLOSED or not may_honour(attempt, order):
            return False
        _takes_goods_again(order)
        honour(order, attempt, actor=actor)
    return True


def may_honour(attempt: Transaction, order: Order) -> bool:
    """Whether all of it lies in money in cases still, none of it promised back, and it is what the order costs."""
    promised = attempt.refunds.filter(state__in=Refund.RESERVING).exists()
    whole = in_cases_fen(attempt.pk) == attempt.amount_fen == order.total_fen
    return whole and not promised and order.paid_by_id is None


def _takes_goods_again(order: Order) -> bool:
    """The shop's word, from the handler that settings name: whether it holds the same goods at the same price again."""
    take_again = settings.HONOUR_LATE
    return bool(take_again) and bool(import_string(take_again)(order.pk))


def honour(order: Order, attempt: Transaction, *, actor: str) -> None:
    """The only way from closed to paid: through awaiting payment, each step with its own line in the audit trail."""
    if not Order.objects.mark_reopened(order.pk):
        raise BooksDisagree(f"{order.number}: closed under its lock, and not closed")
    AuditEvent.objects.add(order, "reopened", actor=actor, cause=attempt.evidence, state=Order.State.AWAITING_PAYMENT)
    assert attempt.paid_at is not None, "booked money has its time"
    if not Order.objects.mark_paid_late(order.pk, attempt.pk, paid_at=attempt.paid_at):
        raise BooksDisagree(f"{order.number}: awaits payment under its lock, and is paid by something")
    AuditEvent.objects.add(order, "paid_late", actor=actor, cause=attempt.evidence, state=Order.State.PAID)
    Transfer.objects.create(
        transaction=attempt, cause=Transfer.Cause.ASSIGN, debit=Account.MONEY_IN_CASES, credit=Account.SALES,
        fen=attempt.amount_fen, evidence=attempt.evidence,
    )  # fmt: skip
    OutboxMessage.objects.create(
        topic="order.paid", dedupe_key=f"order.paid:late:{attempt.pk}",
        payload={"order_id": order.pk, "transaction_id": attempt.pk},
    )  # fmt: skip
    logger.info("late_money_honoured", order=order.number, number=attempt.out_trade_no)


def _give_back(attempt: Transaction) -> bool:
    """Ask for what is left of it and approve that by rule. False: more than a robot may, or not refundable at Alipay."""
    left = Money(attempt.amount_fen - attempt.refunded_fen - attempt.reserved_fen)
    if not left.fen:
        return True
    if left.fen > settings.PAYMENTS["refund_by_robot_fen"]:
        return False
    try:
        refund = request_refund(
            attempt, left, requester=ROBOT, origin=Refund.Origin.ROBOT, reason="late" if attempt.late else "paid twice"
        )
    except RefundRefused:
        return False
    approve_refund(refund, approver=RULE)
    OutboxMessage.objects.create(
        topic="surplus.refunding", dedupe_key=f"surplus.refunding:{refund.pk}",
        payload={"order_id": attempt.order_id, "refund_id": refund.pk},
    )  # fmt: skip
    return True
