"""A day at two places: Alipay's bills of it and our books, equal but for differences that are planted and remembered.

Alipay's side are movements of the merchant's account, which planted_bills.py writes down; ours are the rows that the shop would
hold. Nothing here needs Django or a database.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from payments.alipay.clock import BEIJING
from payments.sandbox.ledger import Movement, fee_of

PID = "2088000000000001"
APP_ID = "2021000000000001"
RATE = Decimal("0.006")
DAY = datetime(2026, 11, 22, tzinfo=BEIJING)
ONE_DAY = timedelta(days=1)
WAITING, CASE, EXPLAINED = "waiting", "case", "explained"


class Truth(NamedTuple):
    """What must be found: about which trade and refund, as what, and what becomes of it once the neighbouring bills are read."""

    kind: str
    trade_no: str
    out_request_no: str
    state: str


@dataclass(slots=True)
class Payment:
    """One of our transactions. state is the transaction's; receipt_fen is None until it is paid."""

    out_trade_no: str
    trade_no: str | None
    fen: int
    receipt_fen: int | None
    at: datetime
    state: str = "paid"
    evidence: str = "notice:1"


@dataclass(slots=True)
class Refund:
    """One of our refunds of a payment."""

    out_request_no: str
    of: Payment
    fen: int
    at: datetime
    state: str = "succeeded"
    origin: str = "staff"


@dataclass(slots=True)
class Planted:
    """Both sides, and what differs.

    trade, flow       Alipay's movements of the day in its two bills
    before, after     those of the days before and after, the same in both bills
    lines             further lines for the trade bill, of a kind that nobody knows
    heard             trades and refunds that only the bill knows and that fit: booked, and no difference
    """

    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    trade: list[Movement] = field(default_factory=list)
    flow: list[Movement] = field(default_factory=list)
    before: list[Movement] = field(default_factory=list)
    after: list[Movement] = field(default_factory=list)
    lines: list[Movement] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    breaks_balance: bool = False

    def expect(self, kind: str, movement: Movement, state: str = CASE) -> None:
        self.truth.append(Truth(kind, movement.trade_no, movement.out_request_no, state))

    def swap(self, old: Movement, *new: Movement, among: Iterable[str] = ("trade", "flow")) -> None:
        """Put others in a movement's place in these bills; none takes it out."""
        for name in among:
            bill = getattr(self, name)
            at = bill.index(old)
            bill[at : at + 1] = new


def planted(lines: int, differences: int, seed: int) -> Planted:
    """A day of so many lines with so many plants, every kind about as often."""
    chance = random.Random(seed)  # noqa: S311  # a plan, no secret
    both = Planted()
    for number in range(1, lines + 1):
        _agreed(both, number, DAY + timedelta(minutes=30) + timedelta(hours=23) * number / (lines + 1), chance)
    untouched = [each for each in both.trade if not each.is_refund]
    of = {each.trade_no: each for each in both.trade if each.is_refund}
    whole = [each for each in untouched if each.trade_no not in of]
    back = list(of.values())
    chance.shuffle(whole)
    chance.shuffle(back)
    for number in range(differences):
        plant, about = PLANTS[number % len(PLANTS)]
        plant(both, (whole if about == "payment" else back).pop())
    return both


def _agreed(both: Planted, number: int, at: datetime, chance: random.Random) -> None:
    """A payment, or for every fifth line the refund of the payment before it, known on both sides."""
    if number % 5:
        fen = chance.randrange(100, 500_000)
        trade_no, out_trade_no = f"2026112222001{number:015d}", f"20261122{number:012d}"
        movement = Movement(at, at, trade_no, out_trade_no, "明前龙井 50 克", fen, -fee_of(fen, RATE))
        both.payments[trade_no] = Payment(out_trade_no, trade_no, fen, fen, at)
    else:
        paid = both.trade[-1]
        fen = paid.fen if number % 10 else paid.fen // 2
        returned = fee_of(paid.fen, RATE) - fee_of(paid.fen - fen, RATE)
        request = f"{paid.out_trade_no}R1"
        movement = replace(paid, at=at, fen=-fen, fee_fen=returned, out_request_no=request, note="退货")
        both.refunds[request] = Refund(request, both.payments[paid.trade_no], fen, at)
    both.trade.append(movement)
    both.flow.append(movement)


