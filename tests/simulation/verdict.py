"""What must hold: every invariant at any instant; at the end that all is settled, and that both books agree to the fen."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection

from payments.models import Case, Order, OutboxMessage, Refund, Transaction
from payments.queries.invariants import EVERYTHING, invariants
from payments.sandbox.book import Book, Trade

AFTER_DRAINING = ("I-26", "I-27", "I-28", "I-29")  # hold when nothing that is due was left undone
AT_ANY_INSTANT = tuple(name for name in invariants() if name not in AFTER_DRAINING)


Step = tuple[str, dict[str, Any]]  # a rule of the history by name, and what was drawn for it


class Violation(AssertionError):
    """Something that must hold does not; in a history, with the seed and the steps that lead there."""

    def __init__(self, told: str, seed: int = 0, steps: Sequence[Step] = ()) -> None:
        super().__init__(told)
        self.seed, self.steps = seed, list(steps)


CONSOLE = "console"  # how refunds made in Alipay's console are numbered here
ABOUT_REFUNDS = (Case.Kind.EXTERNAL_REFUND, Case.Kind.REFUND_NOTICE)


def broken(names: Sequence[str] = AT_ANY_INSTANT) -> list[str]:
    """These invariants over the present records, in one statement: "I-04 transaction:17"."""
    with connection.cursor() as cursor:
        cursor.execute(_statement(tuple(names)), ())
        return [f"{name} {what}" for name, what in cursor.fetchall()]


@cache
def _statement(names: tuple[str, ...]) -> str:
    rules = {name: query.format(**EVERYTHING) for name, query in invariants().items() if name in names}
    return " UNION ALL ".join(f"SELECT '{name}', id FROM ({query}) AS broken(id)" for name, query in rules.items())


def is_doubted(attempt: Transaction) -> bool:
    """Whether a person was told that Alipay names another trade for this number."""
    return Case.objects.filter(kind=Case.Kind.OTHER_TRADE, subject=f"transaction:{attempt.pk}").exists()


def unsettled() -> list[str]:
    """What still waits, when all faults are over and every clock has run out."""
    return [
        *(f"order {each.number} awaits payment" for each in Order.objects.filter(state=Order.State.AWAITING_PAYMENT)),
        *(f"attempt {each} is {each.state}" for each in Transaction.objects.unsettled()),
        *(f"attempt {each} is in doubt" for each in Transaction.objects.filter(in_doubt=True)),
        *(
            f"refund {each} is {each.state}"  # a request waits for a person, seven days long
            for each in Refund.objects.filter(state__in=(Refund.State.APPROVED, Refund.State.SENT))
            if not Case.objects.open().filter(subject=f"refund:{each.pk}").exists()
        ),
        *(
            f"refund {each} failed, and nobody is told"
            for each in Refund.objects.filter(state=Refund.State.FAILED)
            if not Case.objects.filter(kind=Case.Kind.REFUND_REFUSED, subject=f"refund:{each.pk}").exists()
        ),
        *(
            f"follow-up {each} is not delivered: {each.last_error}"
            for each in OutboxMessage.objects.filter(delivered_at=None)
        ),
    ]


def differences(book: Book, *, told: bool) -> list[str]:
    """Where Alipay's book and ours differ, trade by trade and refund by refund; a case about it explains a difference.

    told  whether every notice came: without them a refund made in Alipay's console is found by the bill alone
    """
    ours = {each.out_trade_no: each for each in Transaction.objects.exclude(scene__in=Transaction.BY_HAND)}
    theirs = {number: trade for number, trade in book.trades.items() if trade.paid_at is not None}
    found = []
    for number in sorted(ours.keys() | theirs.keys()):
        attempt, trade = ours.get(number), theirs.get(number)
        here = (attempt.amount_fen, attempt.trade_no) if attempt and attempt.state == Transaction.State.PAID else None
        there = (trade.total_fen, trade.trade_no) if trade else None
        if here == there and attempt and trade:
            found += _refunds_differ(attempt, trade, told=told)
        elif here != there and not (trade and trade.refunded == trade.total):  # came and went before we could ask
            found.append(f"{number}: paid {there} at Alipay, {here} here")
    return found


def _refunds_differ(attempt: Transaction, trade: Trade, *, told: bool) -> list[str]:
    done = attempt.refunds.filter(state=Refund.State.SUCCEEDED)
    there, here = (
        {number: fen for number, fen in refunds if told or not number.startswith(CONSOLE)}
        for refunds in (
            [(each.out_request_no, each.fen) for each in trade.refunds],
            done.values_list("out_request_no", "amount_fen"),
        )
    )
    if here == there or Case.objects.open().filter(kind__in=ABOUT_REFUNDS, subject__endswith=f":{attempt.pk}").exists():
        return []
    return [f"{attempt}: refunded {there} at Alipay, {here} here"]
