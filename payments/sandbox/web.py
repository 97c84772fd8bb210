"""The pretend Alipay's wires: gateway, cashier, wallet, notices, and the control door for tests and demos."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import structlog
from aiohttp import web
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from payments.alipay.clock import to_beijing
from payments.alipay.requests import PAGE_PAY, WAP_PAY
from payments.errors import InvalidAmount
from payments.money import Money
from payments.sandbox.alipay import Alipay, Refused
from payments.sandbox.book import Delivery, Trade
from payments.sandbox.faults import Fault, Faults
from payments.sandbox.notices import after_try, announce, announce_refunds

logger = structlog.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TRY_S = 15.0
HELD_S = 60.0  # longer than any client waits


class Site:
    """One running pretend Alipay. Everything happens on one event loop, so the core needs no locks."""

    def __init__(self, alipay: Alipay, *, timescale: float) -> None:
        self.alipay = alipay
        self.timescale = timescale
        self.faults = Faults()
        self.ahead = timedelta()  # how far this Alipay's clock is ahead of the machine's
        self.more_to_send = asyncio.Event()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1024 * 1024)
        application.router.add_static("/static/", settings.ROOT / "static")
        application.add_routes([
            web.get("/", self.home),
            web.route("*", "/gateway.do", self.gateway),
            web.get("/cashier/{number}", self.cashier),
            web.post("/cashier/{number}/{step:login|pay|quit}", self.at_cashier),
            web.get("/qr/{code}", self.wallet),
            web.post("/qr/{code}/{step:scan|pay}", self.at_wallet),
            web.post("/language", self.language),
            web.get("/control/book", self.control_book),
            web.post("/control/pay", self.control_pay),
            web.post("/control/scan", self.control_scan),
            web.post("/control/refund", self.control_refund),
            web.post("/control/clock", self.control_clock),
            web.post("/control/resend", self.control_resend),
            web.post("/control/faults", self.control_faults),
            web.get("/healthz", self.healthz),
        ])  # fmt: skip
        application.cleanup_ctx.append(self._sending)
        return application

    # --- Alipay's own addresses ----------------------------------------------------------------------------------

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        """gateway.do: parameters from query, body or both. Always 200 and text/html, as the real one."""
        params = await _params(request)
        if self.faults.strikes(Fault.LOSE):
            await asyncio.sleep(HELD_S)
            return web.Response(status=504)
        if self.faults.strikes(Fault.HTTP_500):
            return web.Response(status=500, text="<h1>500</h1>", content_type="text/html")
        if params.get("method") not in (PAGE_PAY, WAP_PAY):
            answer = self.alipay.answer(params, self._now())
            self._tell_refunds()
            if self.faults.strikes(Fault.SWALLOW):
                await asyncio.sleep(HELD_S)
            return web.Response(text=answer, content_type="text/html", charset="utf-8")
        try:
            trade = self.alipay.open_page(params, self._now())
        except Refused as refusal:
            return self._page(request, "refused", refusal=refusal.fields)
        raise web.HTTPSeeOther(f"/cashier/{trade.out_trade_no}")

    async def cashier(self, request: web.Request) -> web.StreamResponse:
        trade = self._trade(request.match_info["number"])
        return self._page(request, "cashier", trade=trade)

    async def at_cashier(self, request: web.Request) -> web.StreamResponse:
        trade = self._trade(request.match_info["number"])
        step = request.match_info["step"]
        try:
            if step == "login":
                self.alipay.enter(trade, self._now())
                raise web.HTTPSeeOther(f"/cashier/{trade.out_trade_no}")
            if step == "pay":
                self._pay(trade)
        except Refused as refusal:
            return self._page(request, "refused", refusal=refusal.fields)
        back = trade.return_url
        if back and step == "pay":
            back += ("&" if "?" in back else "?") + urlencode(self.alipay.signed_return(trade, self._now()))
        raise web.HTTPSeeOther(back or f"/cashier/{trade.out_trade_no}")

    async def wallet(self, request: web.Request) -> web.StreamResponse:
        """What a phone shows after scanning. Opening the address is not yet a scan: browsers look ahead."""
        return self._page(request, "wallet", trade=self._scanned(request), code=request.match_info["code"])

    async def at_wallet(self, request: web.Request) -> web.StreamResponse:
        trade = self._scanned(request)
        try:
            if request.match_info["step"] == "scan":
                self.alipay.enter(trade, self._now())
            else:
                self._pay(trade)
        except Refused as refusal:
            return self._page(request, "refused", refusal=refusal.fields)
        raise web.HTTPSeeOther(f"/qr/{request.match_info['code']}")

    # --- for people ----------------------------------------------------------------------------------------------

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Trades and deliveries, newest first."""
        self.alipay.tick(self._now())
        book = self.alipay.book
        trades, deliveries = list(book.trades.values())[::-1][:100], list(book.deliveries.values())[::-1][:100]
        return self._page(request, "home", trades=trades, deliveries=deliveries, muted=self.faults.is_on(Fault.MUTE))

    async def language(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        response = web.HTTPSeeOther(request.headers.get("Referer", "/"))
        response.set_cookie("language", "en" if form.get("language") == "en" else "zh-hans")
        return response

    # --- the control door ----------------------------------------------------------------------------------------

    async def control_book(self, _request: web.Request) -> web.StreamResponse:
        self.alipay.tick(self._now())
        trades = [
            {
                "out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no, "trade_status": trade.status,
                "total_amount": trade.total.to_yuan(),
                "refunds": [
                    {
                        "out_request_no": refund.out_request_no, "refund_amount": refund.amount.to_yuan(),
                        "gmt_refund": to_beijing(refund.at),
                    }
                    for refund in trade.refunds
                ],
            }
            for trade in self.alipay.book.trades.values() if trade.exists
        ]  # fmt: skip
        return web.json_response({"trades": trades})

    async def control_pay(self, request: web.Request) -> web.StreamResponse:
        return await self._control(request, self._pay)

    async def control_scan(self, request: web.Request) -> web.StreamResponse:
        return await self._control(request, lambda trade: self.alipay.enter(trade, self._now()))

    async def control_refund(self, request: web.Request) -> web.StreamResponse:
        """Refund as from Alipay's console, without the shop: refund_amount, or all that is left."""
        params = await _control_params(request)
        trade = self.alipay.book.trades.get(params.get("out_trade_no", ""))
        if trade is None:
            return web.json_response({"error": "no such trade"}, status=404)
        left = Money(trade.total_fen - trade.refunded.fen)
        number = params.get("out_request_no") or f"console{len(trade.refunds) + 1}"
        try:
            amount = Money.from_yuan(params["refund_amount"]) if params.get("refund_amount") else left
            refund = self.alipay.refund(trade, amount, number, self._now())
        except InvalidAmount:
            return web.json_response({"error": "refund_amount: yuan with at most two decimals"}, status=400)
        except Refused as refusal:
            return web.json_response({"error": refusal.fields["sub_code"], "trade_status": trade.status}, status=409)
        self._tell_refunds()
        return web.json_response({
            "out_trade_no": trade.out_trade_no, "out_request_no": refund.out_request_no,
            "refund_amount": refund.amount.to_yuan(), "trade_status": trade.status,
        })  # fmt: skip

    async def control_clock(self, request: web.Request) -> web.StreamResponse:
        """Set this Alipay's clock: ahead_s seconds before the machine's (negative: behind); 0 puts it right."""
        try:
            self.ahead = timedelta(seconds=float((await _control_params(request)).get("ahead_s", "")))
            now = self._now()
        except (ValueError, OverflowError):
            self.ahead = timedelta()
            return web.json_response({"error": "ahead_s: a number of seconds"}, status=400)
        self.alipay.tick(now)
        self.more_to_send.set()
        return web.json_response({"now": now.isoformat()})

    async def control_resend(self, request: web.Request) -> web.StreamResponse:
        """Send the last notice about a number once more, as Alipay's console does."""
        number = (await _control_params(request)).get("out_trade_no", "")
        sent = [each for each in self.alipay.book.deliveries.values() if each.fields["out_trade_no"] == number]
        if not sent:
            return web.json_response({"error": "no notice was sent about this number"}, status=404)
        answer = await self._try(sent[-1])
        return web.json_response({"out_trade_no": number, "answer": answer})

    async def control_faults(self, request: web.Request) -> web.StreamResponse:
        """Switch faults on: name=times for the next calls, mute=true until mute=false."""
        params = await _control_params(request)
        unknown = sorted(set(params) - set(Fault))
        if unknown or not params:
            return web.json_response({"error": f"known faults: {', '.join(Fault)}", "unknown": unknown}, status=400)
        for name, value in params.items():
            times = {"true": 1, "false": 0}.get(value.lower())
            if times is None and not value.isdecimal():
                return web.json_response({"error": f"{name}: a number of times, true or false"}, status=400)
            self.faults.set(Fault(name), int(value) if times is None else times)
        self.more_to_send.set()
        return web.json_response(self.faults.left)

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _control(self, request: web.Request, act: Callable[[Trade], Trade]) -> web.StreamResponse:
        params = await _control_params(request)
        trade = self._named(params)
        if trade is None:
            return web.json_response({"error": "no such trade, code or page"}, status=404)
        try:
            act(trade)
        except Refused as refusal:
            return web.json_response({"error": refusal.fields["sub_code"], "trade_status": trade.status}, status=409)
        return web.json_response(
            {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no, "trade_status": trade.status}
        )

    def _named(self, params: dict[str, str]) -> Trade | None:
        """The trade a control request means: by its number, or by the signed address a browser would open."""
        known = self.alipay.book.trades.get(params.get("out_trade_no", ""))
        if known is not None:
            return known
        address = dict(parse_qsl(urlsplit(params.get("url", "")).query, keep_blank_values=True))
        with contextlib.suppress(Refused):
            return self.alipay.open_page(address, self._now())
        return None

    # --- inside --------------------------------------------------------------------------------------------------

    def _trade(self, number: str) -> Trade:
        return self._current(self.alipay.book.trades.get(number))

    def _scanned(self, request: web.Request) -> Trade:
        return self._current(self.alipay.book.by_code(request.match_info["code"]))

    def _current(self, trade: Trade | None) -> Trade:
        if trade is None:
            raise web.HTTPNotFound
        self.alipay.tick(self._now(), trade)
        return trade

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def _tell_refunds(self) -> None:
        if announce_refunds(self.alipay, self._now()):
            self.more_to_send.set()

    def _pay(self, trade: Trade) -> Trade:
        self.alipay.pay(trade, self._now())
        announce(self.alipay, trade, self._now())
        self.more_to_send.set()
        return trade

    def _page(self, request: web.Request, name: str, **values: Any) -> web.Response:
        wanted = request.cookies.get("language") or request.headers.get("Accept-Language", "zh")[:2]
        language = "en" if wanted == "en" else "zh-hans"
        with translation.override(language):
            text = render_to_string(f"sandbox/{name}.html", {**values, "LANGUAGE_CODE": language})
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def _sending(self, _application: web.Application) -> Any:
        async with aiohttp.ClientSession(trust_env=False) as self._session:
            sending = asyncio.create_task(self._send_for_ever())
            yield
            sending.cancel()
            await asyncio.wait([sending])

    async def _send_for_ever(self) -> None:
        while True:
            self.more_to_send.clear()
            now = self._now()
            due = [each for each in self.alipay.book.waiting() if each.next_at is not None and each.next_at <= now]
            if due and not self.faults.is_on(Fault.MUTE):
                await asyncio.gather(*map(self._try, due))
                continue
            later = [
                each.next_at for each in self.alipay.book.waiting() if each.next_at is not None and each.next_at > now
            ]
            pause = (min(later) - now).total_seconds() if later and not self.faults.is_on(Fault.MUTE) else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.more_to_send.wait(), pause)

    async def _try(self, delivery: Delivery) -> str:
        fields = self.alipay.signed_notice(delivery.fields, self._now())
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            async with self._session.post(
                delivery.url, data=urlencode(fields).encode(), headers=headers, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TRY_S),
            ) as response:  # fmt: skip
                text = (await response.content.read(1024)).decode(errors="replace")
                answer = text if response.status == 200 else f"HTTP {response.status}: {text}"
        except (aiohttp.ClientError, TimeoutError) as error:
            answer = f"{type(error).__name__}"
        after_try(self.alipay, delivery, answer, self._now(), timescale=self.timescale)
        logger.info("notice_sent", number=fields["out_trade_no"], answer=answer, tries=delivery.tries)
        return answer


async def _params(request: web.Request) -> dict[str, str]:
    """A gateway request's parameters in the charset its query names; GBK where it names none."""
    query = request.rel_url.raw_query_string
    charset = dict(parse_qsl(query)).get("charset", "gbk")
    if charset.lower() not in ("utf-8", "gbk"):
        charset = "utf-8"
    body = (await request.read()).decode("ascii", "replace") if request.can_read_body else ""
    both = parse_qsl(query, keep_blank_values=True, encoding=charset) + parse_qsl(
        body, keep_blank_values=True, encoding=charset
    )
    return dict(both)


async def _control_params(request: web.Request) -> dict[str, str]:
    """Form or JSON, whatever its content type says; values as text."""
    if request.content_type == "application/json":
        try:
            values = await request.json()
        except ValueError:
            values = {}
        return {
            str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
        }
    return {name: str(value) for name, value in (await request.post()).items()}
