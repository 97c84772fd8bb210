"""gateway.do over HTTP: parameters from wherever a client puts them, answers as Alipay sends them, and broken lines."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from payments.sandbox.alipay import PAGES, Refused
from payments.sandbox.envelope import CHARSETS
from payments.sandbox.faults import Fault
from payments.sandbox.rendering import page

if TYPE_CHECKING:
    from payments.sandbox.web import Site

HELD_S = 60.0  # longer than any client waits
DELAY_S = 3.0
DRIP_S = 1.0
_NOT_JSON = "<html><head><title>系统维护</title></head><body><h1>系统维护中，请稍后再试</h1></body></html>"
_DEAD_LINK = "<html><head><title>链接已失效</title></head><body><p>下载链接已失效，请重新获取</p></body></html>"


class Gateway:
    """Alipay's own addresses."""

    def __init__(self, site: "Site") -> None:
        self._site = site

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.route("*", "/gateway.do", self.gateway),
            web.get("/downloadBillFile.resource", self.bill),
        ]

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        """Always 200 and text/html, as the real one, unless a fault strikes."""
        params, charset = await read_params(request)
        alipay, method = self._site.alipay, params.get("method", "")
        broken = await self._before(method)
        if broken is not None:
            return broken
        if method not in PAGES:
            answer = alipay.answer(params, self._site.now(), charset)
            self._site.happened()
            return await self._after(request, method, answer.encode(charset, "replace"), charset)
        try:
            trade = alipay.open_page(params, self._site.now(), charset)
        except Refused as refusal:
            return page(request, "refused", refusal=refusal.fields)
        raise web.HTTPSeeOther(f"/cashier/{trade.out_trade_no}")

    async def bill(self, request: web.Request) -> web.StreamResponse:
        """What a bill's link leads to; after thirty seconds a page that says it is dead, with status 200."""
        found = self._site.alipay.bills.behind(request.query.get("token", ""), self._site.now())
        if found is None:
            return web.Response(text=_DEAD_LINK, content_type="text/html", charset="utf-8")
        name, content = found
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=content, content_type="application/octet-stream", headers=headers)

    async def _before(self, method: str) -> web.Response | None:
        faults = self._site.alipay.faults
        if faults.strikes(Fault.DELAY, method):
            await asyncio.sleep(faults.seconds(Fault.DELAY, DELAY_S))
        if faults.strikes(Fault.LOSE, method):
            await asyncio.sleep(faults.seconds(Fault.LOSE, HELD_S))
            return web.Response(status=504)
        if faults.strikes(Fault.HTTP_500, method):
            return web.Response(status=500, text="<h1>500</h1>", content_type="text/html")
        return None

    async def _after(self, request: web.Request, method: str, body: bytes, charset: str) -> web.StreamResponse:
        faults = self._site.alipay.faults
        if faults.strikes(Fault.SWALLOW, method):
            await asyncio.sleep(faults.seconds(Fault.SWALLOW, HELD_S))
            return web.Response(status=504)
        if faults.strikes(Fault.HTML, method):
            return web.Response(text=_NOT_JSON, content_type="text/html", charset="utf-8")
        if faults.strikes(Fault.CUT, method):
            body = body[: len(body) // 2]
        if faults.strikes(Fault.DRIP, method):
            return await self._dripped(request, body)
        return web.Response(body=body, content_type="text/html", charset=charset)

    async def _dripped(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8"})
        await response.prepare(request)
        pause = self._site.alipay.faults.seconds(Fault.DRIP, DRIP_S)
        for at in range(len(body)):
            await response.write(body[at : at + 1])
            await asyncio.sleep(pause)
        return response


async def read_params(request: web.Request) -> tuple[dict[str, str], str]:
    """A request's parameters from query and body, form or multipart, and the charset its query names; GBK for none."""
    query = request.rel_url.raw_query_string
    charset = CHARSETS.get(dict(parse_qsl(query)).get("charset", "gbk").lower(), "utf-8")
    params = dict(parse_qsl(query, keep_blank_values=True, encoding=charset))
    if request.content_type.startswith("multipart/"):
        return {**params, **await _parts(request, charset)}, charset
    body = (await request.read()).decode("ascii", "replace") if request.can_read_body else ""
    return {**params, **dict(parse_qsl(body, keep_blank_values=True, encoding=charset))}, charset


async def _parts(request: web.Request, charset: str) -> dict[str, str]:
    """The fields of a multipart body; files are no part of what is signed."""
    found: dict[str, str] = {}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name and part.filename is None:
            found[part.name] = bytes(await part.read(decode=True)).decode(charset, "replace")
    return found
