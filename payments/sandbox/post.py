"""Delivering notices over the wire, one after another as they become due."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
import structlog

from payments.sandbox.book import Delivery
from payments.sandbox.notices import after_try, due, next_due, tries

if TYPE_CHECKING:
    from payments.sandbox.web import Site

logger = structlog.get_logger(__name__)
TRY_S = 15.0
LOST = "(lost on the way)"


class Post:
    """Sends what the core says is due."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._more = asyncio.Event()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(trust_env=False) as self._session:
            yield

    def wake(self) -> None:
        """Something may be due now."""
        self._more.set()

    async def send_for_ever(self) -> None:
        while True:
            self._more.clear()
            ready = due(self._site.alipay, self._site.now())
            if ready:
                await asyncio.gather(*map(self.send, ready))
                continue
            pause = next_due(self._site.alipay, self._site.now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), pause.total_seconds() if pause is not None else None)

    async def send(self, delivery: Delivery) -> str:
        """One try, whether it is due or not; the shop's answer."""
        site = self._site
        forms = list(tries(site.alipay, delivery, site.now()))
        answers = await asyncio.gather(*(self._send(delivery.url, form) for form in forms))
        answer = answers[-1] if answers else LOST
        after_try(site.alipay, delivery, answer, site.now(), timescale=site.timescale)
        logger.info("notice_sent", number=delivery.number, answer=answer, tries=delivery.tries)
        return answer

    async def _send(self, url: str, form: dict[str, str]) -> str:
        charset = form["charset"]
        headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        try:
            async with self._session.post(
                url, data=urlencode(form, encoding=charset).encode(), headers=headers, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TRY_S),
            ) as response:  # fmt: skip
                text = (await response.content.read(1024)).decode(errors="replace")
                return text if response.status == 200 else f"HTTP {response.status}: {text}"
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return type(error).__name__
