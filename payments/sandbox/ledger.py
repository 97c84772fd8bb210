"""The merchant's account at this Alipay: every payment and refund as a movement with its fee, in order of time.

Fees: a part of each payment, half-up to the fen; refunds give it back so that all parts together never exceed the
charge. Source: dossier 6.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter

from payments.sandbox.book import Book, Refund, Trade


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a trade bill, and the two lines of the ledger behind it.

    fen             what moved: above 0 a payment, below 0 a refund
    fee_fen         what the fee changed the account by: below 0 charged, above 0 given back
    out_request_no  of a refund, else empty
    at              when it moved; created_at is the trade's
    """

    at: datetime
    created_at: datetime
    trade_no: str
    out_trade_no: str
    subject: str
    fen: int
    fee_fen: int
    out_request_no: str = ""
    note: str = ""
    details: tuple[tuple[str, str], ...] = ()

    @property
    def is_refund(self) -> bool:
        return self.fen < 0


def fee_of(fen: int, rate: Decimal) -> int:
    """The fee on this much, in whole fen, half-up."""
    return int((fen * rate).to_integral_value(ROUND_HALF_UP))


def movements(book: Book, rate: Decimal) -> list[Movement]:
    """All of them, oldest first."""
    found = [each for trade in book.trades.values() for each in _of(trade, rate)]
    return sorted(found, key=attrgetter("at"))  # stable: a refund stands behind its payment


def _of(trade: Trade, rate: Decimal) -> list[Movement]:
    if trade.paid_at is None:
        return []
    found = [_movement(trade, trade.paid_at, trade.total_fen, -fee_of(trade.total_fen, rate))]
    left = trade.total_fen
    for refund in trade.refunds:
        returned = fee_of(left, rate) - fee_of(left - refund.fen, rate)
        left -= refund.fen
        found.append(_movement(trade, refund.at, -refund.fen, returned, refund))
    return found


def _movement(trade: Trade, at: datetime, fen: int, fee_fen: int, refund: Refund | None = None) -> Movement:
    return Movement(
        at=at, created_at=trade.created_at or at, trade_no=trade.trade_no, out_trade_no=trade.out_trade_no,
        subject=trade.subject, fen=fen, fee_fen=fee_fen, out_request_no=refund.out_request_no if refund else "",
        note=refund.reason if refund else trade.details.get("body", ""), details=tuple(trade.details.items()),
    )  # fmt: skip
