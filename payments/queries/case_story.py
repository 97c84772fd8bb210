"""All a member of staff needs to see of one case: what it is about, where its money lies, and who did what."""

from dataclasses import dataclass
from datetime import datetime

from payments.models import Case, Order, Refund, Transaction
from payments.models.ledger import in_cases_fen
from payments.money import Money
from payments.queries.bill_gap import in_bill_fen
from payments.queries.people import names


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One step of its history. `action` is the record's own word; `note` what was said, or the name of who got it."""

    at: datetime
    action: str
    who: str
    note: str


@dataclass(frozen=True, slots=True)
class CaseStory:
    """`attempt`, `refund` and `order` are what it is about, where it is about any; `in_cases` belongs to nobody yet.

    in_bill_fen  what a bill has more than we have booked; below zero: less
    """

    attempt: Transaction | None
    refund: Refund | None
    order: Order | None
    in_cases: Money
    steps: list[CaseStep]
    in_bill_fen: int = 0

    @property
    def to_write_off(self) -> Money:
        """What a write-off moves."""
        return Money(self.in_cases.fen + abs(self.in_bill_fen))

    @property
    def pays_its_order(self) -> bool:
        return self.attempt is not None and self.order is not None and self.order.paid_by_id == self.attempt.pk

    @property
    def refundable(self) -> Money:
        """What can go back of money that pays no order; the refund of an order starts at its own page, line by line."""
        attempt = self.attempt
        if attempt is None or self.pays_its_order or attempt.state != Transaction.State.PAID or attempt.finished:
            return Money(0)
        return Money(attempt.amount_fen - attempt.refunded_fen - attempt.reserved_fen)

    @property
    def on_its_way_back(self) -> Money:
        return Money(self.attempt.reserved_fen if self.attempt else 0)

    @property
    def can_pay_its_order(self) -> bool:
        """Whether it looks like late money that can be booked; `services.surplus` decides under the order's lock."""
        attempt, order = self.attempt, self.order
        if attempt is None or order is None or order.state != Order.State.CLOSED or attempt.reserved_fen:
            return False
        return order.paid_by_id is None and self.in_cases == attempt.amount == order.total

    @property
    def can_be_asked(self) -> bool:
        """Whether it is about a payment or refund that Alipay can be asked about."""
        attempt, refund = self.attempt, self.refund
        return bool(
            (attempt and (attempt.state in Transaction.UNSETTLED or attempt.is_at_alipay))
            or (refund and refund.state == Refund.State.SENT)
        )


def attempt_of(case: Case) -> Transaction | None:
    """The payment a case is about: itself, or that of its refund."""
    kind, _separator, key = case.subject.partition(":")
    if not key.isdigit():
        return None
    about = {"transaction": {"pk": key}, "refund": {"refunds__pk": key}}.get(kind)
    return Transaction.objects.select_related("order__paid_by", "account").filter(**about).first() if about else None


def story(case: Case) -> CaseStory:
    """Eight queries at most, however long its history."""
    attempt = attempt_of(case)
    kind, _separator, key = case.subject.partition(":")
    refund = Refund.objects.filter(pk=key).first() if kind == "refund" and key.isdigit() else None
    order = attempt.order if attempt else None
    if kind == "order" and key.isdigit():
        order = Order.objects.select_related("paid_by").filter(pk=key).first()
    left = in_cases_fen(attempt.pk) if attempt else 0
    return CaseStory(attempt, refund, order, Money(max(left, 0)), _steps(case), in_bill_fen(case))


def _steps(case: Case) -> list[CaseStep]:
    events = list(case.events.order_by("pk"))
    people = names({each.actor for each in events} | {each.note for each in events})
    return [
        CaseStep(each.at, each.action, people.get(each.actor, each.actor), people.get(each.note, each.note))
        for each in events
    ]
