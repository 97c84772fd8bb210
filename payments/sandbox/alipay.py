"""A pretend Alipay without wires: what the gateway decides and answers. Time and chance come in as arguments.

`answer` takes the parameters of a request and gives the signed body; `decide` does the same without signatures, for
whoever drives thousands of trades a second. Everything that happened stays in the book; all of it can be deep-copied.
"""

import random
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from payments.alipay.clock import to_beijing
from payments.alipay.encryption import ENCRYPT_TYPE
from payments.alipay.outcomes import BILL_LINK, CANCEL, CLOSE, CREATE, PAY, PRECREATE, QUERY, REFUND, REFUND_QUERY
from payments.alipay.requests import APP_PAY, PAGE_PAY, WAP_PAY
from payments.errors import InvalidAmount
from payments.money import Money
from payments.sandbox import spoiling
from payments.sandbox.barcodes import SCENES, read_code
from payments.sandbox.bill_links import BillLinks
from payments.sandbox.book import OFFERED, Book, Refund, Trade
from payments.sandbox.envelope import Call, Style, opened, written
from payments.sandbox.faults import Fault, Faults
from payments.sandbox.identity import Identity
from payments.sandbox.refunds import APART, AT_THE_BANK, Refunds, deposit_back
from payments.sandbox.refusals import SYSTEM_ERROR, Refused, invalid
from payments.sandbox.trades import Trades

DOWNLOAD_CERTIFICATE = "alipay.open.app.alipaycert.download"
PAGES = {PAGE_PAY: "FAST_INSTANT_TRADE_PAY", WAP_PAY: "QUICK_WAP_WAY", APP_PAY: "QUICK_MSECURITY_PAY"}
FEE_RATE = Decimal("0.006")
BUYER = {"buyer_logon_id": "159****5620", "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"}
_NOTHING_PAID = dict.fromkeys(("buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount"), "0.00")
Answer = dict[str, Any]

__all__ = ["Alipay", "Identity", "Refused"]


