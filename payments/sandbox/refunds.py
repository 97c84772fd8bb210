"""Money back: refunds, each at most once per number, and cancelling. Source: dossier 2.8-2.10."""

from datetime import datetime, timedelta

from payments.alipay.facts import TradeStatus
from payments.money import Money
from payments.sandbox.book import BANK_CARD, Refund, Trade
from payments.sandbox.refusals import SYSTEM_ERROR, Refused, invalid
from payments.sandbox.trades import Trades

CANCEL_WINDOW = timedelta(hours=24)
APART = timedelta(seconds=3)  # two refunds of one trade closer than this: the second fails
AT_THE_BANK = timedelta(days=1)  # how long a bank takes to put a refund on a card
_NOT_REFUNDABLE = {
    TradeStatus.CLOSED.value: ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    TradeStatus.FINISHED.value: ("ACQ.TRADE_HAS_FINISHED", "交易已完结"),
}


class Refunds:
    """Refunds of the trades of one book."""

    def __init__(self, trades: Trades, *, apart: timedelta) -> None:
        self._trades = trades
        self._apart = apart
        self.untold: list[tuple[Trade, Refund]] = []  # refunds that no notice was made of yet

    def refund(
        self,
        trade: Trade,
        amount: Money,
        out_request_no: str,
        now: datetime,
        reason: str = "",
        *,
        tells_deposit: bool = False,
    ) -> Refund:
        """Give money back, at most once per number; without a number, the whole amount. Raises Refused."""
        number = out_request_no or trade.out_trade_no
        done = trade.refund(number)
        if done is not None:
            if done.amount != amount:
                raise Refused("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
            return done
        self._check(trade, amount, out_request_no, now)
        refund = Refund(number, amount.fen, now, reason, trade.channel == BANK_CARD, tells_deposit)
        trade.refunds.append(refund)
        if trade.refunded == trade.total:
            trade.status, trade.closed_at = TradeStatus.CLOSED, now
        self._trades.book.keep(trade)
        self.untold.append((trade, refund))
        return refund

    def _check(self, trade: Trade, amount: Money, out_request_no: str, now: datetime) -> None:
        self._trades.expire(trade, now)
        if trade.status != TradeStatus.PAID:
            raise Refused(*_NOT_REFUNDABLE.get(trade.status, ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")))
        if amount < Money(1):
            raise invalid("refund_amount")
        if amount.fen > trade.total_fen - trade.refunded.fen or (not out_request_no and amount != trade.total):
            raise Refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
        if trade.refunds and abs(now - trade.refunds[-1].at) < self._apart:
            raise Refused(SYSTEM_ERROR, "系统错误")

    def cancel(self, trade: Trade, now: datetime) -> str:
        """End a trade whose outcome is unknown: "close" where it was unpaid, "refund" where it was paid. Raises Refused."""
        if trade.paid_at is None:
            if trade.status == TradeStatus.WAITING:
                self._trades.close(trade, now)
            return "close"
        if trade.refund(trade.out_trade_no) is None:
            if trade.refunds:
                raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额错误")
            if now >= trade.paid_at + CANCEL_WINDOW:
                raise Refused("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围")
            self.refund(trade, trade.total, "", now)
        return "refund"


def deposit_back(refund: Refund, now: datetime) -> str:
    """How far the bank is with a refund to a card: P in progress, S done. Empty where no bank is involved."""
    if not refund.to_bank_card:
        return ""
    return "S" if now >= refund.at + AT_THE_BANK else "P"
