"""Money back, in steps: set aside, approved by another, and settled by Alipay's word about this very number.

Sending stands between the last two. Each step takes the order's row first, then moves transaction and refund by
guarded updates, all in one commit.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Sum

from payments.alipay.clock import BEIJING
from payments.errors import BooksDisagree, RefundRefused
from payments.models import Account, AuditEvent, Order, OutboxMessage, Refund, Transaction, Transfer
from payments.models.clock import database_now
from payments.money import Money

logger = structlog.get_logger(__name__)
State = Refund.State


def request_refund(
    attempt: Transaction,
    amount: Money,
    *,
    requester: str,
    origin: Refund.Origin,
    reason: str = "",
    reason_code: Refund.Reason | None = None,
    lapses_at: datetime | None = None,
    lines: Mapping[str, int] | None = None,
) -> Refund:
    """Set the amount aside and write the refund down under the number it will always have. Nothing leaves yet.

    requester  "buyer", "staff:7", "robot:late"
    lapses_at  when a request that nobody decided ends by itself
    lines      fen by position of the order's line, where the refund is for goods; they sum to the amount

    Raises RefundRefused: more than is left, unpaid, or no longer refundable at Alipay.
    """
    if amount.fen <= 0 or (lines and sum(lines.values()) != amount.fen):
        raise RefundRefused("a refund needs an amount, and its lines must sum to it")
    with transaction.atomic():
        lock(attempt)
        if not Transaction.objects.reserve(attempt.pk, amount.fen):
            raise RefundRefused(f"{amount} can't be refunded: it is more than is left, or no longer refundable")
        refund = Refund.objects.create(
            transaction=attempt, out_request_no=_new_number(), amount_fen=amount.fen, origin=origin, requester=requester,
            reason=reason[:256], reason_code=reason_code or "", lapses_at=lapses_at, lines=dict(lines or {}),
        )  # fmt: skip
        AuditEvent.objects.add(refund, "requested", actor=requester, state=State.REQUESTED)
    return refund


def approve_refund(refund: Refund, *, approver: str) -> None:
    """Let it leave. Raises RefundRefused when the approver asked for it, or it is no longer waiting."""
    with transaction.atomic():
        lock(refund.transaction)
        if not Refund.objects.mark_approved(refund.pk, approver=approver, now=database_now()):
            raise RefundRefused("only another person can approve a refund, and only once")
        AuditEvent.objects.add(refund, "approved", actor=approver, state=State.APPROVED)


def reject_refund(refund: Refund, *, actor: str, why: str) -> bool:
    """Say no to a request, in words for who asked; its amount is free again. True for the one who did it."""
    return _end_without_money(refund, State.REJECTED, actor=actor, evidence=why[:80], answer=why[:200])


def lapse_refund(refund: Refund, *, actor: str, evidence: str = "not decided in time", why: str = "") -> bool:
    """Withdraw a refund that has not left yet; its amount is free again. True for the one who did it.

    why  words for who asked
    """
    return _end_without_money(refund, State.LAPSED, actor=actor, evidence=evidence, answer=why[:200])


def fail_refund(refund: Refund, *, actor: str, evidence: str, version: int | None = None) -> bool:
    """Alipay certainly did not do it and will not: the amount is free again. Never for a time-out.

    version  of the claim, where a worker says so: a late one changes nothing
    """
    return _end_without_money(refund, State.FAILED, actor=actor, evidence=evidence, version=version)


def settle_refund(refund: Refund, *, actor: str, evidence: str) -> bool:
    """Book a refund that Alipay confirmed under its number and amount. True for the one who did it.

    evidence  reference of the call or message that said so
    """
    with transaction.atomic():
        attempt = refund.transaction
        order = lock(attempt)
        if not Refund.objects.mark_succeeded(refund.pk, evidence=evidence, now=database_now()):
            return False
        if not Transaction.objects.take_back(attempt.pk, refund.amount_fen):
            raise BooksDisagree(f"{refund.out_request_no}: its amount is not among what is set aside")
        book(refund, order, actor=actor, evidence=evidence)
    return True


def book(refund: Refund, order: Order | None, *, actor: str, evidence: str) -> None:
    """The books of a refund that just succeeded: transfer, audit, the order's state, follow-up. In the caller's commit."""
    attempt = refund.transaction
    pays = order is not None and order.paid_by_id == attempt.pk
    Transfer.objects.create(
        transaction=attempt, refund=refund, cause=Transfer.Cause.REFUND, credit=Account.ALIPAY_RECEIVABLE,
        debit=Account.REFUNDS if pays else Account.MONEY_IN_CASES, fen=refund.amount_fen, evidence=evidence,
    )  # fmt: skip
    AuditEvent.objects.add(refund, "succeeded", actor=actor, cause=evidence, state=State.SUCCEEDED)
    if order is not None and pays:
        _follow(order, attempt, actor=actor, cause=evidence)
    OutboxMessage.objects.create(
        topic="refund.succeeded", dedupe_key=f"refund.succeeded:{refund.pk}",
        payload={"order_id": attempt.order_id, "refund_id": refund.pk, "transaction_id": attempt.pk},
    )  # fmt: skip
    logger.info("refund_settled", number=refund.out_request_no, fen=refund.amount_fen, evidence=evidence)


def _end_without_money(
    refund: Refund, state: Refund.State, *, actor: str, evidence: str, answer: str = "", version: int | None = None
) -> bool:
    with transaction.atomic():
        lock(refund.transaction)
        now = database_now()
        if not Refund.objects.mark_ended(refund.pk, state, evidence=evidence, answer=answer, now=now, version=version):
            return False
        if not Transaction.objects.release(refund.transaction_id, refund.amount_fen):
            raise BooksDisagree(f"{refund.out_request_no}: its amount is not among what is set aside")
        AuditEvent.objects.add(refund, state, actor=actor, cause=evidence, state=state)
        if state == State.FAILED:
            OutboxMessage.objects.create(
                topic="refund.failed", dedupe_key=f"refund.failed:{refund.pk}",
                payload={"order_id": refund.transaction.order_id, "refund_id": refund.pk},
            )  # fmt: skip
    return True


def _follow(order: Order, attempt: Transaction, *, actor: str, cause: str) -> None:
    """The order's state says how much of its money went back."""
    refunded = attempt.refunds.filter(state=State.SUCCEEDED).aggregate(fen=Sum("amount_fen"))["fen"]
    state = Order.State.REFUNDED if refunded == attempt.amount_fen else Order.State.PARTLY_REFUNDED
    if Order.objects.filter(pk=order.pk, paid_by=attempt).exclude(state=state).update(state=state):
        AuditEvent.objects.add(order, state, actor=actor, cause=cause, state=state)


def lock(attempt: Transaction) -> Order | None:
    """The first lock of every money use-case: the order's row; a stray payment has none, and its own row stands in."""
    if attempt.order_id is not None:
        return Order.objects.locked(attempt.order_id)
    Transaction.objects.select_for_update(no_key=True).get(pk=attempt.pk)
    return None


def _new_number() -> str:
    return f"R{database_now().astimezone(BEIJING):%Y%m%d}{secrets.token_hex(8).upper()}"
