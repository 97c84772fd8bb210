"""What the buyer of an order is told of its refunds: honest steps, and what is back for certain."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payments.models import Order, Refund
from payments.money import Money

State = Refund.State
OF_THE_BUYER_ALONE = (State.REQUESTED, State.REJECTED)  # what staff ask for among themselves is no promise to the buyer


class Says(StrEnum):
    REQUESTED = "requested"
    ON_ITS_WAY = "on_its_way"
    IN_DOUBT = "in_doubt"
    BACK = "back"
    NOT_AGREED = "not_agreed"
    NOT_SENT = "not_sent"


SAYS = {
    State.REQUESTED: Says.REQUESTED, State.APPROVED: Says.ON_ITS_WAY, State.SENT: Says.ON_ITS_WAY,
    State.SUCCEEDED: Says.BACK, State.FAILED: Says.NOT_SENT, State.REJECTED: Says.NOT_AGREED,
    State.LAPSED: Says.NOT_AGREED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """One refund as its buyer reads it.

    at         when it came into this state
    answer_by  only of an open request
    why        our words to the buyer, where we did not agree; may be empty
    """

    says: Says
    amount: Money
    at: datetime
    answer_by: datetime | None
    why: str


def refunds_told(order: Order) -> list[Told]:
    """Refunds of the payment that pays this order, in the order they were asked for. One query, none for unpaid orders."""
    if order.paid_by_id is None:
        return []
    known = Refund.objects.filter(transaction_id=order.paid_by_id).order_by("pk")
    return [_told(refund) for refund in known if _concerns_the_buyer(refund)]


def was_promised(refund: Refund) -> bool:
    """A person agreed to it, and the buyer was told so. What a rule lets go is told when it is back."""
    return refund.approver.startswith("staff:")


def _concerns_the_buyer(refund: Refund) -> bool:
    if refund.state == State.LAPSED:
        return was_promised(refund)
    return refund.origin == Refund.Origin.BUYER or refund.state not in OF_THE_BUYER_ALONE


def _told(refund: Refund) -> Told:
    state = State(refund.state)
    says = Says.IN_DOUBT if refund.in_doubt and state == State.SENT else SAYS[state]
    return Told(
        says=says, amount=refund.amount, at=refund.ended_at or refund.approved_at or refund.created_at,
        answer_by=refund.lapses_at if says is Says.REQUESTED else None,
        why=refund.answer if says is Says.NOT_AGREED else "",
    )  # fmt: skip