def _another(movement: Movement, mark: int) -> str:
    """The number of a trade that is not this one's, and as long."""
    return movement.trade_no.replace("22001", f"2200{mark}", 1)


# --- what can differ about a payment --------------------------------------------------------------------------------


def not_in_bill(both: Planted, paid: Movement) -> None:
    both.swap(paid)
    both.expect("payment_not_in_bill", paid)


def not_here(both: Planted, paid: Movement) -> None:
    """Our attempt is over another amount, so nothing can be booked."""
    ours = both.payments[paid.trade_no]
    ours.state, ours.trade_no, ours.receipt_fen, ours.fen = "presented", None, None, ours.fen - 1
    both.expect("payment_not_here", paid)


def never_told(both: Planted, paid: Movement) -> None:
    """No notice, no answer: the bill is the first to tell, it fits, and the payment is booked."""
    ours = both.payments[paid.trade_no]
    ours.state, ours.trade_no, ours.receipt_fen = "presented", None, None
    both.heard.append(paid.trade_no)


def unknown_number(both: Planted, paid: Movement) -> None:
    del both.payments[paid.trade_no]
    both.expect("unknown_number", paid)


def other_amount(both: Planted, paid: Movement) -> None:
    both.swap(paid, replace(paid, fen=paid.fen + 1))
    both.expect("bill_amount", paid)


def other_number(both: Planted, paid: Movement) -> None:
    both.swap(paid, replace(paid, out_trade_no=f"{paid.out_trade_no}X"))
    both.expect("bill_number", paid)


def another_trade(both: Planted, paid: Movement) -> None:
    """Our number was paid by another trade than the one in the bill."""
    another = replace(paid, trade_no=_another(paid, 9))
    both.swap(paid, another)
    both.expect("payment_not_in_bill", paid)
    both.expect("bill_number", another)


def other_receipt(both: Planted, paid: Movement) -> None:
    both.payments[paid.trade_no].receipt_fen = paid.fen - 1
    both.expect("bill_receipt", paid)


def other_fee(both: Planted, paid: Movement) -> None:
    both.swap(paid, replace(paid, fee_fen=paid.fee_fen - 1))
    both.expect("bill_fee", paid)


def twice(both: Planted, paid: Movement) -> None:
    both.swap(paid, paid, paid, among=["trade"])
    both.expect("bill_duplicate", paid)


def of_an_unknown_kind(both: Planted, paid: Movement) -> None:
    odd = replace(paid, trade_no=_another(paid, 8), out_trade_no=f"{paid.out_trade_no}W")
    both.lines.append(odd)
    both.expect("bill_word", odd)


def long_ago_here(both: Planted, paid: Movement) -> None:
    both.payments[paid.trade_no].at = DAY - timedelta(days=5)
    both.expect("bill_day", paid)


def before_midnight(both: Planted, paid: Movement) -> None:
    """Ours says 23:59:58 of the day before, Alipay's bill this day."""
    both.payments[paid.trade_no].at = DAY - timedelta(seconds=2)
    both.expect("bill_day", paid, EXPLAINED)


def in_the_bill_before(both: Planted, paid: Movement) -> None:
    """Ours says 00:00:02, Alipay's bill the day before."""
    both.payments[paid.trade_no].at = DAY + timedelta(seconds=2)
    both.swap(paid)
    both.before.append(replace(paid, at=DAY - timedelta(seconds=1)))
    both.expect("payment_not_in_bill", paid, EXPLAINED)


def in_the_next_bill(both: Planted, paid: Movement) -> None:
    """Ours says 23:59:58, Alipay's bill the day after: it waits, until that one is read."""
    both.payments[paid.trade_no].at = DAY + ONE_DAY - timedelta(seconds=2)
    both.swap(paid)
    both.after.append(replace(paid, at=DAY + ONE_DAY))
    both.expect("payment_not_in_bill", paid, WAITING)


# --- about a refund -------------------------------------------------------------------------------------------------


