"""Lies that are told on purpose: a fen too much, another merchant, yesterday's state."""

from dataclasses import replace
from typing import Any

from payments.alipay.facts import TradeStatus
from payments.money import Money
from payments.sandbox.book import OFFERED, Trade

_AMOUNTS = ("total_amount", "refund_amount", "refund_fee")
STRANGER = "2088000000000009"


def one_fen_more(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields with every amount that was agreed on one fen too high."""
    return {
        name: Money(Money.from_yuan(value).fen + 1).to_yuan() if name in _AMOUNTS else value
        for name, value in fields.items()
    }


def before_the_last_change(trade: Trade) -> Trade:
    """The trade as an old copy of Alipay's books knows it."""
    if trade.refunds:
        return replace(trade, status=TradeStatus.PAID.value, closed_at=None, refunds=trade.refunds[:-1])
    if trade.paid_at is not None:
        return replace(trade, status=TradeStatus.WAITING.value, paid_at=None)
    if trade.status == TradeStatus.CLOSED:
        return replace(trade, status=TradeStatus.WAITING.value, closed_at=None)
    return replace(trade, status=OFFERED)
