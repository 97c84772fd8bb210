"""Notices and returns: their fields, and Alipay's timetable until the shop answers exactly "success".

Source: dossier 3 (refunds), 4.2 and 4.5.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from payments.alipay.clock import to_beijing
from payments.alipay.messages import DEPOSIT_BACK
from payments.alipay.requests import PAGE_PAY
from payments.alipay.signing import notice_text, sign
from payments.sandbox import spoiling
from payments.sandbox.alipay import BUYER, PAGES, Alipay
from payments.sandbox.book import Delivery, Refund, Trade
from payments.sandbox.faults import Fault
from payments.sandbox.refunds import AT_THE_BANK

# Pauses before each repeat: eight deliveries in about 25 hours. A counter's sale is repeated three times at once first.
TIMETABLE = [timedelta(minutes=minutes) for minutes in (4, 10, 10, 60, 120, 360, 900)]
AT_ONCE = 3
ACCEPTED = "success"


def announce(alipay: Alipay, now: datetime) -> list[Delivery]:
    """Start telling the shop, at each payment's notify_url, what happened since the last call."""
    told = [_start(alipay, trade, refund, now) for trade, refund in alipay.untold if trade.notify_url]
    for trade, refund in alipay.untold:
        if refund is not None and refund.to_bank_card and refund.tells_deposit and alipay.app_gateway:
            told.append(_start_message(alipay, trade, refund, now))
    alipay.untold.clear()
    return told


def _start(alipay: Alipay, trade: Trade, refund: Refund | None, now: datetime) -> Delivery:
    fields = notice_of(alipay, trade, now) if refund is None else refund_notice_of(alipay, trade, refund, now)
    delivery = Delivery(
        notify_id=fields["notify_id"], url=trade.notify_url, fields=fields, next_at=now,
        at_once=AT_ONCE if trade.at_counter and refund is None else 0,
    )  # fmt: skip
    if alipay.faults.strikes(Fault.NOTICE_LATE):
        delivery.next_at = now + timedelta(seconds=alipay.faults.seconds(Fault.NOTICE_LATE, 10))
    alipay.book.keep(delivery)
    return delivery


def _start_message(alipay: Alipay, trade: Trade, refund: Refund, now: datetime) -> Delivery:
    """To the application's gateway, when the bank has the money. Source: dossier 2.10."""
    at = refund.at + AT_THE_BANK
    content = {
        "trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no, "out_request_no": refund.out_request_no,
        "dback_status": "S", "dback_amount": refund.amount.to_yuan(), "bank_ack_time": to_beijing(at),
    }  # fmt: skip
    fields = {
        "notify_id": _notify_id(alipay, now), "utc_timestamp": str(int(at.timestamp() * 1000)),
        "msg_method": DEPOSIT_BACK, "app_id": alipay.identity.app_id, "version": "1.1", "charset": "UTF-8",
        "sign_type": "RSA2", "biz_content": json.dumps(content, separators=(",", ":")),
    }  # fmt: skip
    delivery = Delivery(notify_id=fields["notify_id"], url=alipay.app_gateway, fields=fields, next_at=at)
    alipay.book.keep(delivery)
    return delivery


def _notify_id(alipay: Alipay, now: datetime) -> str:
    return f"{to_beijing(now):.10}".replace("-", "") + f"{alipay.chance.randrange(10**24):024d}"


def notice_of(alipay: Alipay, trade: Trade, now: datetime) -> dict[str, str]:
    """The fields of the notice about a trade's present state, without notify_time and signature."""
    identity = alipay.identity
    fields = {
        "notify_type": "trade_status_sync", "version": "1.0", "sign_type": "RSA2", "charset": _spelt(trade.charset),
        "notify_id": _notify_id(alipay, now),
        "app_id": identity.app_id, "auth_app_id": identity.app_id, "seller_id": identity.seller_id,
        "trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no, "trade_status": trade.status,
        "subject": trade.subject, "total_amount": trade.total.to_yuan(), **BUYER,
    }  # fmt: skip
    if identity.certificates is not None:
        fields["alipay_cert_sn"] = identity.certificates.alipay_cert_sn
    if trade.details.get("body"):
        fields["body"] = trade.details["body"]
    if trade.passback_params:
        fields["passback_params"] = trade.passback_params
    if trade.created_at is not None:
        fields["gmt_create"] = to_beijing(trade.created_at)
    if trade.paid_at is not None:
        paid = trade.total.to_yuan()
        funds = [{"amount": paid, "fundChannel": trade.channel}]
        fields |= {
            "gmt_payment": to_beijing(trade.paid_at), "receipt_amount": paid, "buyer_pay_amount": paid,
            "invoice_amount": paid, "point_amount": "0.00", "fund_bill_list": json.dumps(funds, separators=(",", ":")),
        }  # fmt: skip
    return fields


