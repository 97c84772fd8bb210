"""The refund ladder: an approved refund leaves once under its number, and Alipay's word about that number settles it.

Intent first: "sent, in doubt" is committed before the call. A lost answer, or a success in which no money moved, leaves
it in doubt; only a query about the same number ends that, or the same request once more when Alipay shows no trace of
the first. A certain no ends it only when no earlier call can have done it.
"""

import time
import uuid
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import translation

from payments import gateway
from payments.alipay import requests
from payments.alipay.answers import read_refund, read_refund_query
from payments.alipay.facts import Refunded
from payments.alipay.outcomes import OUR_FAULT, CertainlyNot, Done, Next, Unknown
from payments.models import AuditEvent, Case, Refund, Transaction
from payments.models.clock import database_now
from payments.services import turns
from payments.services.deposit_back import note_deposit_back
from payments.services.external_refund import compare_total
from payments.services.refund import fail_refund, lock, settle_refund

logger = structlog.get_logger(__name__)
ACTOR = "refunds"
State = Refund.State


def send_due(*, limit: int, begin_within_s: float = 3600.0) -> int:
    """Claim refunds that are due, one after the other, and bring each a step further. Returns how many were looked at.

    Safe to run twice or never, beside itself too: due times are columns, a claim is a short lease with a version.
    """
    looked, started = 0, time.monotonic()
    while looked < limit and time.monotonic() - started < begin_within_s:
        claimed = Refund.objects.claim_due(now=database_now(), lease=_lease(), apart=_apart(), limit=1)
        if not claimed:
            break
        looked += 1
        turns.take_turns(claimed, step, what="refund")  # its lease brings back what breaks
    return looked


def step(refund: Refund) -> None:
    """Bring one claimed refund further: ask while anything about it is uncertain, else send it."""
    if refund.checks > len(settings.PAYMENTS["refund_ladder_s"]):
        Case.objects.open_once(
            Case.Kind.STUCK, _subject(refund), evidence=_subject(refund), amount_fen=refund.amount_fen,
            out_request_no=refund.out_request_no,
        )  # fmt: skip
    if not (refund.in_doubt or refund.refused) or _ask(refund):
        _send(refund)


def _shown(refund: Refund) -> str:
    """What Alipay shows the buyer: the kind of reason, in the order's language. Notes are for colleagues and stay here;
    only where no kind was chosen, by command or a robot, the words themselves."""
    if not refund.reason_code:
        return refund.reason
    order = refund.transaction.order
    with translation.override(order.language if order else settings.LANGUAGE_CODE):
        return str(Refund.Reason(refund.reason_code).label)


def _send(refund: Refund) -> None:
    if not _intend(refund):
        Refund.objects.check_at(refund, when=database_now() + _apart())
        return
    call_id, attempt = uuid.uuid4(), refund.transaction
    gateway.call(
        attempt,
        requests.refund(
            out_trade_no=attempt.out_trade_no, trade_no=attempt.trade_no or "", out_request_no=refund.out_request_no,
            amount=refund.amount, reason=_shown(refund), deposit_back=True,
        ),
        purpose="refund",
        number=refund.out_request_no,
        amount=refund.amount,
        call_id=call_id,
        read=lambda body, who: read_refund(body, who=who, out_trade_no=attempt.out_trade_no),
        finish=lambda result: _after_sending(refund, result, f"call:{call_id}"),
        deadline_s=settings.PAYMENTS["call_deadline_s"],
    )  # fmt: skip


def _intend(refund: Refund) -> bool:
    """Commit that it leaves now. False when it must not: ended meanwhile, claimed anew, or too close to another one."""
    longest = timedelta(seconds=settings.PAYMENTS["call_deadline_s"])
    with transaction.atomic(durable=True):
        lock(refund.transaction)
        now = database_now()
        if not Refund.objects.may_leave(refund, now=now, apart=_apart(), longest_call=longest):
            return False
        if not Refund.objects.mark_sent(refund, now=now):
            return False
        if refund.state == State.APPROVED:
            AuditEvent.objects.add(refund, "sent", actor=ACTOR, state=State.SENT)
    return True


def _after_sending(refund: Refund, result: Done[Refunded] | CertainlyNot | Unknown, evidence: str) -> None:
    """`refund` is as it was before this call: in doubt if an earlier one was."""
    match result:
        case Done(refunded):
            _succeeded(refund, evidence)
            if refunded.refunded_total is not None:
                compare_total(refund.transaction, refunded.refunded_total.fen, evidence=evidence)
        case Unknown():
            _go_on(refund, in_doubt=True)
        case CertainlyNot(next=Next.REPEAT):
            _go_on(refund, in_doubt=refund.in_doubt)
        case CertainlyNot(code, sub_code, Next.TOP_UP):
            _open_case(refund, f"{code} {sub_code}", evidence)
            _go_on(refund, in_doubt=refund.in_doubt)
        case CertainlyNot(code, sub_code) if code in OUR_FAULT:  # our keys or contract, not this refund
            Case.objects.open_once(Case.Kind.REFUSED_CALL, f"refunds:{code} {sub_code}", evidence=evidence)
            _go_on(refund, in_doubt=refund.in_doubt)
        case CertainlyNot(code, sub_code, Next.BY_HAND | Next.ALERT) if not refund.in_doubt:
            _failed(refund, f"{code} {sub_code}", evidence)
        case CertainlyNot(code, sub_code):  # it may be refused because an earlier call has done it
            _go_on(refund, in_doubt=True, refused=f"{code} {sub_code}")


