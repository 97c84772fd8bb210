"""The pretend Alipay's wires: one site with the gateway, pages for people, and the control door for tests and demos."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from django.conf import settings

from payments.sandbox.alipay import Alipay
from payments.sandbox.book import Trade
from payments.sandbox.control import Control
from payments.sandbox.gateway import Gateway
from payments.sandbox.notices import announce
from payments.sandbox.pages import Pages
from payments.sandbox.panel import Panel
from payments.sandbox.post import Post


class Site:
    """One running pretend Alipay. Everything happens on one event loop, so the core needs no locks."""

    def __init__(self, alipay: Alipay, *, timescale: float) -> None:
        self.alipay = alipay
        self.timescale = timescale
        self.ahead = timedelta()  # how far this Alipay's clock is ahead of the machine's
        self.post = Post(self)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1024 * 1024)
        application.router.add_static("/static/", settings.ROOT / "static")
        application.add_routes([web.get("/healthz", _healthz)])
        for door in (Gateway(self), Pages(self), Panel(self), Control(self)):
            application.add_routes(door.routes())
        application.cleanup_ctx.append(self._sending)
        return application

    def now(self) -> datetime:
        """This Alipay's clock."""
        return datetime.now(UTC) + self.ahead

    def happened(self) -> None:
        """Tell the shop what is new, and look again for what is due."""
        announce(self.alipay, self.now())
        self.post.wake()

    def pay(self, trade: Trade, *, channel: str = "") -> Trade:
        """A buyer pays. Raises Refused."""
        self.alipay.pay(trade, self.now(), channel=channel)
        self.happened()
        return trade

    async def _sending(self, _application: web.Application) -> Any:
        async with self.post.open():
            sending = asyncio.create_task(self.post.send_for_ever())
            yield
            sending.cancel()
            await asyncio.wait([sending])


async def _healthz(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")
