"""A pretend Alipay without wires: what the gateway decides and answers. Time and chance come in as arguments."""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from payments.alipay.clock import to_beijing
from payments.alipay.facts import TradeStatus, time_of
from payments.alipay.outcomes import CANCEL, CLOSE, PRECREATE, QUERY, REFUND, REFUND_QUERY
from payments.alipay.requests import PAGE_PAY, WAP_PAY
from payments.alipay.signing import notice_text, request_text, sign, verifies
from payments.errors import InvalidAmount
from payments.money import Money
from payments.sandbox.book import Book, Refund, Trade

PAGES = {PAGE_PAY: "FAST_INSTANT_TRADE_PAY", WAP_PAY: "QUICK_WAP_WAY"}
LONGEST_LIFE = timedelta(days=15)
LONGEST_QR = timedelta(hours=2)
REFUND_WINDOW = timedelta(days=365)
CANCEL_WINDOW = timedelta(hours=24)
GATEWAY_REFUSALS = {
    "isv.invalid-app-id": ("40002", "Invalid Arguments", "无效的AppID参数"),
    "isv.invalid-signature": ("40002", "Invalid Arguments", "无效签名"),
    "isv.invalid-method": ("40002", "Invalid Arguments", "不存在的方法名"),
    "isv.missing-method": ("40001", "Missing Required Arguments", "缺少方法名参数"),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this pretend Alipay is for: one application of one merchant, and the keys of both sides."""

    app_id: str
    seller_id: str
    app_public_key: RSAPublicKey
    alipay_key: RSAPrivateKey


class Refused(Exception):
    """A request the gateway refuses. sub_code as Alipay spells it; code 40004 unless the gateway itself refuses."""

    def __init__(self, sub_code: str, sub_msg: str = "") -> None:
        code, msg, text = GATEWAY_REFUSALS.get(sub_code, ("40004", "Business Failed", sub_msg))
        super().__init__(sub_code)
        self.fields = {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": text}
        self.is_of_gateway = sub_code in GATEWAY_REFUSALS


class Alipay:
    """The life of trades. Every method takes `now`; what happened stays in the book."""

    def __init__(
        self, identity: Identity, book: Book, *, chance: random.Random, address: str, least_life: timedelta
    ) -> None:
        self.identity = identity
        self.book = book
        self._chance = chance
        self._address = address
        self._least_life = least_life
        self.untold: list[tuple[Trade, Refund]] = []  # refunds that no notice was made of yet

    # --- the gateway ---------------------------------------------------------------------------------------------

    def answer(self, params: dict[str, str], now: datetime) -> str:
        """The body of a server-to-server answer: always readable, signed unless the gateway itself refuses."""
        method = params.get("method", "")
        node = method.replace(".", "_") + "_response" if method else "error_response"
        try:
            fields = {"code": "10000", "msg": "Success", **self._called(params, now)}
        except Refused as refusal:
            return _answer(node, refusal.fields, key=None if refusal.is_of_gateway else self.identity.alipay_key)
        return _answer(node, fields, key=self.identity.alipay_key)

    def _called(self, params: dict[str, str], now: datetime) -> dict[str, str]:
        biz = self.verified(params)
        methods = {
            PRECREATE: self._precreate, QUERY: self._query, CLOSE: self._close, CANCEL: self._cancel,
            REFUND: self._refund, REFUND_QUERY: self._refund_query,
        }  # fmt: skip
        if params["method"] not in methods:
            raise Refused("isv.invalid-method")
        return methods[params["method"]](params, biz, now)

    def verified(self, params: dict[str, str]) -> dict[str, Any]:
        """The biz_content of a genuine request. Raises Refused. The app id is looked at before the signature."""
        if not params.get("method"):
            raise Refused("isv.missing-method")
        if params.get("app_id") != self.identity.app_id:
            raise Refused("isv.invalid-app-id")
        charset = params.get("charset", "gbk")
        text = request_text(params).encode(charset, "replace")
        if params.get("sign_type") != "RSA2" or not verifies(
            text, params.get("sign", ""), [self.identity.app_public_key]
        ):
            raise Refused("isv.invalid-signature")
        try:
            biz = json.loads(params.get("biz_content", ""))
        except ValueError:
            biz = None
        if not isinstance(biz, dict):
            raise Refused("ACQ.INVALID_PARAMETER", "参数无效")
        return biz

    def _precreate(self, params: dict[str, str], biz: dict[str, Any], now: datetime) -> dict[str, str]:
        trade = self._offered(params, biz, now, product=str(biz.get("product_code", "FACE_TO_FACE_PAYMENT")))
        if not trade.qr_code:
            trade.qr_code = f"{self._address}/qr/{self._letters(24)}"
            latest = now + LONGEST_QR
            trade.time_expire = min(trade.time_expire or latest, latest)
            self.book.keep(trade)
        return {"out_trade_no": trade.out_trade_no, "qr_code": trade.qr_code}

    def _query(self, _params: dict[str, str], biz: dict[str, Any], now: datetime) -> dict[str, str]:
        trade = self._existing(biz, now)
        fields = {
            "buyer_logon_id": "159****5620", "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
            "out_trade_no": trade.out_trade_no, "total_amount": trade.total.to_yuan(), "trade_no": trade.trade_no,
            "trade_status": trade.status, "subject": trade.subject,
        }  # fmt: skip
        if trade.paid_at is not None:
            paid = trade.total.to_yuan()
            fields |= {
                "send_pay_date": to_beijing(trade.paid_at), "receipt_amount": paid, "buyer_pay_amount": paid,
                "invoice_amount": paid, "point_amount": "0.00",
            }  # fmt: skip
        return fields

    def _close(self, _params: dict[str, str], biz: dict[str, Any], now: datetime) -> dict[str, str]:
        trade = self._existing(biz, now)
        if trade.status != TradeStatus.WAITING:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        self._end(trade, now)
        return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}

    def _refund(self, _params: dict[str, str], biz: dict[str, Any], now: datetime) -> dict[str, str]:
        trade = self._existing(biz, now)
        before = len(trade.refunds)
        try:
            amount = Money.from_yuan(str(biz.get("refund_amount", "")))
        except InvalidAmount:
            raise Refused("ACQ.INVALID_PARAMETER", "refund_amount 无效") from None
        refund = self.refund(trade, amount, str(biz.get("out_request_no", "")), now)
        return {
            "buyer_logon_id": "159****5620", "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
            "fund_change": "Y" if len(trade.refunds) > before else "N", "gmt_refund_pay": to_beijing(refund.at),
            "out_trade_no": trade.out_trade_no, "refund_fee": trade.refunded.to_yuan(), "send_back_fee": "0.00",
            "trade_no": trade.trade_no,
        }  # fmt: skip

    def _refund_query(self, _params: dict[str, str], biz: dict[str, Any], now: datetime) -> dict[str, str]:
        trade = self._existing(biz, now)
        if not biz.get("out_request_no"):
            raise Refused("ACQ.INVALID_PARAMETER", "参数无效")
        refund = _numbered(trade, str(biz["out_request_no"]))
        if refund is None:
            return {}
        return {
            "out_request_no": refund.out_request_no, "out_trade_no": trade.out_trade_no,
            "refund_amount": refund.amount.to_yuan(), "refund_status": "REFUND_SUCCESS",
            "total_amount": trade.total.to_yuan(), "trade_no": trade.trade_no,
        }  # fmt: skip

    def _cancel(self, _params: dict[str, str], biz: dict[str, Any], now: datetime) -> dict[str, str]:
        try:
            trade = self._existing(biz, now)
        except Refused as refusal:
            if refusal.fields["sub_code"] != "ACQ.TRADE_NOT_EXIST" or not biz.get("out_trade_no"):
                raise
            return {"out_trade_no": str(biz["out_trade_no"]), "retry_flag": "N"}
        numbers = {"out_trade_no": trade.out_trade_no, "retry_flag": "N", "trade_no": trade.trade_no}
        if trade.paid_at is None:
            if trade.status == TradeStatus.WAITING:
                self._end(trade, now)
            return {"action": "close", **numbers}
        if _numbered(trade, trade.out_trade_no) is None:
            if trade.refunds:
                raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额错误")
            if now >= trade.paid_at + CANCEL_WINDOW:
                raise Refused("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围")
            self.refund(trade, trade.total, "", now)
        return {"action": "refund", **numbers}

    def refund(self, trade: Trade, amount: Money, out_request_no: str, now: datetime) -> Refund:
        """Give money back, at most once per number; without a number, the whole amount. Raises Refused."""
        number = out_request_no or trade.out_trade_no
        done = _numbered(trade, number)
        if done is not None:
            if done.amount != amount:
                raise Refused("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
            return done
        self._expire(trade, now)
        if trade.status != TradeStatus.PAID:
            raise Refused(*_NOT_REFUNDABLE.get(trade.status, ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")))
        if amount < Money(1):
            raise Refused("ACQ.INVALID_PARAMETER", "refund_amount 无效")
        if amount.fen > trade.total_fen - trade.refunded.fen or (not out_request_no and amount != trade.total):
            raise Refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
        refund = Refund(number, amount.fen, now)
        trade.refunds.append(refund)
        if trade.refunded == trade.total:
            trade.status, trade.closed_at = TradeStatus.CLOSED, now
        self.book.keep(trade)
        self.untold.append((trade, refund))
        return refund

    # --- buyers --------------------------------------------------------------------------------------------------

    def open_page(self, params: dict[str, str], now: datetime) -> Trade:
        """A browser opened page pay or wap pay: shown, but no trade before the buyer logs in. Raises Refused."""
        biz = self.verified(params)
        product = PAGES.get(params["method"])
        if product is None:
            raise Refused("isv.invalid-method")
        if biz.get("product_code") != product:
            raise Refused("ACQ.INVALID_PARAMETER", "product_code 不正确")
        return self._offered(params, biz, now, product=product)

    def enter(self, trade: Trade, now: datetime) -> Trade:
        """A buyer scanned the code or logged in: from here on the trade exists. Raises Refused."""
        self._expire(trade, now)
        if trade.status == TradeStatus.CLOSED or _is_past(trade.time_expire, now):
            raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        if not trade.exists:
            trade.status, trade.created_at = TradeStatus.WAITING, now
            trade.trade_no = f"{to_beijing(now):.4}{to_beijing(now)[5:7]}{to_beijing(now)[8:10]}22001{self._digits(15)}"
            self.book.keep(trade)
        return trade

    def pay(self, trade: Trade, now: datetime) -> Trade:
        """The buyer confirms. Raises Refused when it was paid or closed before."""
        self.enter(trade, now)
        if trade.is_paid:
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        trade.status, trade.paid_at = TradeStatus.PAID, now
        self.book.keep(trade)
        return trade

    def notice_of(self, trade: Trade, now: datetime) -> dict[str, str]:
        """The fields of the notice about a trade's present state, without notify_time and signature."""
        fields = {
            "notify_type": "trade_status_sync", "notify_id": f"{to_beijing(now):.10}".replace("-", "") + self._digits(24),
            "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "app_id": self.identity.app_id,
            "auth_app_id": self.identity.app_id, "seller_id": self.identity.seller_id, "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no, "trade_status": trade.status, "subject": trade.subject,
            "total_amount": trade.total.to_yuan(), "buyer_logon_id": "159****5620",
            "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
        }  # fmt: skip
        if trade.passback_params:
            fields["passback_params"] = trade.passback_params
        if trade.created_at is not None:
            fields["gmt_create"] = to_beijing(trade.created_at)
        if trade.paid_at is not None:
            paid = trade.total.to_yuan()
            fields |= {
                "gmt_payment": to_beijing(trade.paid_at), "receipt_amount": paid, "buyer_pay_amount": paid,
                "invoice_amount": paid, "point_amount": "0.00",
                "fund_bill_list": json.dumps([{"amount": paid, "fundChannel": "ALIPAYACCOUNT"}], separators=(",", ":")),
            }  # fmt: skip
        return fields

    def refund_notice_of(self, trade: Trade, refund: Refund, now: datetime) -> dict[str, str]:
        """The fields of the notice about a refund that just happened: refund_fee is cumulative, and no receipt is told."""
        left_out = ("receipt_amount", "buyer_pay_amount", "invoice_amount", "point_amount", "fund_bill_list")
        fields = {name: value for name, value in self.notice_of(trade, now).items() if name not in left_out}
        milliseconds = refund.at.microsecond // 1000
        fields |= {
            "refund_fee": trade.refunded.to_yuan(), "out_biz_no": refund.out_request_no,
            "gmt_refund": f"{to_beijing(refund.at)}.{milliseconds:03d}",
        }  # fmt: skip
        if trade.closed_at is not None:
            fields["gmt_close"] = to_beijing(trade.closed_at)
        return fields

    def signed_notice(self, fields: dict[str, str], now: datetime) -> dict[str, str]:
        """The same fields as they are sent at `now`: every try has its own notify_time, and so its own signature."""
        sent = {**fields, "notify_time": to_beijing(now)}
        return {**sent, "sign": sign(notice_text(sent, keep_empty=False).encode(), self.identity.alipay_key)}

    def signed_return(self, trade: Trade, now: datetime) -> dict[str, str]:
        """The parameters a browser carries back to return_url: no status, for it decides nothing."""
        method = next((method for method, product in PAGES.items() if product == trade.product), PAGE_PAY)
        fields = {
            "charset": "utf-8", "out_trade_no": trade.out_trade_no, "method": f"{method}.return",
            "total_amount": trade.total.to_yuan(), "trade_no": trade.trade_no, "auth_app_id": self.identity.app_id,
            "version": "1.0", "app_id": self.identity.app_id, "sign_type": "RSA2", "seller_id": self.identity.seller_id,
            "timestamp": to_beijing(now),
        }  # fmt: skip
        return {**fields, "sign": sign(notice_text(fields, keep_empty=False).encode(), self.identity.alipay_key)}

    def tick(self, now: datetime, trade: Trade | None = None) -> None:
        """Close what is over: this trade, or every one."""
        for each in [trade] if trade is not None else self.book.trades.values():
            self._expire(each, now)

    # --- rules ---------------------------------------------------------------------------------------------------

    def _offered(self, params: dict[str, str], biz: dict[str, Any], now: datetime, *, product: str) -> Trade:
        """The trade a creating request is about: a new offer, or the same one again. Raises Refused."""
        offer = self._read_offer(params, biz, now, product)
        known = self.book.trades.get(offer.out_trade_no)
        if known is None:
            self.book.keep(offer)
            return offer
        self._expire(known, now)
        if known.is_paid:
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        if known.status == TradeStatus.CLOSED:
            raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        if known.content != offer.content:
            raise Refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        return known

    def _read_offer(self, params: dict[str, str], biz: dict[str, Any], now: datetime, product: str) -> Trade:
        number, subject = str(biz.get("out_trade_no", "")), str(biz.get("subject", ""))
        if not (number.isascii() and number.replace("_", "").isalnum() and len(number) <= 64):
            raise Refused("ACQ.INVALID_PARAMETER", "out_trade_no 无效")
        if not subject or len(subject) > 256 or any(sign in subject for sign in "/=&"):
            raise Refused("ACQ.INVALID_PARAMETER", "subject 无效")
        try:
            total = Money.from_yuan(str(biz.get("total_amount", "")))
        except InvalidAmount:
            raise Refused("ACQ.INVALID_PARAMETER", "total_amount 无效") from None
        if not Money(1) <= total <= Money(100_000_000_00):
            raise Refused("ACQ.TOTAL_FEE_EXCEED", "订单金额超过限额")
        return Trade(
            out_trade_no=number, total_fen=total.fen, subject=subject, product=product,
            content=json.dumps({**biz, "product_code": product}, sort_keys=True, ensure_ascii=False),
            notify_url=params.get("notify_url", ""), return_url=params.get("return_url", ""),
            passback_params=str(biz.get("passback_params", "")), time_expire=self._read_end(biz, now),
        )  # fmt: skip

    def _read_end(self, biz: dict[str, Any], now: datetime) -> datetime:
        if "time_expire" not in biz:
            return now + LONGEST_LIFE
        end = time_of(str(biz["time_expire"]))
        if end is None or end > now + LONGEST_LIFE:
            raise Refused("ACQ.INVALID_PARAMETER", "time_expire 无效")
        if end <= now:
            raise Refused("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已经大于允许支付的时间")
        if str(biz.get("out_trade_no", "")) not in self.book.trades and end < now + self._least_life:
            raise Refused("ACQ.INVALID_PARAMETER", "time_expire 太近")
        return end

    def _existing(self, biz: dict[str, Any], now: datetime) -> Trade:
        trade_no, number = str(biz.get("trade_no", "")), str(biz.get("out_trade_no", ""))
        if not trade_no and not number:
            raise Refused("ACQ.INVALID_PARAMETER", "参数无效")
        trade = self.book.by_trade_no(trade_no) if trade_no else self.book.trades.get(number)
        if trade is None or not trade.exists:
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        self._expire(trade, now)
        return trade

    def _expire(self, trade: Trade, now: datetime) -> None:
        if trade.status == TradeStatus.WAITING and _is_past(trade.time_expire, now):
            self._end(trade, now)
        if trade.status == TradeStatus.PAID and trade.paid_at is not None and now >= trade.paid_at + REFUND_WINDOW:
            trade.status = TradeStatus.FINISHED
            self.book.keep(trade)

    def _end(self, trade: Trade, now: datetime) -> None:
        trade.status, trade.closed_at = TradeStatus.CLOSED, now
        self.book.keep(trade)

    def _digits(self, count: int) -> str:
        return "".join(self._chance.choices("0123456789", k=count))

    def _letters(self, count: int) -> str:
        return "bax" + "".join(self._chance.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=count))


_NOT_REFUNDABLE = {
    TradeStatus.CLOSED.value: ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    TradeStatus.FINISHED.value: ("ACQ.TRADE_HAS_FINISHED", "交易已完结"),
}


def _numbered(trade: Trade, out_request_no: str) -> Refund | None:
    return next((refund for refund in trade.refunds if refund.out_request_no == out_request_no), None)


def _is_past(end: datetime | None, now: datetime) -> bool:
    return end is not None and end <= now


def _answer(node: str, fields: dict[str, str], *, key: RSAPrivateKey | None) -> str:
    """An answer as Alipay writes it: slashes escaped, Chinese as it is, `sign` directly behind the node."""
    raw = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    signature = f',"sign":"{sign(raw.encode(), key)}"' if key is not None else ""
    return f'{{"{node}":{raw}{signature}}}'
