"""Refunds made in Alipay's console: heard of, asked about, and recorded as facts beside our own."""

import uuid
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from payments import gateway
from payments.alipay import requests
from payments.alipay.answers import read_refund_query
from payments.alipay.facts import Refunded
from payments.alipay.outcomes import CertainlyNot, Done, Unknown
from payments.errors import NoAnswer
from payments.models import AuditEvent, Case, Order, Refund, Transaction
from payments.models.clock import database_now
from payments.models.refund import RefundQuerySet
from payments.money import Money
from payments.services import ask
from payments.services.refund import book, lapse_refund, lock

logger = structlog.get_logger(__name__)
ACTOR = "refunds"
State = Refund.State
Result = Done[Refunded | None] | CertainlyNot | Unknown


def discover(message: dict[str, Any]) -> None:
    """For "refund.heard": ask Alipay about that number and record what it says.

    Raises NoAnswer while Alipay gives no certain one, or has not told of the payment itself: the follow-up comes again.
    """
    attempt = Transaction.objects.select_related("account", "order").get(pk=message["transaction_id"])
    number = message["out_request_no"]
    if attempt.state != Transaction.State.PAID:  # what is closed here on an old answer was paid all the same
        heard = ask.ask_about([attempt], actor=ACTOR, deadline_s=settings.PAYMENTS["page_deadline_s"])
        attempt.refresh_from_db()
        if heard[attempt.pk] is None or attempt.state in Transaction.UNSETTLED:
            raise NoAnswer("a refund of a payment that Alipay has not told of")
    if attempt.state == Transaction.State.PAID and not attempt.refunds.known_as(number).exists():
        result = ask_about_refund(attempt, number, total_fen=message["total_fen"])
        if isinstance(result, Unknown):
            raise NoAnswer(result.why)
    if message["total_fen"] is not None:
        compare_total(attempt, message["total_fen"], evidence=message["evidence"])
    elif not attempt.refunds.known_as(number).exists():
        _open_case(attempt, None, message["evidence"], out_request_no=number)


def record_external_refund(
    attempt: Transaction, number: str, amount: Money, *, actor: str, evidence: str, total_fen: int | None = None
) -> bool:
    """Book a refund that was made elsewhere, once per number. True for the one who did it.

    One that a bill told of first, without a number, gets its number now and is not booked again. Nor is one that the bill
    calls otherwise, when all that went back by Alipay's word is booked already.

    total_fen  all that went back on the trade so far, where the message that spoke of it says so
    Reservations that no longer fit beside it are withdrawn, newest first, where they have not left yet; what still does
    not fit is a case.
    """
    with transaction.atomic():
        order = lock(attempt)
        if attempt.refunds.known_as(number).exists():
            return False
        told = _told_by_bill(attempt, amount, total_fen)
        if told is not None:
            return name(told, number, actor=actor, evidence=evidence)
        return record(attempt, order, number, amount, actor=actor, evidence=evidence)


def compare_total(attempt: Transaction, total_fen: int, *, evidence: str) -> None:
    """Look for money that went back without our knowledge.

    total_fen  refund_fee: all that went back on the trade so far, never this refund alone
    """
    attempt.refresh_from_db()
    under_way = attempt.refunds.filter(state=State.SENT).aggregate(fen=Sum("amount_fen"))["fen"] or 0
    missing = total_fen - attempt.refunded_fen - under_way
    if missing > 0:
        _open_case(attempt, missing, evidence, total_fen=total_fen)


def _told_by_bill(attempt: Transaction, amount: Money, total_fen: int | None) -> Refund | None:
    """The refund that a bill told of and that this must be: one without a number, or any when nothing is left to book."""
    told = made_elsewhere(attempt, amount).filter(evidence__startswith="bill:")
    nameless = told.filter(out_request_no__startswith="bill-").first()
    if nameless is not None or total_fen is None:
        return nameless
    attempt.refresh_from_db(fields=["refunded_fen"])
    return told.first() if total_fen <= attempt.refunded_fen else None


def made_elsewhere(attempt: Transaction, amount: Money) -> RefundQuerySet:
    """Refunds of this amount made elsewhere that are known by one number only, oldest first."""
    made = attempt.refunds.filter(origin=Refund.Origin.EXTERNAL, amount_fen=amount.fen, other_no="")
    return made.order_by("ended_at", "pk")


