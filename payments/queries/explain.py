"""Why an order, or a payment of no order, is in its state: attempts, transfers, messages and cases, as plain values."""

from typing import Any

from django.db.models import Count, Q

from payments.models import AuditEvent, Case, InboundMessage, Order, Refund, Transaction, Transfer
from payments.models.ledger import Account

SETTLED = ("paid", "paid_late")


def explain(number: str) -> dict[str, Any] | None:
    """All that is known about the order with this number, out_trade_no or trade_no. Amounts in fen, times ISO 8601, UTC.

    Genuine money under a number that no order has is found by its out_trade_no or trade_no; "order" is None then.
    None when nothing has it.
    """
    by_number = Q(number=number) | Q(transactions__out_trade_no=number) | Q(transactions__trade_no=number)
    order = Order.objects.filter(by_number).distinct().first()
    strays = Q(out_trade_no=number) | Q(trade_no=number)
    of_order = Q(order=order) if order else Q(order=None) & strays
    attempts = list(Transaction.objects.filter(of_order).order_by("pk"))
    return _told(order, attempts) if attempts or order else None


def _told(order: Order | None, attempts: list[Transaction]) -> dict[str, Any]:
    transfers = list(Transfer.objects.filter(transaction__in=attempts).order_by("pk"))
    refunds = list(Refund.objects.filter(transaction__in=attempts).order_by("pk"))
    about_refunds = Q(subject_kind="refund", subject_id__in=[refund.pk for refund in refunds])
    about_attempts = Q(subject_kind="transaction", subject_id__in=[attempt.pk for attempt in attempts])
    about_order = Q(subject_kind="order", subject_id=order.pk if order else None)
    story = list(AuditEvent.objects.filter(about_attempts | about_refunds | about_order).order_by("pk"))
    return {
        "order": _order(order, transfers) if order else None,
        "transactions": [_attempt(attempt) for attempt in attempts],
        "refunds": [_refund(refund) for refund in refunds],
        "settled_count": sum(event.subject_kind == "transaction" and event.action in SETTLED for event in story),
        "ledger": [_transfer(transfer) for transfer in transfers],
        "inbound": _inbound(attempts),
        "open_cases": [_case(case) for case in _open_cases(order, attempts)],
        "story": [_step(event) for event in story],
    }


def _order(order: Order, transfers: list[Transfer]) -> dict[str, Any]:
    return {
        "number": order.number,
        "state": order.state,
        "total_fen": order.total_fen,
        "paid_fen": sum(each.fen for each in transfers if each.credit == Account.SALES),
        "refunded_fen": sum(each.fen for each in transfers if each.debit == Account.REFUNDS),
    }


def _inbound(attempts: list[Transaction]) -> dict[str, int]:
    numbers = [attempt.out_trade_no for attempt in attempts]
    messages = InboundMessage.objects.filter(out_trade_no__in=numbers, kind=InboundMessage.Kind.NOTICE)
    return {row["verdict"]: row["count"] for row in messages.values("verdict").annotate(count=Count("pk"))}


def _open_cases(order: Order | None, attempts: list[Transaction]) -> list[Case]:
    about = Q(subject=f"order:{order.pk}") if order else Q()
    for attempt in attempts:
        about |= Q(subject=f"transaction:{attempt.pk}") | Q(subject__startswith=f"number:{attempt.out_trade_no}")
    return list(Case.objects.open().filter(about).order_by("pk"))


def _attempt(attempt: Transaction) -> dict[str, Any]:
    names = ("out_trade_no", "trade_no", "state", "late", "in_doubt", "superseded", "scene", "amount_fen", "evidence")
    return {name: getattr(attempt, name) for name in names}


def _refund(refund: Refund) -> dict[str, Any]:
    names = ("out_request_no", "state", "origin", "in_doubt", "amount_fen", "requester", "approver", "evidence")
    return {name: getattr(refund, name) for name in names}


def _transfer(transfer: Transfer) -> dict[str, Any]:
    names = ("debit", "credit", "fen", "cause")
    return {name: getattr(transfer, name) for name in names} | {"posted_at": transfer.posted_at.isoformat()}


def _case(case: Case) -> dict[str, Any]:
    return {"kind": case.kind, "subject": case.subject, "due_at": case.due_at.isoformat()}


def _step(event: AuditEvent) -> dict[str, Any]:
    return {
        "at": event.at.isoformat(), "about": event.subject_kind, "action": event.action, "who": event.actor,
        "cause": event.cause,
    }  # fmt: skip
