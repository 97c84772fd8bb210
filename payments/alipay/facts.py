"""What Alipay can tell us about a trade, whichever door it came through."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from payments.alipay.clock import from_beijing
from payments.errors import InvalidAmount
from payments.money import Money


class TradeStatus(StrEnum):
    """Alipay's states, with the two it has no word for. Source: dossier 3."""

    ABSENT = "ABSENT"  # no trade yet: the buyer has not scanned or logged in
    WAITING = "WAIT_BUYER_PAY"
    PAID = "TRADE_SUCCESS"
    FINISHED = "TRADE_FINISHED"  # paid, and no longer refundable
    CLOSED = "TRADE_CLOSED"  # unpaid and over, or paid and fully refunded
    UNREADABLE = "UNREADABLE"  # a word Alipay does not document


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """One trade as Alipay described it in one signed message.

    app_id, seller_id   who the message says it is for; a query's answer is for whoever asked
    trade_no            Alipay's number; None while no trade exists
    total, receipt      order amount; what the merchant receives before fees. None where absent or not readable
    total_text          the amount as it was written, for the case that follows when it can't be read
    paid_at             aware, Beijing
    """

    app_id: str
    seller_id: str
    out_trade_no: str
    status: TradeStatus
    trade_no: str | None = None
    total: Money | None = None
    total_text: str = ""
    receipt: Money | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """A message that carries refund_fee, gmt_refund or out_biz_no: about a refund, never about a payment.

    refunded_total  refund_fee: all that was refunded on the trade so far, not this refund alone
    out_request_no  out_biz_no: our number of the refund, or out_trade_no where none was sent
    """

    app_id: str
    seller_id: str
    out_trade_no: str
    status: TradeStatus
    trade_no: str | None
    total: Money | None
    refunded_total: Money | None
    out_request_no: str
    refunded_at: datetime | None


class BankStatus(StrEnum):
    """How far a refund to a bank card has come. Source: dossier 2.10."""

    ARRIVED = "S"
    FAILED = "F"
    UNDER_WAY = "P"
    UNREADABLE = "?"


@dataclass(frozen=True, slots=True)
class DepositBack:
    """A refund on its way from Alipay to the buyer's bank card.

    acknowledged_at  when the bank took it, aware, Beijing
    expected_at      when it is expected there; only answers tell it
    """

    out_trade_no: str
    out_request_no: str
    trade_no: str
    status: BankStatus
    amount: Money | None
    acknowledged_at: datetime | None
    expected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund that moved money.

    amount          of this refund; None where the answer does not tell it
    refunded_total  all that was refunded on the trade so far; None where the answer does not tell it
    deposit_back    where the money goes on to a bank card and this was asked for
    """

    trade_no: str
    amount: Money | None
    refunded_total: Money | None
    deposit_back: DepositBack | None = None


@dataclass(frozen=True, slots=True)
class BillLink:
    """Where a bill can be fetched within thirty seconds. Never stored, never logged: it opens the file to anyone.

    url       empty where Alipay has no file for a day without business
    is_empty  Alipay says that no line is in it
    """

    url: str = field(repr=False)
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A cancelled trade: closed unpaid, or paid and now refunded in full."""

    trade_no: str
    was_paid: bool


_TRADE_NO = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_YEARS = range(2004, 2100)
_KNOWN = {
    status.value: status for status in (TradeStatus.WAITING, TradeStatus.PAID, TradeStatus.FINISHED, TradeStatus.CLOSED)
}


def status_of(word: str) -> TradeStatus:
    """One of Alipay's four words; anything else is UNREADABLE, also our own ABSENT."""
    return _KNOWN.get(word, TradeStatus.UNREADABLE)


def deposit_back_of(fields: Mapping[str, Any], out_trade_no: str, out_request_no: str) -> DepositBack:
    """Read deposit_back_info of an answer, or the content of Alipay's message about it."""
    text = {name: value for name, value in fields.items() if isinstance(value, str)}
    word = text.get("dback_status", "")
    return DepositBack(
        out_trade_no=out_trade_no,
        out_request_no=out_request_no,
        trade_no=text.get("trade_no", ""),
        status=BankStatus(word) if word in ("S", "F", "P") else BankStatus.UNREADABLE,
        amount=amount_of(text.get("dback_amount", "")),
        acknowledged_at=time_of(text.get("bank_ack_time", "")),
        expected_at=time_of(text.get("est_bank_receipt_time", "")),
    )


def amount_of(text: str) -> Money | None:
    """None where the amount is absent or not one: the gates then refuse it, and a person sees the text."""
    try:
        return Money.from_yuan(text)
    except InvalidAmount:
        return None


def trade_no_of(text: str) -> str | None:
    """None where Alipay's number is absent or none that can be kept and sent back: a person then sees the message."""
    return text if _TRADE_NO.fullmatch(text) else None


def time_of(text: str) -> datetime | None:
    """None where the time is absent, not one, or of another age than Alipay's: databases can't keep every year."""
    try:
        moment = from_beijing(text)
    except ValueError:
        return None
    return moment if moment.year in _YEARS else None
