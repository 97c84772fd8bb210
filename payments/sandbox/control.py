"""The control door: what tests and demos do to this Alipay. Forms or JSON in, JSON out; unknown fields are ignored."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from payments.alipay.clock import to_beijing
from payments.errors import InvalidAmount
from payments.money import Money
from payments.sandbox.alipay import Refused
from payments.sandbox.bill_faults import Plan
from payments.sandbox.bill_links import TYPES, period_of
from payments.sandbox.book import Delivery, Trade
from payments.sandbox.faults import Fault
from payments.sandbox.wishes import NotUnderstood, Values, plan_of, set_faults, text_of, values_of

if TYPE_CHECKING:
    from payments.sandbox.web import Site

DATES = "bill_date: a day such as 2026-11-23, or a month such as 2026-11"


class Control:
    """POST /control/ACTION changes, GET shows."""

    def __init__(self, site: "Site") -> None:
        self._site = site

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.get("/control/book", self.book),
            web.post("/control/pay", self.pay),
            web.post("/control/scan", self.scan),
            web.post("/control/refund", self.refund),
            web.post("/control/clock", self.clock),
            web.get("/control/notices", self.notices),
            web.post("/control/resend", self.resend),
            web.get("/control/faults", self.faults),
            web.post("/control/faults", self.set_faults),
            web.get("/control/bill", self.bill),
            web.post("/control/bill", self.set_bill),
        ]

    # --- trades --------------------------------------------------------------------------------------------------

    async def book(self, _request: web.Request) -> web.StreamResponse:
        self._site.alipay.tick(self._site.now())
        trades = [_trade(each) for each in self._site.alipay.book.trades.values() if each.exists]
        return web.json_response({"trades": trades})

    async def pay(self, request: web.Request) -> web.StreamResponse:
        """A buyer pays: a number, or the signed address of a page. channel BANKCARD pays by bank card."""
        values = await values_of(request)
        return self._acted(values, lambda trade: self._site.pay(trade, channel=text_of(values, "channel")))

    async def scan(self, request: web.Request) -> web.StreamResponse:
        """A buyer scans or signs in, and goes no further."""
        return self._acted(await values_of(request), lambda trade: self._site.alipay.enter(trade, self._site.now()))

    def _acted(self, values: Values, act: Callable[[Trade], Trade]) -> web.StreamResponse:
        trade = self._named(values)
        if trade is None:
            return _error(404, "no such trade, code or page")
        try:
            act(trade)
        except Refused as refusal:
            return _error(409, refusal.sub_code, trade_status=trade.status)
        return web.json_response(
            {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no, "trade_status": trade.status}
        )

    def _named(self, values: Values) -> Trade | None:
        """The trade a request means: by its number, or by the signed address (or order string) a buyer would open."""
        known = self._site.alipay.book.trades.get(text_of(values, "out_trade_no"))
        if known is not None:
            return known
        url = text_of(values, "url")
        signed = dict(parse_qsl(urlsplit(url).query or url, keep_blank_values=True))
        with contextlib.suppress(Refused):
            return self._site.alipay.open_page(signed, self._site.now())
        return None

    async def refund(self, request: web.Request) -> web.StreamResponse:
        """Refund as from Alipay's console, without the shop: refund_amount, or all that is left."""
        values = await values_of(request)
        trade = self._site.alipay.book.trades.get(text_of(values, "out_trade_no"))
        if trade is None:
            return _error(404, "no such trade")
        left = Money(trade.total_fen - trade.refunded.fen)
        number = text_of(values, "out_request_no") or f"console{len(trade.refunds) + 1}"
        try:
            amount = Money.from_yuan(text_of(values, "refund_amount")) if values.get("refund_amount") else left
            refund = self._site.alipay.refund(trade, amount, number, self._site.now())
        except InvalidAmount:
            return _error(400, "refund_amount: yuan with at most two decimals")
        except Refused as refusal:
            return _error(409, refusal.sub_code, trade_status=trade.status)
        self._site.happened()
        return web.json_response({
            "out_trade_no": trade.out_trade_no, "out_request_no": refund.out_request_no,
            "refund_amount": refund.amount.to_yuan(), "trade_status": trade.status,
        })  # fmt: skip

    async def clock(self, request: web.Request) -> web.StreamResponse:
        """Set this Alipay's clock: ahead_s seconds before the machine's (negative: behind); 0 puts it right."""
        try:
            self._site.ahead = timedelta(seconds=float(text_of(await values_of(request), "ahead_s")))
            now = self._site.now()
        except (ValueError, OverflowError):
            self._site.ahead = timedelta()
            return _error(400, "ahead_s: a number of seconds")
        self._site.alipay.tick(now)
        self._site.happened()
        return web.json_response({"now": now.isoformat()})

    # --- notices -------------------------------------------------------------------------------------------------

    async def notices(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"notices": [_delivery(each) for each in self._site.alipay.book.deliveries.values()]})

    async def resend(self, request: web.Request) -> web.StreamResponse:
        """Send the last notice about a number once more, as Alipay's console does."""
        number = text_of(await values_of(request), "out_trade_no")
        sent = [each for each in self._site.alipay.book.deliveries.values() if each.number == number]
        if not sent:
            return _error(404, "no notice was sent about this number")
        answer = await self._site.post.send(sent[-1])
        return web.json_response({"out_trade_no": number, "answer": answer})

    # --- what goes wrong -----------------------------------------------------------------------------------------

    async def faults(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._all_faults())

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        values = await values_of(request)
        if not set(values) & {*Fault, "clear", "seed"}:
            return _error(400, f"known faults: {', '.join(Fault)}", unknown=sorted(values))
        try:
            unknown = set_faults(self._site.alipay.faults, values)
        except NotUnderstood as error:
            return _error(400, str(error))
        self._site.post.wake()
        return web.json_response({**self._all_faults(), "unknown": unknown})

    def _all_faults(self) -> dict[str, Any]:
        faults = self._site.alipay.faults
        return {
            "faults": {fault: asdict(faults.settings[fault]) for fault in Fault if faults.is_on(fault)},
            "struck": faults.struck, "seed": faults.seed, "known": list(Fault),
        }  # fmt: skip

    async def bill(self, request: web.Request) -> web.StreamResponse:
        """What a bill shows: bill_type and bill_date in the address."""
        return self._bill(dict(request.query))

    async def set_bill(self, request: web.Request) -> web.StreamResponse:
        """Plan what is wrong with a bill; answers with every difference that is planted in it."""
        values = await values_of(request)
        key = (text_of(values, "bill_type") or "trade", text_of(values, "bill_date"))
        plans = self._site.alipay.bills.plans
        try:
            period_of(key[1])
            plan = plan_of(values, plans.get(key, Plan()))
        except NotUnderstood as error:
            return _error(400, str(error))
        except Refused:
            return _error(400, DATES)
        if key[0] in TYPES:
            plans[key] = plan
        return self._bill({"bill_type": key[0], "bill_date": key[1]})

    def _bill(self, values: Values) -> web.Response:
        bills, bill_type, bill_date = (
            self._site.alipay.bills,
            values.get("bill_type", "trade"),
            values.get("bill_date", ""),
        )
        try:
            period = period_of(bill_date)
        except Refused:
            return _error(400, DATES)
        if bill_type not in TYPES:
            return _error(400, f"bill_type: one of {', '.join(TYPES)}")
        shown, planted = bills.shown(bill_type, bill_date)
        return web.json_response({
            "bill_type": bill_type, "bill_date": bill_date, "rows": len(shown), "until": _moment(period.until),
            "plan": asdict(bills.plans.get((bill_type, bill_date), Plan())),
            "planted": [each.told() for each in planted],
        })  # fmt: skip


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no, "trade_status": trade.status,
        "total_amount": trade.total.to_yuan(),
        "refunds": [
            {
                "out_request_no": refund.out_request_no, "refund_amount": refund.amount.to_yuan(),
                "gmt_refund": to_beijing(refund.at),
            }
            for refund in trade.refunds
        ],
    }  # fmt: skip


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "notify_id": delivery.notify_id, "url": delivery.url, "fields": delivery.fields, "sent": delivery.sent,
        "tries": delivery.tries, "answers": delivery.answers, "tried_at": [_moment(each) for each in delivery.tried_at],
        "next_at": _moment(delivery.next_at) if delivery.next_at is not None else None,
    }  # fmt: skip


def _moment(moment: datetime) -> str:
    return moment.isoformat()


def _error(status: int, error: str, **more: Any) -> web.Response:
    return web.json_response({"error": error, **more}, status=status)
