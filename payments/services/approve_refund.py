"""Refunds that people ask for: small ones go by rule, the others wait for the word of a second person.

What a person may let go alone is limited for one refund and for the day. Approval asks for another person, with the right,
and with the second factor proved minutes ago; service and database both refuse the requester.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from payments.alipay.clock import BEIJING
from payments.errors import (
    FirstInDoubt,
    NotAllowed,
    NotWaiting,
    RefundableMoved,
    RefundRefused,
    SamePerson,
    StaleFactor,
)
from payments.models import OutboxMessage, Refund, Transaction, User
from payments.models.clock import database_now
from payments.models.staff_day import spend
from payments.money import Money
from payments.services import second_factor, turns
from payments.services.refund import approve_refund, lapse_refund, lock, reject_refund, request_refund

ALONE = "rule:small"
STOPPED = "its bulk refund was stopped"
Reason = Refund.Reason


def ask_as_staff(
    attempt: Transaction,
    amount: Money,
    *,
    person: User,
    reason: Reason,
    note: str = "",
    lines: Mapping[str, int] | None = None,
    seen_refundable: Money | None = None,
) -> Refund:
    """Ask for a refund as a member of staff. Within the limits of one person it is approved by rule, else it waits.

    seen_refundable  what the form showed as refundable; where that has moved, nothing happens

    Raises NotAllowed, RefundableMoved, FirstInDoubt (what the last one did must be known first), RefundRefused.
    """
    if not person.has_perm("payments.request_refund"):
        raise NotAllowed("this person may not ask for refunds")
    now = database_now()
    with transaction.atomic():
        attempt = _locked(attempt)
        if seen_refundable is not None and seen_refundable != refundable(attempt):
            raise RefundableMoved(refundable(attempt).fen)
        if attempt.refunds.filter(in_doubt=True).exists():
            raise FirstInDoubt("an earlier refund of this payment has no certain answer yet")
        refund = request_refund(
            attempt, amount, requester=actor(person), origin=Refund.Origin.STAFF, reason_code=reason, reason=note,
            lines=lines, lapses_at=now + _life(),
        )  # fmt: skip
        limits = settings.PAYMENTS
        if amount.fen <= limits["refund_alone_fen"] and spend(
            person.pk, amount.fen, day=now.astimezone(BEIJING).date(), most=limits["refund_alone_day_fen"]
        ):
            approve_refund(refund, approver=ALONE)
    refund.refresh_from_db()
    return refund


def ask_as_buyer(
    attempt: Transaction, amount: Money, *, reason: Reason, note: str = "", lines: Mapping[str, int]
) -> Refund:
    """Ask for a refund as the buyer; it waits for a member of staff. Raises RefundRefused: a line has a request already."""
    with transaction.atomic():
        attempt = _locked(attempt)
        waiting = Refund.objects.filter(transaction=attempt, state__in=Refund.RESERVING).values_list("lines", flat=True)
        if any(line in asked for asked in waiting for line in lines):
            raise RefundRefused("a refund of this line is being looked at already")
        refund = request_refund(
            attempt, amount, requester="buyer", origin=Refund.Origin.BUYER, reason_code=reason, reason=note, lines=lines,
            lapses_at=database_now() + _life(),
        )  # fmt: skip
        _tell(refund, "refund.requested")
    return refund


def approve(refund: Refund, *, person: User, session: SessionBase) -> None:
    """The word of a second person: the refund leaves. Raises NotAllowed, StaleFactor, SamePerson, NotWaiting."""
    check_approver(person, session)
    word_of(refund, person=person)


def check_approver(person: User, session: SessionBase) -> None:
    """Whether this person may approve now. Raises NotAllowed, StaleFactor."""
    if not person.has_perm("payments.approve_refund"):
        raise NotAllowed("this person may not approve refunds")
    if not second_factor.is_fresh(session, database_now()):
        raise StaleFactor("the second factor was proved too long ago")


def word_of(refund: Refund, *, person: User) -> None:
    """Approve in the name of a person whose second factor was asked for. Raises NotAllowed, SamePerson, NotWaiting."""
    if not person.has_perm("payments.approve_refund"):
        raise NotAllowed("this person may not approve refunds")
    if refund.requester == actor(person):
        raise SamePerson("who asks for a refund can't approve it")
    with transaction.atomic():
        try:
            approve_refund(refund, approver=actor(person))
        except RefundRefused as refused:
            raise NotWaiting(str(refused)) from refused
        _tell(refund, "refund.approved")


def reject(refund: Refund, *, person: User, why: str) -> None:
    """Say no, with the reason the one who asked will read. Raises NotAllowed, NotWaiting."""
    if not person.has_perm("payments.approve_refund"):
        raise NotAllowed("this person may not decide about refunds")
    if not why.strip():
        raise RefundRefused("a refusal needs a reason")
    with transaction.atomic():
        if not reject_refund(refund, actor=actor(person), why=why.strip()):
            raise NotWaiting("it is decided already")
        _tell(refund, "refund.rejected", why=why.strip()[:200])


def withdraw(refund: Refund, *, person: User, why: str) -> bool:
    """Take back a refund that has not left: a request of another's is not agreed, all else lapses. True for who did it.

    A buyer who was told that it is on its way hears why it is not. The caller knows that this person may.
    """
    who = actor(person)
    with transaction.atomic():
        ended = refund.requester != who and reject_refund(refund, actor=who, why=why)
        if not ended and not lapse_refund(refund, actor=who, evidence=STOPPED, why=why):
            return False
        _tell(refund, "refund.rejected", why=why)
    return True


def lapse_requests(*, limit: int) -> int:
    """End requests that nobody decided in time; their amounts are free again. Safe to run twice. Returns how many."""
    over = Refund.objects.filter(state=Refund.State.REQUESTED, lapses_at__lte=database_now()).order_by("lapses_at")
    lapsed: list[Refund] = []

    def lapse(refund: Refund) -> None:
        with transaction.atomic(durable=True):
            lock(refund.transaction)
            waits = Refund.objects.filter(pk=refund.pk, state=Refund.State.REQUESTED).exists()
            if waits and lapse_refund(refund, actor="clock"):
                _tell(refund, "refund.rejected", why="")
                lapsed.append(refund)

    turns.take_turns(over.select_related("transaction")[:limit], lapse, what="lapse")
    return len(lapsed)


def refundable(attempt: Transaction) -> Money:
    """What may still be asked for: paid, less what went back and what is set aside; nothing where Alipay takes no more."""
    if attempt.state != Transaction.State.PAID or attempt.finished:
        return Money(0)
    return Money(attempt.amount_fen - attempt.refunded_fen - attempt.reserved_fen)


def actor(person: User) -> str:
    """How a member of staff is named in records."""
    return f"staff:{person.pk}"


def _locked(attempt: Transaction) -> Transaction:
    """The attempt as it stands, its order's row held."""
    lock(attempt)
    return Transaction.objects.get(pk=attempt.pk)


def _life() -> timedelta:
    return timedelta(seconds=settings.PAYMENTS["refund_request_life_s"])


def _tell(refund: Refund, topic: str, **more: str) -> None:
    """The buyer hears about it through the outbox, once."""
    payload = {"order_id": refund.transaction.order_id, "refund_id": refund.pk, **more}
    OutboxMessage.objects.create(topic=topic, dedupe_key=f"{topic}:{refund.pk}", payload=payload)