def refund_notice_of(alipay: Alipay, trade: Trade, refund: Refund, now: datetime) -> dict[str, str]:
    """The fields of the notice about a refund that just happened: refund_fee is cumulative, and no receipt is told."""
    left_out = ("receipt_amount", "buyer_pay_amount", "invoice_amount", "point_amount", "fund_bill_list")
    fields = {name: value for name, value in notice_of(alipay, trade, now).items() if name not in left_out}
    milliseconds = refund.at.microsecond // 1000
    fields |= {
        "refund_fee": trade.refunded.to_yuan(), "out_biz_no": refund.out_request_no,
        "gmt_refund": f"{to_beijing(refund.at)}.{milliseconds:03d}",
    }  # fmt: skip
    if trade.closed_at is not None:
        fields["gmt_close"] = to_beijing(trade.closed_at)
    return fields


def signed_notice(alipay: Alipay, fields: dict[str, str], now: datetime) -> dict[str, str]:
    """The same fields as they are sent at `now`: every try of a notice has its own notify_time, and so its own signature."""
    sent = fields if "msg_method" in fields else {**fields, "notify_time": to_beijing(now)}
    text = notice_text(sent, keep_empty=False).encode(sent.get("charset", "utf-8"), "replace")
    return {**sent, "sign": sign(text, alipay.identity.alipay_key)}


def signed_return(alipay: Alipay, trade: Trade, now: datetime) -> dict[str, str]:
    """The parameters a browser carries back to return_url: no status, for it decides nothing. Source: dossier 4.6."""
    method = next((method for method, product in PAGES.items() if product == trade.product), PAGE_PAY)
    identity = alipay.identity
    fields = {
        "charset": _spelt(trade.charset), "out_trade_no": trade.out_trade_no, "method": f"{method}.return",
        "total_amount": trade.total.to_yuan(), "trade_no": trade.trade_no, "auth_app_id": identity.app_id,
        "version": "1.0", "app_id": identity.app_id, "sign_type": "RSA2", "seller_id": identity.seller_id,
        "timestamp": to_beijing(now),
    }  # fmt: skip
    text = notice_text(fields, keep_empty=False).encode(trade.charset)
    return {**fields, "sign": sign(text, identity.alipay_key)}


# --- delivering ------------------------------------------------------------------------------------------------------


def due(alipay: Alipay, now: datetime) -> list[Delivery]:
    """The deliveries to try now, in the order they arose, one pair of neighbours swapped where that fault strikes."""
    if alipay.faults.is_on(Fault.MUTE):
        return []
    ready = [each for each in alipay.book.waiting() if each.next_at is not None and each.next_at <= now]
    if not alipay.faults.is_on(Fault.NOTICE_SWAPPED):
        return ready
    if len(ready) < 2:
        return []  # it waits for the next one, to come after it
    return [ready[1], ready[0], *ready[2:]] if alipay.faults.strikes(Fault.NOTICE_SWAPPED) else ready


def next_due(alipay: Alipay, now: datetime) -> timedelta | None:
    """How long until a delivery becomes due; None while nothing will."""
    if alipay.faults.is_on(Fault.MUTE):
        return None
    later = [each.next_at - now for each in alipay.book.waiting() if each.next_at is not None and each.next_at > now]
    return min(later, default=None)


def tries(alipay: Alipay, delivery: Delivery, now: datetime) -> Iterator[dict[str, str]]:
    """What is sent at this try: one signed form; none or two, or an untrue one, where a fault strikes."""
    faults, fields = alipay.faults, delivery.fields
    if faults.strikes(Fault.WRONG_AMOUNT):
        fields = spoiling.one_fen_more(fields)
    if not delivery.is_message and faults.strikes(Fault.WRONG_SELLER):
        fields = {**fields, "seller_id": spoiling.STRANGER}
    sent = signed_notice(alipay, fields, now)
    if faults.strikes(Fault.BAD_SIGNATURE):
        sent["sign"] = signed_notice(alipay, {**fields, "version": "0"}, now)["sign"]
    delivery.sent = sent
    if faults.strikes(Fault.NOTICE_LOST):
        return
    yield sent
    if faults.strikes(Fault.NOTICE_TWICE):
        yield sent


def after_try(alipay: Alipay, delivery: Delivery, answer: str, now: datetime, *, timescale: float) -> None:
    """Note what the shop answered and when to try again. timescale 0.01 makes a day a quarter of an hour."""
    delivery.answers.append(answer[:200])
    delivery.tried_at.append(now)
    delivery.tries += 1
    pauses = [timedelta(0)] * delivery.at_once + TIMETABLE
    if answer == ACCEPTED or delivery.tries > len(pauses):
        delivery.next_at = None
    else:
        delivery.next_at = now + pauses[delivery.tries - 1] * timescale
    alipay.book.keep(delivery)


def _spelt(charset: str) -> str:
    return "GBK" if charset == "gbk" else "utf-8"
