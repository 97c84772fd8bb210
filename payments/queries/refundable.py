"""What of an order can still go back, line by line: the answer to "how much, and why not more"."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from payments.models import Order, OrderLine, Refund, Transaction
from payments.money import Money, split_by_lines

SHIPPING = "shipping"
Taken = tuple[str, Mapping[str, int]]  # a refund's state, and its fen by line


@dataclass(frozen=True, slots=True)
class Line:
    """One line as refunds see it. `share` is what was paid for it after discounts; `left` what no refund has taken."""

    key: str
    title: str
    sku: str
    quantity: int
    share: Money
    left: Money
    asked: bool  # a refund of it is on its way or being looked at

    def worth(self, pieces: int) -> Money:
        """What so many pieces of it bring back; all of them bring back all that is left."""
        if pieces >= self.quantity:
            return self.left
        return Money(min(self.left.fen, self.share.fen * pieces // self.quantity))


@dataclass(frozen=True, slots=True)
class Refundable:
    """An order's paid attempt as refunds see it. `most` bounds every request, whatever the lines say."""

    paid: Money
    refunded: Money
    waiting: Money
    most: Money
    closed: bool  # Alipay takes no more refunds of it, or never knew it
    lines: tuple[Line, ...]

    def chosen(self, pieces: dict[str, int]) -> dict[str, int]:
        """Fen by line of so many pieces of each; lines that bring nothing are left out."""
        worth = {line.key: line.worth(pieces.get(line.key, 0)).fen for line in self.lines if pieces.get(line.key)}
        return {key: fen for key, fen in worth.items() if fen}


def refundable(order: Order) -> Refundable | None:
    """None for an order that nothing has paid. Two queries."""
    return refundable_of([order])[order.pk]


def refundable_of(orders: Sequence[Order]) -> dict[int, Refundable | None]:
    """The same of many orders at once, by their ids; two queries for all of them. Orders come with their `paid_by`."""
    lines: dict[int, list[OrderLine]] = defaultdict(list)
    for line in OrderLine.objects.filter(order__in=orders).order_by("position"):
        lines[line.order_id].append(line)
    refunds: dict[int, list[Taken]] = defaultdict(list)
    counted = [*Refund.RESERVING, Refund.State.SUCCEEDED]
    paid = Refund.objects.filter(transaction__in=[order.paid_by_id for order in orders], state__in=counted)
    for attempt_id, state, by_line in paid.values_list("transaction_id", "state", "lines"):
        refunds[attempt_id].append((state, by_line))
    return {
        order.pk: _part(order, order.paid_by, lines[order.pk], refunds[order.paid_by.pk]) if order.paid_by else None
        for order in orders
    }


def _part(order: Order, attempt: Transaction, lines: list[OrderLine], refunds: list[Taken]) -> Refundable:
    taken, asked = _taken(refunds)
    shares = split_by_lines(
        Money(order.total_fen - order.shipping_fen), {str(each.position): each.total.fen for each in lines}
    )
    parts = [(str(each.position), each.title, each.sku, each.quantity, shares[str(each.position)]) for each in lines]
    if order.shipping_fen:
        parts.append((SHIPPING, "", "", 1, order.shipping_fen))
    most = 0 if attempt.finished else attempt.amount_fen - attempt.refunded_fen - attempt.reserved_fen
    return Refundable(
        paid=attempt.amount, refunded=Money(attempt.refunded_fen), waiting=Money(attempt.reserved_fen), most=Money(most),
        closed=attempt.finished,
        lines=tuple(
            Line(key, title, sku, quantity, Money(share), Money(max(0, min(share - taken.get(key, 0), most))), key in asked)
            for key, title, sku, quantity, share in parts
        ),
    )  # fmt: skip


def _taken(refunds: list[Taken]) -> tuple[dict[str, int], set[str]]:
    """Fen that refunds have taken or set aside, by line; and the lines of those that are not over."""
    taken: dict[str, int] = {}
    asked: set[str] = set()
    for state, lines in refunds:
        for key, fen in lines.items():
            taken[key] = taken.get(key, 0) + fen
            if state in Refund.RESERVING:
                asked.add(key)
    return taken, asked