def name(refund: Refund, number: str, *, actor: str, evidence: str) -> bool:
    """Note that it is the same as one of another name, and book nothing: always False. Under the order's lock."""
    if Refund.objects.name_also(refund.pk, number):
        AuditEvent.objects.add(refund, "named", actor=actor, cause=evidence)
    return False


def record(attempt: Transaction, order: Order | None, number: str, amount: Money, *, actor: str, evidence: str) -> bool:
    """Book it, or open a case where more would go back than came. True when it is booked. Under the order's lock."""
    if not Transaction.objects.take_back(attempt.pk, amount.fen, reserved=False):
        _open_case(attempt, amount.fen, evidence, out_request_no=number)
        return False
    refund = Refund.objects.create(
        transaction=attempt, out_request_no=number[:64], amount_fen=amount.fen, origin=Refund.Origin.EXTERNAL,
        state=State.SUCCEEDED, requester="alipay", evidence=evidence, ended_at=database_now(),
    )  # fmt: skip
    book(refund, order, actor=actor, evidence=evidence)
    _make_room(attempt, evidence)
    _resolve(attempt, evidence)
    return True


def ask_about_refund(attempt: Transaction, number: str, *, total_fen: int | None = None) -> Result:
    """Ask Alipay about a refund of this number, and book it where we don't know it. Done(None): it knows none.

    total_fen  as `record_external_refund` takes it
    """
    call_id = uuid.uuid4()

    def finish(result: Result) -> Result:
        if isinstance(result, Done) and result.answer is not None and result.answer.amount is not None:
            record_external_refund(
                attempt, number, result.answer.amount, actor=ACTOR, evidence=f"call:{call_id}", total_fen=total_fen
            )
        return result

    return gateway.call(
        attempt,
        requests.refund_query(
            out_trade_no=attempt.out_trade_no, trade_no=attempt.trade_no or "", out_request_no=number
        ),
        purpose="refund_query",
        number=number,
        call_id=call_id,
        read=lambda body, who: read_refund_query(
            body, who=who, out_trade_no=attempt.out_trade_no, out_request_no=number, amount=None
        ),
        finish=finish,
        deadline_s=settings.PAYMENTS["page_deadline_s"],
    )


def _make_room(attempt: Transaction, evidence: str) -> None:
    unsent = attempt.refunds.filter(state__in=(State.REQUESTED, State.APPROVED), called_at=None).order_by("-pk")
    for refund in unsent:
        if _fits(attempt):
            return
        lapse_refund(refund, actor=ACTOR, evidence=evidence)
        if (
            refund.origin == Refund.Origin.ROBOT
        ):  # it gives money back once only: what is left pays nothing and lies here
            Case.objects.open_once(
                Case.Kind.SURPLUS, f"transaction:{attempt.pk}", evidence=evidence, amount_fen=refund.amount_fen,
                out_trade_no=attempt.out_trade_no,
            )  # fmt: skip
    if not _fits(attempt):
        _open_case(attempt, attempt.refunded_fen + attempt.reserved_fen - attempt.amount_fen, evidence)


def _fits(attempt: Transaction) -> bool:
    attempt.refresh_from_db(fields=["refunded_fen", "reserved_fen"])
    return attempt.refunded_fen + attempt.reserved_fen <= attempt.amount_fen


def _open_case(attempt: Transaction, fen: int | None, evidence: str, **facts: Any) -> None:
    logger.warning("refunded_elsewhere", number=attempt.out_trade_no, fen=fen, evidence=evidence)
    Case.objects.open_once(
        Case.Kind.EXTERNAL_REFUND, f"transaction:{attempt.pk}", evidence=evidence, amount_fen=fen,
        out_trade_no=attempt.out_trade_no, **facts,
    )  # fmt: skip


def _resolve(attempt: Transaction, evidence: str) -> None:
    """The money that was missing has been found."""
    subject = f"transaction:{attempt.pk}"
    case = Case.objects.open().filter(kind=Case.Kind.EXTERNAL_REFUND, subject=subject).first()
    if case is not None and case.facts.get("total_fen", attempt.amount_fen + 1) <= attempt.refunded_fen:
        Case.objects.resolve(Case.Kind.EXTERNAL_REFUND, subject, actor=ACTOR, note=evidence)