def refund_not_in_bill(both: Planted, back: Movement) -> None:
    both.swap(back)
    both.expect("refund_not_in_bill", back)


def refund_not_here(both: Planted, back: Movement) -> None:
    """We refused it, and it stands in the bill."""
    both.refunds[back.out_request_no].state = "rejected"
    both.expect("refund_not_here", back)


def refund_never_told(both: Planted, back: Movement) -> None:
    """Sent, and no answer: the bill tells that it happened, and it is booked."""
    both.refunds[back.out_request_no].state = "sent"
    both.heard.append(back.out_request_no)
    both.expect("bill_day", back, EXPLAINED)  # booked when we heard of it, which is not that day


def outside_refund(both: Planted, back: Movement) -> None:
    del both.refunds[back.out_request_no]
    both.expect("outside_refund", back)
    both.expect("bill_day", back, EXPLAINED)


def outside_refund_without_a_number(both: Planted, back: Movement) -> None:
    del both.refunds[back.out_request_no]
    nameless = replace(back, out_request_no="")
    both.swap(back, nameless)
    both.expect("outside_refund", nameless)
    both.expect("bill_day", nameless, EXPLAINED)


def refund_by_another_name(both: Planted, back: Movement) -> None:
    """Made in Alipay's console, and its answers name it otherwise than the bill: one refund, and no difference."""
    both.refunds[back.out_request_no].origin = "external"
    both.swap(back, replace(back, out_request_no=f"{back.out_request_no}Y"))


def unknown_refund(both: Planted, back: Movement) -> None:
    odd = replace(back, trade_no=_another(back, 7), out_trade_no=f"{back.out_trade_no}U")
    both.trade.append(odd)
    both.flow.append(odd)
    both.expect("unknown_refund", odd)


def other_refund_amount(both: Planted, back: Movement) -> None:
    both.swap(back, replace(back, fen=back.fen + 1))
    both.expect("bill_refund_amount", back)


def other_fee_back(both: Planted, back: Movement) -> None:
    both.swap(back, replace(back, fee_fen=back.fee_fen + 1))
    both.expect("bill_fee", back)


def refund_twice(both: Planted, back: Movement) -> None:
    both.swap(back, back, back, among=["trade"])
    both.expect("bill_duplicate", back)


# --- between Alipay's two bills -------------------------------------------------------------------------------------


def flow_without_trade(both: Planted, paid: Movement) -> None:
    odd = replace(paid, trade_no=_another(paid, 6), out_trade_no=f"{paid.out_trade_no}F", fee_fen=0)
    both.flow.append(odd)
    both.expect("flow_without_trade", odd)


def trade_without_flow(both: Planted, paid: Movement) -> None:
    both.swap(paid, replace(paid, fen=0), among=["flow"])
    both.expect("trade_without_flow", paid)


def flow_amount(both: Planted, paid: Movement) -> None:
    both.swap(paid, replace(paid, fen=paid.fen - 1), among=["flow"])
    both.expect("flow_amount", paid)


def flow_fee(both: Planted, paid: Movement) -> None:
    both.swap(paid, replace(paid, fee_fen=paid.fee_fen - 1), among=["flow"])
    both.expect("flow_fee", paid)


def flow_balance(both: Planted, _paid: Movement) -> None:
    """The account's balance does not follow from its movements: told once a bill."""
    if not both.breaks_balance:
        both.truth.append(Truth("flow_balance", "", "", CASE))
    both.breaks_balance = True


PLANTS: list[tuple[Callable[[Planted, Movement], None], str]] = [
    *((plant, "payment") for plant in (
        not_in_bill, not_here, never_told, unknown_number, other_amount, other_number, another_trade, other_receipt, other_fee,
        twice, of_an_unknown_kind, long_ago_here, before_midnight, in_the_bill_before, in_the_next_bill, flow_without_trade,
        trade_without_flow, flow_amount, flow_fee, flow_balance,
    )),
    *((plant, "refund") for plant in (
        refund_not_in_bill, refund_not_here, refund_never_told, outside_refund, outside_refund_without_a_number,
        refund_by_another_name, unknown_refund, other_refund_amount, other_fee_back, refund_twice,
    )),
]  # fmt: skip
