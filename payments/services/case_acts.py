"""What a case suggests, done through the doors that exist for it: ask Alipay, book late money, refund what pays no order."""

from enum import StrEnum

from django.conf import settings

from payments.alipay.outcomes import Done
from payments.errors import CaseRefused, NotAllowed
from payments.models import Case, CaseEvent, Refund, Transaction, User
from payments.money import Money
from payments.queries.case_story import attempt_of
from payments.services import ask as asking
from payments.services import surplus
from payments.services.approve_refund import ask_as_staff
from payments.services.external_refund import Result, ask_about_refund
from payments.services.refund_hints import hint, want_discovery
from payments.services.settle import Settled


class Asked(StrEnum):
    """What became of a question about a case."""

    ANSWERED = "answered"  # about the payment, just now
    CONFIRMED = "confirmed"  # Alipay has it as we have it
    ABSENT = "absent"  # Alipay knows no such payment or refund
    DIFFERS = "differs"  # it says something else, which is a case of its own
    UNSURE = "unsure"  # it gave no certain answer
    SOON = "soon"  # about a refund: the worker asks within seconds
    LATELY = "lately"  # it was asked a moment ago
    NOTHING = "nothing"  # nothing about it is undecided


OF_PAYMENT: dict[Settled | None, Asked] = {
    Settled.BEFORE: Asked.CONFIRMED, Settled.NOTHING: Asked.ABSENT, Settled.CASE: Asked.DIFFERS, Settled.ASKED: Asked.SOON,
}  # fmt: skip


def ask(case: Case, *, person: User) -> Asked:
    """Have Alipay asked now about what is undecided. Raises NotAllowed."""
    if not person.has_perm("payments.ask_alipay"):
        raise NotAllowed("this person may not ask Alipay")
    attempt = attempt_of(case)
    outcome = _ask(case, attempt, actor=f"staff:{person.pk}") if attempt is not None else Asked.NOTHING
    CaseEvent.objects.add(case, "asked_alipay", actor=f"staff:{person.pk}", note=outcome)
    return outcome


def book(case: Case, *, person: User) -> None:
    """Late money pays its closed order after all. Raises NotAllowed, CaseRefused (it doesn't, any more)."""
    if not person.has_perm("payments.record_payment"):
        raise NotAllowed("this person may not book payments")
    attempt = attempt_of(case)
    actor = f"staff:{person.pk}"
    if attempt is None or attempt.order_id is None or not surplus.honour_by_hand(attempt, actor=actor):
        raise CaseRefused("this money can't pay an order")
    CaseEvent.objects.add(case, "booked", actor=actor, note=attempt.out_trade_no)


def refund(case: Case, amount: Money, *, person: User, why: str, seen: Money) -> Refund:
    """Ask for money back that pays no order, under the same limits as any refund.

    seen  what the page showed as refundable

    Raises NotAllowed, RefundableMoved, RefundRefused, CaseRefused.
    """
    attempt = attempt_of(case)
    if attempt is None:
        raise CaseRefused("no payment belongs to this case")
    asked = ask_as_staff(
        attempt, amount, person=person, reason=Refund.Reason.OTHER, note=why, seen_refundable=seen
    )  # fmt: skip
    CaseEvent.objects.add(case, "refund_asked", actor=f"staff:{person.pk}", note=f"refund:{asked.pk}")
    return asked


def _ask(case: Case, attempt: Transaction, *, actor: str) -> Asked:
    if attempt.state in Transaction.UNSETTLED:
        return Asked.ANSWERED if asking.ask_now(attempt, actor=actor) else Asked.LATELY
    number = case.facts.get("out_request_no")
    refund = attempt.refunds.known_as(number).first() if number else None
    if number and refund is None:
        want_discovery(attempt, number, None, evidence=f"case:{case.pk}:{case.events.count()}")
        return Asked.SOON
    if attempt.refunds.filter(state=Refund.State.SENT).exists():
        hint(attempt)
        return Asked.SOON
    if refund is not None and refund.state == Refund.State.SUCCEEDED:
        return _of_refund(ask_about_refund(attempt, refund.out_request_no))
    if attempt.is_at_alipay:
        answers = asking.ask_about([attempt], actor=actor, deadline_s=settings.PAYMENTS["page_deadline_s"])
        return OF_PAYMENT.get(answers[attempt.pk], Asked.UNSURE)
    return Asked.NOTHING


def _of_refund(result: Result) -> Asked:
    if not isinstance(result, Done):
        return Asked.UNSURE
    return Asked.ABSENT if result.answer is None else Asked.CONFIRMED
