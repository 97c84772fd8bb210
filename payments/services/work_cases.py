"""People work on cases: take, hand over, note, end with a note; write off with a second person; say what is overdue.

A case about money that still lies in money in cases can't simply be called resolved: the money goes back to the buyer, pays
its order, or is written off, which takes two people. Neither can one about money that a bill has more or less than our
books: it ends when that is booked, or found in another bill, or written off.
"""

from collections.abc import Sequence

import structlog
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from payments.errors import BillGap, CaseOver, CaseRefused, MoneyLeft, NotAllowed, SamePerson, StaleFactor
from payments.models import Account, Case, CaseEvent, Refund, Transaction, Transfer, User
from payments.models.clock import database_now
from payments.models.ledger import in_cases_fen
from payments.queries.bill_gap import in_bill_fen
from payments.queries.case_story import attempt_of
from payments.services import second_factor
from payments.services.books.correct import correct
from payments.services.refund import lock

logger = structlog.get_logger(__name__)
WORK, WRITE_OFF = "payments.work_case", "payments.write_off_case"


def assign(cases: Sequence[Case], owner: User | None, *, person: User) -> list[Case]:
    """Give cases to a colleague, or back to the queue. Returns those that changed hands.

    Raises NotAllowed: this person, or the one who is to have them, may not work on cases.
    """
    _must(person, WORK)
    if owner is not None and not (owner.is_active and owner.is_staff and owner.has_perm(WORK)):
        raise NotAllowed("this colleague may not work on cases")
    with transaction.atomic():
        return [
            case
            for case in sorted(
                cases, key=lambda each: each.pk
            )  # in one order: two people at once don't block each other
            if Case.objects.mark_assigned(case, owner.pk if owner else None, actor=_actor(person))
        ]


def note(case: Case, text: str, *, person: User) -> None:
    """Add to the history of a case, over or not. Raises NotAllowed, CaseRefused (nothing is said)."""
    _must(person, WORK)
    CaseEvent.objects.add(case, "noted", actor=_actor(person), note=_said(text))


def resolve(case: Case, text: str, *, person: User) -> None:
    """End it. Raises NotAllowed, CaseRefused (no note), MoneyLeft or BillGap (decide about the money first), CaseOver."""
    _must(person, WORK)
    said = _said(text)
    with transaction.atomic():
        attempt = attempt_of(case)
        if attempt is not None:
            lock(attempt)
            left = in_cases_fen(attempt.pk)
            if left > 0:
                raise MoneyLeft(left)
        gap = in_bill_fen(case)
        if gap:
            raise BillGap(gap)
        if not Case.objects.mark_resolved(case, actor=_actor(person), note=said):
            raise CaseOver("the case is over already")


def ask_write_off(case: Case, why: str, *, person: User) -> None:
    """The first of two people. Raises NotAllowed, CaseRefused (no reason), CaseOver (over, or asked for already)."""
    _must(person, WORK)
    if not Case.objects.ask_write_off(case, person.pk, actor=_actor(person), why=_said(why)):
        raise CaseOver("it is asked for already, or the case is over")


def refuse_write_off(case: Case, why: str, *, person: User) -> None:
    """The second person says no, or the first thinks again. Raises NotAllowed, CaseRefused, CaseOver."""
    if case.write_off_requester_id != person.pk:
        _must(person, WRITE_OFF)
    if not Case.objects.refuse_write_off(case, actor=_actor(person), why=_said(why)):
        raise CaseOver("nobody asks for that any more")


def write_off(case: Case, *, person: User, session: SessionBase) -> int:
    """The second person agrees: what lies in money in cases is written off, and the case is over. Returns how much, in fen.

    Where a bill has more or less than our books, that is written off too: the ledger then says what the bill says.

    Raises NotAllowed, StaleFactor, SamePerson, CaseOver.
    """
    _must(person, WRITE_OFF)
    if not second_factor.is_fresh(session, database_now()):
        raise StaleFactor("the second factor was proved too long ago")
    if case.write_off_requester_id == person.pk:
        raise SamePerson("who asks for a write-off can't approve it")
    with transaction.atomic():
        attempt = attempt_of(case)
        if attempt is not None:
            lock(attempt)
        if not Case.objects.mark_written_off(case, person.pk, actor=_actor(person)):
            raise CaseOver("it is decided already, or nobody asks for it any more")
        fen = _take_out(case, attempt) if attempt is not None else 0
        fen += abs(correct(case, attempt))
    logger.info("case_written_off", case=case.pk, fen=fen)
    return fen


def escalate_overdue(*, limit: int) -> int:
    """Say of each case that is past its due time, once, that nobody has ended it. Safe to run twice. Returns how many."""
    now = database_now()
    late = Case.objects.open().filter(escalated_at=None, due_at__lte=now).order_by("due_at")
    escalated = 0
    for case in late[:limit]:
        with transaction.atomic():
            if Case.objects.mark_escalated(case, now=now):
                logger.error("case_overdue", case=case.pk, kind=case.kind, subject=case.subject, owner=case.owner_id)
                escalated += 1
    return escalated


def _take_out(case: Case, attempt: Transaction) -> int:
    """Out of money in cases with what is left of it there. A refund on its way would take it a second time."""
    left = in_cases_fen(attempt.pk)
    if left > 0 and Refund.objects.filter(transaction=attempt, state__in=Refund.RESERVING).exists():
        raise CaseRefused("a refund of this money is on its way")
    if left > 0:
        Transfer.objects.create(
            transaction=attempt, cause=Transfer.Cause.WRITE_OFF, debit=Account.MONEY_IN_CASES, credit=Account.WRITTEN_OFF,
            fen=left, evidence=f"case:{case.pk}",
        )  # fmt: skip
    return max(left, 0)


def _must(person: User, right: str) -> None:
    if not person.has_perm(right):
        raise NotAllowed(f"this person lacks {right}")


def _said(text: str) -> str:
    said = text.strip()
    if not said:
        raise CaseRefused("a note is needed")
    return said[:1000]


def _actor(person: User) -> str:
    return f"staff:{person.pk}"
