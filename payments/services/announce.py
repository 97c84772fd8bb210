"""Tell the shop's own systems what happened: one event, and one delivery of it to each webhook that listens."""

from typing import Any

from django.db import transaction
from django.db.models import F

from payments.models import (
    BillDay,
    Case,
    Order,
    Refund,
    Transaction,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKind,
)
from payments.models.clock import database_now

# Follow-ups that are told under another name.
NAMES = {"money.surplus": WebhookKind.PAYMENT_SURPLUS, "attempt.in_doubt": WebhookKind.PAYMENT_IN_DOUBT}


def hear(message: dict[str, Any]) -> None:
    """A follow-up of the outbox. The event's data are the records as they stand now; a second hearing changes nothing."""
    kind = WebhookKind(NAMES.get(message["topic"], message["topic"]))
    if not WebhookEndpoint.objects.filter(active=True).exists():
        return
    data: dict[str, Any] = {}
    client_id = None
    if message.get("order_id"):
        order = Order.objects.select_related("paid_by").get(pk=message["order_id"])
        data["order"], client_id = order_data(order), order.client_id
    if message.get("transaction_id"):
        data["payment"] = payment_data(Transaction.objects.get(pk=message["transaction_id"]))
    if message.get("refund_id"):
        data["refund"] = refund_data(Refund.objects.select_related("transaction").get(pk=message["refund_id"]))
    announce(kind, message["dedupe_key"], data, client_id=client_id)


def announce(
    kind: WebhookKind,
    once_per: str,
    data: dict[str, Any],
    *,
    only: WebhookEndpoint | None = None,
    client_id: int | None = None,
) -> None:
    """Make the event and its deliveries in one commit, unless there is an event under this key already.

    only       for one endpoint alone, whatever it listens to
    client_id  the program whose order it is about: its endpoints hear of it too. Without listeners there is no event
    """
    wanted = WebhookEndpoint.objects
    listeners = wanted.filter(pk=only.pk) if only else wanted.that_hear(kind, client_id=client_id)
    if not listeners.exists():
        return
    with transaction.atomic():
        event = WebhookEvent(kind=kind, dedupe_key=f"{kind}:{once_per}", data=data)
        WebhookEvent.objects.bulk_create([event], ignore_conflicts=True)
        if not WebhookEvent.objects.filter(pk=event.pk).exists():
            return  # made before
        # in order of their keys, so that two events never wait for each other
        for endpoint in listeners.order_by("pk").select_for_update(no_key=True, of=("self",)):
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(last_sequence=F("last_sequence") + 1)
            WebhookDelivery.objects.create(endpoint=endpoint, event=event, sequence=endpoint.last_sequence + 1)


def announce_cases(*, limit: int) -> int:
    """Tell about cases that nobody was told about yet, however they were opened. Returns how many."""
    with transaction.atomic(durable=True):
        fresh = Case.objects.filter(announced_at=None).order_by("pk").select_for_update(skip_locked=True, no_key=True)
        cases = list(fresh[:limit])
        for case in cases:
            announce(WebhookKind.CASE_OPENED, str(case.pk), {"case": case_data(case)})
        Case.objects.filter(pk__in=[case.pk for case in cases]).update(announced_at=database_now())
    return len(cases)


def announce_bill_days(*, limit: int) -> int:
    """Tell about days that were compared or closed, by whomever, since they were told about. Returns how many."""
    with transaction.atomic(durable=True):
        fresh = BillDay.objects.untold().order_by("pk").select_for_update(skip_locked=True, no_key=True)
        days = list(fresh[:limit])
        for day in days:
            _announce_bill_day(day)
            BillDay.objects.filter(pk=day.pk).update(told=f"{day.state}:{day.result_hash}")
    return len(days)


def _announce_bill_day(day: BillDay) -> None:
    """Each result of its comparison once, and its end."""
    kinds = {WebhookKind.BILL_DAY_MATCHED: f"{day.pk}:{day.result_hash}"}
    if day.state == BillDay.State.CLOSED:
        kinds[WebhookKind.BILL_DAY_CLOSED] = f"{day.pk}"
    for kind, once_per in kinds.items():
        announce(kind, once_per, {"bill_day": bill_day_data(day)})


def order_data(order: Order) -> dict[str, Any]:
    paid_by = order.paid_by
    return {
        "number": order.number, "state": order.state, "currency": "CNY", "total_fen": order.total_fen,
        "paid_fen": paid_by.amount_fen if paid_by else 0, "refunded_fen": paid_by.refunded_fen if paid_by else 0,
    }  # fmt: skip


def payment_data(attempt: Transaction) -> dict[str, Any]:
    return {
        "out_trade_no": attempt.out_trade_no, "trade_no": attempt.trade_no, "scene": attempt.scene, "state": attempt.state,
        "currency": "CNY", "amount_fen": attempt.amount_fen, "late": attempt.late,
    }  # fmt: skip


def refund_data(refund: Refund) -> dict[str, Any]:
    return {
        "out_request_no": refund.out_request_no, "out_trade_no": refund.transaction.out_trade_no, "state": refund.state,
        "origin": refund.origin, "currency": "CNY", "amount_fen": refund.amount_fen, "reason_code": refund.reason_code,
    }  # fmt: skip


def case_data(case: Case) -> dict[str, Any]:
    return {
        "id": case.pk, "kind": case.kind, "subject": case.subject, "severity": case.severity, "state": case.state,
        "currency": "CNY", "amount_fen": case.amount_fen, "due_at": case.due_at.isoformat(),
    }  # fmt: skip


def bill_day_data(day: BillDay) -> dict[str, Any]:
    return {
        "id": day.pk, "day": f"{day.day:%Y-%m-%d}", "seller_id": day.account.seller_id, "state": day.state,
        "content": day.content, "currency": "CNY", "ours_fen": day.ours_fen, "theirs_fen": day.theirs_fen,
        "difference_fen": day.difference_fen, "differences": day.differences.count(),
    }  # fmt: skip
