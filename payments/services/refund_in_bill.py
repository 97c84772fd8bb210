"""Refunds made in Alipay's console as a bill tells of them: booked once, whatever name they had elsewhere."""

from datetime import timedelta

from django.db import transaction

from payments.alipay.clock import BEIJING
from payments.models import BillDay, BillFile, Refund, StatementLine, Transaction
from payments.money import Money
from payments.services.external_refund import made_elsewhere, name, record
from payments.services.refund import lock

ACTOR = "bill"
NEAR = timedelta(days=14)


def record_from_bill(attempt: Transaction, number: str, amount: Money, *, line: str, file: BillFile) -> bool:
    """Book the refund of a line, once. True for the one who did it.

    One that Alipay's answers told of under another number, and that stands in no bill, is this one: it is not booked again.

    number  the bill's, or the line itself where the bill gives none
    line    "bill-12-345"
    """
    with transaction.atomic():
        order = lock(attempt)
        if attempt.refunds.known_as(number).exists():
            return False
        heard = next((each for each in made_elsewhere(attempt, amount) if _lacks_a_line(each, file.day)), None)
        if heard is not None:
            return name(heard, line, actor=ACTOR, evidence=file.evidence)
        return record(attempt, order, number, amount, actor=ACTOR, evidence=file.evidence)


def _lacks_a_line(refund: Refund, day: BillDay) -> bool:
    """Whether we heard of it about this day, from no bill, and none around the day has its number."""
    if refund.ended_at is None or refund.evidence.startswith("bill:"):
        return False
    lines = StatementLine.objects.filter(
        key=f"{refund.transaction.trade_no}/退款/{refund.out_request_no}", file__kind=BillFile.Kind.TRADE,
        file__state=BillFile.State.IMPORTED, file__day__account=day.account_id,
        file__day__day__range=(day.day - NEAR, day.day + NEAR),
    )  # fmt: skip
    heard_on = refund.ended_at.astimezone(BEIJING).date()
    return day.day - timedelta(days=1) <= heard_on <= day.day + NEAR and not lines.exists()
