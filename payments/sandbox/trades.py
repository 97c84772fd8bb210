"""The life of a trade: offered, entered by a buyer, paid or closed. Times come in as `now`; the book keeps it all."""

import json
import random
import re
from datetime import datetime, timedelta

from payments.alipay.clock import to_beijing
from payments.alipay.facts import TradeStatus
from payments.errors import InvalidAmount
from payments.money import Money
from payments.sandbox.book import OFFERED, Book, Trade
from payments.sandbox.clocks import LEAST_AFTER_LOGIN, after, code_end, end_of
from payments.sandbox.envelope import Call
from payments.sandbox.refusals import Refused, invalid

REFUND_WINDOW = timedelta(days=365)
LARGEST = Money(100_000_000_00)
_NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}", re.ASCII)
_DETAILS = ("body", "store_id", "operator_id", "terminal_id", "quit_url")
_NOT_COMPARED = ("auth_code",)  # a buyer's code is a new one each time


class Trades:
    """All trades of one book, and the rules they live by. Refusals are raised as Refused."""

    def __init__(self, book: Book, *, chance: random.Random, address: str, least_life: timedelta) -> None:
        self.book = book
        self._chance = chance
        self._address = address
        self._least_life = least_life

    # --- offers --------------------------------------------------------------------------------------------------

    def offered(self, call: Call, now: datetime, *, product: str, at_counter: bool = False) -> Trade:
        """The trade a creating request is about: a new offer, or the same one again. Raises Refused."""
        offer = self._read(call, now, product)
        offer.at_counter = at_counter
        known = self.book.trades.get(offer.out_trade_no)
        if known is None:
            self.book.keep(offer)
            return offer
        self.expire(known, now)
        if known.is_paid:
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        if known.status == TradeStatus.CLOSED:
            raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        if known.content != offer.content:
            raise Refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        return known

    def draw_code(self, trade: Trade, call: Call, now: datetime) -> None:
        """Give an offer its one QR code."""
        if not trade.qr_code:
            trade.qr_code = f"{self._address}/qr/bax{self._letters(24)}"
            trade.code_until = code_end(call, now)
            self.book.keep(trade)

    def _read(self, call: Call, now: datetime, product: str) -> Trade:
        number, subject = call.text("out_trade_no"), call.text("subject")
        if not _NUMBER.fullmatch(number):
            raise invalid("out_trade_no")
        if not subject or len(subject) > 256 or any(sign in subject for sign in "/=&"):
            raise invalid("subject")
        time_expire, timeout = end_of(
            call, now, least_life=self._least_life, is_new=number not in self.book.trades
        )  # fmt: skip
        compared = {name: value for name, value in call.biz.items() if name not in _NOT_COMPARED}
        return Trade(
            out_trade_no=number, total_fen=_total(call).fen, subject=subject, product=product, timeout=timeout,
            content=json.dumps({**compared, "product_code": product}, sort_keys=True, ensure_ascii=False),
            notify_url=call.notify_url, return_url=call.return_url, charset=call.charset, time_expire=time_expire,
            passback_params=call.text("passback_params"),
            details={name: call.text(name) for name in _DETAILS if call.text(name)},
        )  # fmt: skip

    # --- buyers --------------------------------------------------------------------------------------------------

    def enter(self, trade: Trade, now: datetime) -> Trade:
        """A buyer scanned the code or logged in: from here on the trade exists. Raises Refused."""
        self.expire(trade, now)
        if trade.at_counter and not (trade.qr_code or trade.auth_code):  # the shopper's code was refused
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        ends = [trade.time_expire] if trade.exists else [trade.time_expire, trade.code_until]
        if trade.status == TradeStatus.CLOSED or any(end is not None and end <= now for end in ends):
            raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        if not trade.exists:
            trade.status, trade.created_at = TradeStatus.WAITING, now
            trade.trade_no = f"{to_beijing(now)[:10].replace('-', '')}22001{self._digits(15)}"
            if trade.timeout:
                trade.time_expire = after(trade.timeout, now, least=LEAST_AFTER_LOGIN)
            self.book.keep(trade)
        return trade

    def pay(self, trade: Trade, now: datetime, *, channel: str = "") -> Trade:
        """The buyer confirms, with the balance or a bank card. Raises Refused when it was paid or closed before."""
        self.enter(trade, now)
        if trade.is_paid:
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        trade.status, trade.paid_at, trade.channel = TradeStatus.PAID, now, channel or trade.channel
        self.book.keep(trade)
        return trade

    # --- endings -------------------------------------------------------------------------------------------------

    def existing(self, call: Call, now: datetime) -> Trade:
        """The trade a call names; trade_no wins. Raises Refused where none exists (yet)."""
        trade_no, number = call.text("trade_no"), call.text("out_trade_no")
        if not trade_no and not number:
            raise invalid()
        trade = self.book.by_trade_no(trade_no) if trade_no else self.book.trades.get(number)
        if trade is None or not trade.exists:
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        self.expire(trade, now)
        return trade

    def close(self, trade: Trade, now: datetime) -> None:
        """End an unpaid trade. Raises Refused for any other."""
        if trade.status != TradeStatus.WAITING:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        self._end(trade, now)

    def expire(self, trade: Trade, now: datetime) -> None:
        """Close what is unpaid and over; finish what can no longer be refunded."""
        if trade.status == TradeStatus.WAITING and trade.time_expire is not None and trade.time_expire <= now:
            self._end(trade, now)
        if trade.status == TradeStatus.PAID and trade.paid_at is not None and now >= trade.paid_at + REFUND_WINDOW:
            trade.status = TradeStatus.FINISHED
            self.book.keep(trade)

    def _end(self, trade: Trade, now: datetime) -> None:
        assert trade.status != OFFERED, "what does not exist can't be closed"
        trade.status, trade.closed_at = TradeStatus.CLOSED, now
        self.book.keep(trade)

    def _digits(self, count: int) -> str:
        return f"{self._chance.randrange(10**count):0{count}d}"

    def _letters(self, count: int) -> str:
        return "".join(self._chance.choices("0123456789abcdefghijklmnopqrstuvwxyz", k=count))


def _total(call: Call) -> Money:
    try:
        total = Money.from_yuan(call.text("total_amount"))
    except InvalidAmount:
        raise invalid("total_amount") from None
    if not Money(1) <= total <= LARGEST:
        raise Refused("ACQ.TOTAL_FEE_EXCEED", "订单金额超过限额")
    return total