class Alipay:
    """The gateway, and the acts of buyers. Every method takes `now`.

    untold       what happened and no notice was made of yet: a payment (None), or a refund
    order        of an answer's fields: "first" (code and msg first), "alphabetical", or "mixed" by chance
    fee_rate     part of each payment that Alipay keeps, for the bills
    apart        the least time between two refunds of one trade
    app_gateway  the application's gateway address, for messages about refunds to bank cards; empty sends none
    """

    def __init__(
        self,
        identity: Identity,
        book: Book,
        *,
        chance: random.Random,
        address: str,
        least_life: timedelta,
        seed: int | None = None,
        order: str = "first",
        fee_rate: Decimal = FEE_RATE,
        apart: timedelta = APART,
        app_gateway: str = "",
    ) -> None:
        self.identity = identity
        self.book = book
        self.chance = chance
        self.faults = Faults(seed)
        self.trades = Trades(book, chance=chance, address=address, least_life=least_life)
        self.refunds = Refunds(self.trades, apart=apart)
        self.bills = BillLinks(book, identity.seller_id, address=address, fee_rate=fee_rate, chance=chance, seed=seed)
        self.untold: list[tuple[Trade, Refund | None]] = []
        self.app_gateway = app_gateway
        self._order = order

    # --- the gateway ---------------------------------------------------------------------------------------------

    def answer(self, params: dict[str, str], now: datetime, charset: str | None = None) -> str:
        """The body of a server-to-server answer: always readable, signed unless the gateway itself refuses.

        charset  the one the parameters were decoded with, where the request did not name it
        """
        method = params.get("method", "")
        node = method.replace(".", "_") + "_response" if method else "error_response"
        in_order = self._order == "alphabetical" or (self._order == "mixed" and self.chance.random() < 0.5)
        encoding, is_of_gateway = "utf-8", False
        try:
            call = opened(params, self.identity, charset)
            encoding = call.charset
            fields = self._with_faults(call, now)
        except Refused as refusal:
            fields, is_of_gateway = _refused(method, refusal), refusal.is_of_gateway
        style = Style(
            in_order,
            encrypts=params.get("encrypt_type") == ENCRYPT_TYPE and not is_of_gateway,
            is_signed=not is_of_gateway and not self.faults.strikes(Fault.UNSIGNED, method),
            spoiled=not is_of_gateway and self.faults.strikes(Fault.BAD_ANSWER_SIGNATURE, method),
        )
        return written(node, fields, self.identity, style, encoding)

    def _with_faults(self, call: Call, now: datetime) -> Answer:
        if self.faults.strikes(Fault.RATE_LIMIT, call.method):
            raise Refused("isv.app-call-limited")
        fields = {"code": "10000", "msg": "Success", **self.decide(call, now)}
        if self.faults.strikes(Fault.ERROR_AFTER, call.method):
            raise Refused("AQC.SYSTEM_ERROR" if call.method == CANCEL else SYSTEM_ERROR, "系统错误")
        if self.faults.strikes(Fault.WRONG_ANSWER_AMOUNT, call.method):
            return spoiling.one_fen_more(fields)
        return fields

    def decide(self, call: Call, now: datetime) -> Answer:
        """What a genuine call leads to: the fields of its answer. Raises Refused."""
        methods: dict[str, Callable[[Call, datetime], Answer]] = {
            PRECREATE: self._precreate, PAY: self._barcode_pay, CREATE: self._create, QUERY: self._query,
            CLOSE: self._close, CANCEL: self._cancel, REFUND: self._refund, REFUND_QUERY: self._refund_query,
            BILL_LINK: self._bill_link, DOWNLOAD_CERTIFICATE: self._download_certificate,
        }  # fmt: skip
        if call.method not in methods:
            raise Refused("isv.invalid-method")
        return methods[call.method](call, now)

    def _precreate(self, call: Call, now: datetime) -> Answer:
        product = call.text("product_code") or "FACE_TO_FACE_PAYMENT"
        trade = self.trades.offered(call, now, product=product, at_counter=True)
        self.trades.draw_code(trade, call, now)
        return {"out_trade_no": trade.out_trade_no, "qr_code": trade.qr_code}

    def _barcode_pay(self, call: Call, now: datetime) -> Answer:
        if call.text("scene") not in SCENES:
            raise invalid("scene")
        trade = self.trades.offered(call, now, product="FACE_TO_FACE_PAYMENT", at_counter=True)
        if not trade.exists:
            pays = read_code(call.text("auth_code"), trade, self.book)
            trade.auth_code = call.text("auth_code")
            self.enter(trade, now)
            if pays:
                self.pay(trade, now)
        numbers = {**BUYER, "out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}
        amounts = {"total_amount": trade.total.to_yuan(), **_paid(trade)}
        if trade.paid_at is None:
            return {"code": "10003", "msg": " order success pay inprocess", **numbers, **amounts}
        return {**numbers, **amounts, "gmt_payment": to_beijing(trade.paid_at)}

    def _create(self, call: Call, now: datetime) -> Answer:
        if not (call.text("buyer_id") or call.text("buyer_open_id") or call.text("op_buyer_open_id")):
            raise invalid("buyer_id")
        trade = self.trades.offered(call, now, product=call.text("product_code") or "JSAPI_PAY")
        self.enter(trade, now)
        return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}

    def _query(self, call: Call, now: datetime) -> Answer:
        trade = self.trades.existing(call, now)
        if self.faults.strikes(Fault.STALE, QUERY):
            trade = spoiling.before_the_last_change(trade)
            if trade.status == OFFERED:
                raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        fields = {
            **BUYER, "out_trade_no": trade.out_trade_no, "total_amount": trade.total.to_yuan(),
            "trade_no": trade.trade_no, "trade_status": trade.status, "subject": trade.subject, **_paid(trade),
        }  # fmt: skip
        if trade.paid_at is not None:
            fields["send_pay_date"] = to_beijing(trade.paid_at)
        return fields

    def _close(self, call: Call, now: datetime) -> Answer:
        trade = self.trades.existing(call, now)
        self.trades.close(trade, now)
        return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}

    def _cancel(self, call: Call, now: datetime) -> Answer:
        try:
            trade = self.trades.existing(call, now)
        except Refused as refusal:
            if refusal.sub_code != "ACQ.TRADE_NOT_EXIST" or not call.text("out_trade_no"):
                raise
            return {"out_trade_no": call.text("out_trade_no"), "retry_flag": "N"}
        action = self.refunds.cancel(trade, now)
        self._tell_refunds()
        return {"action": action, "out_trade_no": trade.out_trade_no, "retry_flag": "N", "trade_no": trade.trade_no}

    def _refund(self, call: Call, now: datetime) -> Answer:
        trade = self.trades.existing(call, now)
        before = len(trade.refunds)
        try:
            amount = Money.from_yuan(call.text("refund_amount"))
        except InvalidAmount:
            raise invalid("refund_amount") from None
        if self.faults.strikes(Fault.POOR_SELLER, REFUND):
            raise Refused("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
        wishes = {"reason": call.text("refund_reason"), "tells_deposit": call.wants("deposit_back_info")}
        refund = self.refund(trade, amount, call.text("out_request_no"), now, **wishes)
        return {
            **BUYER, "fund_change": "Y" if len(trade.refunds) > before else "N",
            "gmt_refund_pay": to_beijing(refund.at), "out_trade_no": trade.out_trade_no,
            "refund_fee": trade.refunded.to_yuan(), "send_back_fee": "0.00", "trade_no": trade.trade_no,
        }  # fmt: skip

    def _refund_query(self, call: Call, now: datetime) -> Answer:
        trade = self.trades.existing(call, now)
        if not call.text("out_request_no"):
            raise invalid("out_request_no")
        refund = trade.refund(call.text("out_request_no"))
        if refund is None or self.faults.strikes(Fault.STALE, REFUND_QUERY):
            return {}
        fields = {
            "out_request_no": refund.out_request_no, "out_trade_no": trade.out_trade_no,
            "refund_amount": refund.amount.to_yuan(), "refund_reason": refund.reason,
            "refund_status": "REFUND_SUCCESS", "total_amount": trade.total.to_yuan(), "trade_no": trade.trade_no,
        }  # fmt: skip
        if call.wants("gmt_refund_pay"):
            fields["gmt_refund_pay"] = to_beijing(refund.at)
        return {**fields, **_at_the_bank(call, refund, now)}

    def _bill_link(self, call: Call, now: datetime) -> Answer:
        return self.bills.link(call.text("bill_type"), call.text("bill_date"), now)

    def _download_certificate(self, call: Call, _now: datetime) -> Answer:
        known = self.identity.certificates
        if known is None or call.text("alipay_cert_sn") != known.alipay_cert_sn:
            raise Refused("isv.alipay_cert_sn_not_exist", "支付宝公钥证书不存在")
        return {"alipay_cert_content": b64encode(known.alipay_cert).decode()}

    # --- buyers, and Alipay's console ----------------------------------------------------------------------------

    def open_page(self, params: dict[str, str], now: datetime, charset: str | None = None) -> Trade:
        """A browser or an app opened a payment: shown, but no trade before the buyer logs in. Raises Refused."""
        call = opened(params, self.identity, charset)
        product = PAGES.get(call.method)
        if product is None:
            raise Refused("isv.invalid-method")
        if call.text("product_code") != product:
            raise invalid("product_code")
        return self.trades.offered(call, now, product=product)

    def enter(self, trade: Trade, now: datetime) -> Trade:
        """A buyer scanned the code or logged in. Raises Refused."""
        return self.trades.enter(trade, now)

    def pay(self, trade: Trade, now: datetime, *, channel: str = "") -> Trade:
        """The buyer confirms. Raises Refused when it was paid or closed before."""
        self.trades.pay(trade, now, channel=channel)
        self.untold.append((trade, None))
        return trade

    def refund(self, trade: Trade, amount: Money, out_request_no: str, now: datetime, **wishes: Any) -> Refund:
        """Give money back, at most once per number; without a number, the whole amount. Raises Refused.

        wishes  reason, tells_deposit
        """
        refund = self.refunds.refund(trade, amount, out_request_no, now, **wishes)
        self._tell_refunds()
        return refund

    def tick(self, now: datetime, trade: Trade | None = None) -> None:
        """Close what is over: this trade, or every one."""
        for each in [trade] if trade is not None else self.book.trades.values():
            self.trades.expire(each, now)

    def _tell_refunds(self) -> None:
        self.untold += self.refunds.untold
        self.refunds.untold.clear()


def _refused(method: str, refusal: Refused) -> Answer:
    """A query's and a barcode payment's refusal carries amounts too, all of nothing."""
    return {**refusal.fields, **(_NOTHING_PAID if method in (QUERY, PAY) and not refusal.is_of_gateway else {})}


def _paid(trade: Trade) -> Answer:
    if trade.paid_at is None:
        return {}
    paid = trade.total.to_yuan()
    return {
        "receipt_amount": paid, "buyer_pay_amount": paid, "invoice_amount": paid, "point_amount": "0.00",
        "fund_bill_list": [{"amount": paid, "fund_channel": trade.channel}],
    }  # fmt: skip


def _at_the_bank(call: Call, refund: Refund, now: datetime) -> Answer:
    status = deposit_back(refund, now)
    if not status or not (call.wants("deposit_back_info") or call.wants("deposit_back_info_list")):
        return {}
    name = "bank_ack_time" if status == "S" else "est_bank_receipt_time"
    told = {"has_deposit_back": "true", "dback_status": status, "dback_amount": refund.amount.to_yuan()}
    return {"deposit_back_info": {**told, name: to_beijing(refund.at + AT_THE_BANK)}}