def _ask(refund: Refund) -> bool:
    """Ask what became of it. True when Alipay shows no trace of it, so that the same request may leave once more."""
    call_id, attempt = uuid.uuid4(), refund.transaction
    return gateway.call(
        attempt,
        requests.refund_query(
            out_trade_no=attempt.out_trade_no,
            trade_no=attempt.trade_no or "",
            out_request_no=refund.out_request_no,
            deposit_back=True,
        ),
        purpose="refund_query",
        number=refund.out_request_no,
        amount=refund.amount,
        call_id=call_id,
        read=lambda body, who: read_refund_query(
            body, who=who, out_trade_no=attempt.out_trade_no, out_request_no=refund.out_request_no, amount=refund.amount
        ),
        finish=lambda result: _after_asking(refund, result, f"call:{call_id}"),
        deadline_s=settings.PAYMENTS["call_deadline_s"],
    )


def _after_asking(refund: Refund, result: Done[Refunded | None] | CertainlyNot | Unknown, evidence: str) -> bool:
    match result:
        case Done(Refunded(deposit_back=news)):
            _succeeded(refund, evidence)
            if news is not None:
                note_deposit_back(refund, news, actor=ACTOR, evidence=evidence)
            return False
        case Done(None) if _left_long_ago(refund) and refund.refused:
            _failed(refund, refund.refused, evidence)
            return False
        case Done(None) if _left_long_ago(refund):
            return True
        case _:
            _go_on(refund, in_doubt=True, refused=refund.refused)
            return False


def _succeeded(refund: Refund, evidence: str) -> None:
    if not settle_refund(refund, actor=ACTOR, evidence=evidence):
        refund.refresh_from_db()
        if refund.state != State.SUCCEEDED:  # we had given it up, and the money went all the same
            Case.objects.open_once(
                Case.Kind.REFUND_NOTICE, _subject(refund), evidence=evidence, amount_fen=refund.amount_fen,
                out_request_no=refund.out_request_no,
            )  # fmt: skip
    for kind in (Case.Kind.STUCK, Case.Kind.REFUND_REFUSED):
        Case.objects.resolve(kind, _subject(refund), actor=ACTOR, note=evidence)


def _failed(refund: Refund, code: str, evidence: str) -> None:
    """A certain no. The amount is free again, and a person must find another way."""
    attempt = refund.transaction
    if not fail_refund(refund, actor=ACTOR, evidence=evidence, version=refund.version):
        return
    Case.objects.resolve(Case.Kind.STUCK, _subject(refund), actor=ACTOR, note=evidence)
    _open_case(refund, code, evidence)
    if code.endswith("TRADE_HAS_FINISHED"):
        Transaction.objects.mark_finished(attempt.pk)
    if attempt.order is None or attempt.order.paid_by_id != attempt.pk:  # money that pays nothing lies here still
        Case.objects.open_once(
            Case.Kind.SURPLUS, f"transaction:{attempt.pk}", evidence=evidence, amount_fen=refund.amount_fen,
            out_trade_no=attempt.out_trade_no,
        )  # fmt: skip


def _open_case(refund: Refund, code: str, evidence: str) -> None:
    Case.objects.open_once(
        Case.Kind.REFUND_REFUSED, _subject(refund), evidence=evidence, amount_fen=refund.amount_fen, code=code,
        out_request_no=refund.out_request_no,
    )  # fmt: skip


def _go_on(refund: Refund, *, in_doubt: bool, refused: str = "") -> None:
    ladder = settings.PAYMENTS["refund_ladder_s"]
    wait = timedelta(seconds=ladder[min(refund.checks, len(ladder)) - 1])
    noted = Refund.objects.note_answer(refund, in_doubt=in_doubt, refused=refused, next_check_at=database_now() + wait)
    if not noted:
        logger.warning("refund_answer_too_late", number=refund.out_request_no)


def _left_long_ago(refund: Refund) -> bool:
    """Whether it left long enough ago for "not there" to mean something."""
    absent = timedelta(seconds=settings.PAYMENTS["refund_absent_s"])
    return refund.called_at is not None and refund.called_at + absent <= database_now()


def _subject(refund: Refund) -> str:
    return f"refund:{refund.pk}"


def _apart() -> timedelta:
    return timedelta(seconds=settings.PAYMENTS["refunds_apart_s"])


def _lease() -> timedelta:
    """A question and the request once more, each to its deadline, and what stands around them."""
    return timedelta(seconds=2 * settings.PAYMENTS["call_deadline_s"] + 10)
