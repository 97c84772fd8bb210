"""All a member of staff needs to see of one order: what was paid and went back, every attempt, and who did what when."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from payments.models import AuditEvent, Case, Order, Refund, Transaction, Transfer
from payments.queries.people import names
from payments.queries.refundable import Refundable, refundable


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `subject` and `action` are the records' own words; `who` a door or a person."""

    at: datetime
    subject: str
    number: str
    action: str
    who: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Story:
    refundable: Refundable | None
    attempts: list[Transaction]
    refunds: list[Refund]
    cases: list[Case]
    transfers: list[Transfer]
    steps: list[Step]
    people: dict[str, str]

    @property
    def doubtful(self) -> Transaction | None:
        """An attempt whose end nobody knows."""
        return next((each for each in self.attempts if each.in_doubt), None)

    @property
    def booked_fen(self) -> int:
        """What the ledger says this order has brought: what came in less what went out."""
        return sum(each.fen if each.cause == Transfer.Cause.CAPTURE else -each.fen for each in self.transfers
                   if each.cause != Transfer.Cause.ASSIGN)  # fmt: skip


def story(order: Order) -> Story:
    """Eight queries, however long the story."""
    attempts = list(Transaction.objects.filter(order=order).order_by("pk"))
    refunds = list(Refund.objects.filter(transaction__in=attempts).order_by("pk"))
    events = _events(order, attempts, refunds)
    people = names([each.requester for each in refunds] + [each.actor for each in events])
    cases = list(Case.objects.filter(_about(order, attempts, refunds)).select_related("owner").order_by("-pk"))
    return Story(
        refundable=refundable(order), attempts=attempts, refunds=refunds, cases=cases,
        transfers=list(Transfer.objects.filter(transaction__in=attempts).order_by("pk")),
        steps=_steps(order, attempts, refunds, events, people), people=people,
    )  # fmt: skip


def _about(order: Order, attempts: list[Transaction], refunds: list[Refund]) -> Q:
    subjects = [
        f"order:{order.pk}",
        *(f"transaction:{each.pk}" for each in attempts),
        *(f"refund:{each.pk}" for each in refunds),
    ]
    about = Q(subject__in=subjects)
    for attempt in attempts:
        about |= Q(subject__startswith=f"number:{attempt.out_trade_no}")
    return about


def _events(order: Order, attempts: list[Transaction], refunds: list[Refund]) -> list[AuditEvent]:
    about = Q(subject_kind="order", subject_id=order.pk)
    about |= Q(subject_kind="transaction", subject_id__in=[each.pk for each in attempts])
    about |= Q(subject_kind="refund", subject_id__in=[each.pk for each in refunds])
    return list(AuditEvent.objects.filter(about).order_by("at", "pk"))


def _steps(
    order: Order, attempts: list[Transaction], refunds: list[Refund], events: list[AuditEvent], people: dict[str, str]
) -> list[Step]:
    numbers = {
        ("order", order.pk): order.number,
        **{("transaction", each.pk): each.out_trade_no for each in attempts},
        **{("refund", each.pk): each.out_request_no for each in refunds},
    }
    return [
        Step(
            at=event.at, subject=event.subject_kind, number=numbers[event.subject_kind, event.subject_id],
            action=event.action, who=people.get(event.actor, event.actor), evidence=event.cause,
        )
        for event in events
    ]  # fmt: skip
