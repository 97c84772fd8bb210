"""What people see: all trades, the cashier on desktop and phone, and a wallet that scans and shows payment codes."""

from collections.abc import Sequence
from random import SystemRandom
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import segno
from aiohttp import web

from payments.alipay.facts import TradeStatus
from payments.sandbox.alipay import Refused
from payments.sandbox.barcodes import Outcome, new_code
from payments.sandbox.book import BANK_CARD, OFFERED, Trade
from payments.sandbox.notices import signed_return
from payments.sandbox.rendering import page

if TYPE_CHECKING:
    from payments.sandbox.web import Site

SHOWN = 100
# How a buyer's attempt ends without a payment: the trade stays as it is, and the shop hears nothing.
DECLINED = {
    "poor": ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足"),
    "risk": ("ACQ.PAYMENT_REQUEST_HAS_RISK", "支付有风险"),
}
ACTS = "login|scan|pay|card|poor|risk|quit"


class Pages:
    """Buyers' pages, and the overview."""

    def __init__(self, site: "Site") -> None:
        self._site = site

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.get("/", self.home),
            web.get("/cashier/{number}", self.cashier),
            web.post(f"/cashier/{{number}}/{{act:{ACTS}}}", self.at_cashier),
            web.get("/qr/{code}", self.scanned),
            web.post(f"/qr/{{code}}/{{act:{ACTS}}}", self.at_scanned),
            web.get("/wallet", self.wallet),
            web.post("/wallet/scan", self.scan),
            web.post("/language", self.language),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Trades, newest first."""
        self._site.alipay.tick(self._site.now())
        trades = list(self._site.alipay.book.trades.values())[::-1][:SHOWN]
        return page(request, "home", trades=trades)

    # --- the cashier ---------------------------------------------------------------------------------------------

    async def cashier(self, request: web.Request) -> web.StreamResponse:
        """On a desktop with a code to go on with a phone; on the phone without."""
        trade = self._named(request)
        code = segno.make(str(request.url), micro=False).svg_inline(scale=5, border=2)
        return page(request, "cashier", trade=trade, act=f"/cashier/{trade.out_trade_no}", code=code)

    async def at_cashier(self, request: web.Request) -> web.StreamResponse:
        trade, act = self._named(request), request.match_info["act"]
        refused = self._acted(request, trade, act)
        if refused is not None:
            return refused
        raise web.HTTPSeeOther(self._back(trade, act) or f"/cashier/{trade.out_trade_no}")

    def _back(self, trade: Trade, act: str) -> str:
        if act == "quit":
            return trade.details.get("quit_url") or trade.return_url
        if act not in ("pay", "card") or not trade.return_url:
            return ""
        signed = urlencode(signed_return(self._site.alipay, trade, self._site.now()), encoding=trade.charset)
        return f"{trade.return_url}{'&' if '?' in trade.return_url else '?'}{signed}"

    # --- the phone -----------------------------------------------------------------------------------------------

    async def scanned(self, request: web.Request) -> web.StreamResponse:
        """What a phone shows after scanning. Opening the address is not yet a scan: browsers look ahead."""
        trade = self._current(self._site.alipay.book.by_code(request.match_info["code"]))
        return page(request, "scanned", trade=trade, act=f"/qr/{request.match_info['code']}")

    async def at_scanned(self, request: web.Request) -> web.StreamResponse:
        code = request.match_info["code"]
        refused = self._acted(
            request, self._current(self._site.alipay.book.by_code(code)), request.match_info["act"]
        )  # fmt: skip
        if refused is not None:
            return refused
        raise web.HTTPSeeOther("/wallet" if request.match_info["act"] == "quit" else f"/qr/{code}")

    async def wallet(self, request: web.Request) -> web.StreamResponse:
        """A phone's first page: codes in sight, requests for a password, and payment codes to show at a counter.

        Looking draws nothing from the seeded source: who looks must not change the run.
        """
        alipay = self._site.alipay
        alipay.tick(self._site.now())
        trades = list(alipay.book.trades.values())[::-1]
        now = self._site.now()
        codes = [each for each in trades if each.status == OFFERED and each.code_until and each.code_until > now]
        asked = [each for each in trades if each.status == TradeStatus.WAITING and each.auth_code]
        mine = {each.name: new_code(each, SystemRandom()) for each in Outcome}
        return page(request, "wallet", codes=codes[:SHOWN], asked=asked, mine=mine)

    async def scan(self, request: web.Request) -> web.StreamResponse:
        """Scan by typing: the text of a code, as any reader shows it."""
        text = str((await request.post()).get("code", "")).strip()
        trade = self._site.alipay.book.by_code(urlsplit(text).path.rsplit("/", 1)[-1])
        if trade is None:
            return page(request, "refused", refusal={"sub_msg": "", "msg": text, "sub_code": "", "code": "?"})
        refused = self._acted(request, trade, "scan")
        if refused is not None:
            return refused
        raise web.HTTPSeeOther(urlsplit(trade.qr_code).path)

    async def language(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        response = web.HTTPSeeOther(urlsplit(request.headers.get("Referer", "/")).path or "/")
        response.set_cookie("language", "en" if form.get("language") == "en" else "zh-hans")
        return response

    # --- inside --------------------------------------------------------------------------------------------------

    def _acted(self, request: web.Request, trade: Trade, act: str) -> web.Response | None:
        """Do what the buyer chose; a page where Alipay refuses."""
        try:
            if act in ("login", "scan"):
                self._site.alipay.enter(trade, self._site.now())
            if act in ("pay", "card"):
                self._site.pay(trade, channel=BANK_CARD if act == "card" else "")
            if act in DECLINED:
                raise Refused(*DECLINED[act])
        except Refused as refusal:
            return page(request, "refused", refusal=refusal.fields, back=request.path.rsplit("/", 1)[0])
        return None

    def _named(self, request: web.Request) -> Trade:
        return self._current(self._site.alipay.book.trades.get(request.match_info["number"]))

    def _current(self, trade: Trade | None) -> Trade:
        if trade is None:
            raise web.HTTPNotFound
        self._site.alipay.tick(self._site.now(), trade)
        return trade
