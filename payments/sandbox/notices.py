"""Alipay's timetable of notices: again until the shop answers exactly "success", eight times in about 25 hours."""

from datetime import datetime, timedelta

from payments.sandbox.alipay import Alipay
from payments.sandbox.book import Delivery, Trade

# Pauses before each repeat; source: dossier 4.5.
TIMETABLE = [timedelta(minutes=minutes) for minutes in (4, 10, 10, 60, 120, 360, 900)]
ACCEPTED = "success"


def announce(alipay: Alipay, trade: Trade, now: datetime) -> Delivery | None:
    """Start telling the shop about a trade's present state. None where the shop gave no notify_url."""
    if not trade.notify_url:
        return None
    return _start(alipay, trade, alipay.notice_of(trade, now), now)


def announce_refunds(alipay: Alipay, now: datetime) -> list[Delivery]:
    """Start telling the shop, at the payment's notify_url, about every refund since the last call."""
    told = [
        _start(alipay, trade, alipay.refund_notice_of(trade, refund, now), now)
        for trade, refund in alipay.untold
        if trade.notify_url
    ]
    alipay.untold.clear()
    return told


def _start(alipay: Alipay, trade: Trade, fields: dict[str, str], now: datetime) -> Delivery:
    delivery = Delivery(notify_id=fields["notify_id"], url=trade.notify_url, fields=fields, next_at=now)
    alipay.book.keep(delivery)
    return delivery


def after_try(alipay: Alipay, delivery: Delivery, answer: str, now: datetime, *, timescale: float) -> None:
    """Note what the shop answered and when to try again. timescale 0.01 makes a day a quarter of an hour."""
    delivery.answers.append(answer[:200])
    delivery.tries += 1
    if answer == ACCEPTED or delivery.tries > len(TIMETABLE):
        delivery.next_at = None
    else:
        delivery.next_at = now + TIMETABLE[delivery.tries - 1] * timescale
    alipay.book.keep(delivery)
