"""The wire: posts signed requests and hands back bytes. Knows no meaning, keeps every bound.

A gateway that can't be reached is left alone for a while (see `Breaker`): calls to it then end at once, certainly not sent.
"""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import aiohttp
import stamina
from yarl import URL

from payments.alipay.breaker import Breaker
from payments.errors import GatewayDown, NoAnswer, NotSent

LARGEST_ANSWER = 1024 * 1024
CONNECT_S = 4.0
TRIES, FIRST_WAIT_S, LONGEST_WAIT_S = 3, 0.2, 2.0  # of a question, with jitter between them
IDLE_S = 10.0  # an idle connection is dropped before a gateway would drop it under us
_FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8", "Accept-Encoding": "identity"}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Post:
    """One request on its way: where to, and its encoded body.

    changes_nothing  a question: it may be asked again when the line breaks, within the same deadline
    """

    url: str
    body: str
    changes_nothing: bool = False


class Transport:
    """A pool of connections, kept open between calls. Safe to use from many threads; not across a fork.

    connections        the most that are open at once
    failures, pause_s  a gateway that fails so often in a row is left alone for so long
    One event loop on a thread of its own serves single calls and batches alike, so that deadlines are total ones:
    connecting, sending, a dripping header and the last byte of the body all count.
    """

    def __init__(self, *, connections: int, failures: int = 10, pause_s: float = 10.0) -> None:
        self._connections = connections
        self._make_breaker = partial(Breaker, failures=failures, pause_s=pause_s)
        self._breakers: dict[str, Breaker] = {}
        self._loop = asyncio.new_event_loop()
        self._session: aiohttp.ClientSession | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="alipay-transport", daemon=True)
        self._thread.start()

    def send(self, post: Post, *, deadline_s: float) -> bytes:
        """The body of the answer. Raises NotSent, NoAnswer."""
        answer = self._wait(self._answer(post, deadline_s))
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def send_many(self, posts: Sequence[Post], *, deadline_s: float) -> list[bytes | NoAnswer]:
        """Each answer, or why there is none, in the order of the posts. The deadline is each one's own."""
        return self._wait(self._answers(posts, deadline_s))

    def is_down(self, url: str) -> bool:
        """Whether calls to this gateway end at once now, but for a trial every pause."""
        return self._breaker(url).is_open()

    def close(self) -> None:
        """Break off what is under way, close every connection, end the thread."""
        self._wait(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _wait(self, work: Coroutine[object, object, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _answers(self, posts: Sequence[Post], deadline_s: float) -> list[bytes | NoAnswer]:
        free = asyncio.Semaphore(self._connections)  # a deadline starts when a connection is free

        async def in_turn(post: Post) -> bytes | NoAnswer:
            async with free:
                return await self._answer(post, deadline_s)

        return await asyncio.gather(*map(in_turn, posts))

    async def _answer(self, post: Post, deadline_s: float) -> bytes | NoAnswer:
        breaker = self._breaker(post.url)
        if not breaker.admits():
            return GatewayDown("not sent: the gateway has not answered for a while")
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self._asked_again(post, breaker) if post.changes_nothing else await self._once(post)
        except TimeoutError:
            breaker.note(succeeded=False)
            return NoAnswer(f"no answer within {deadline_s:g} s")
        except NoAnswer as none:
            breaker.note(succeeded=False)
            return none
        breaker.note(succeeded=True)
        return answer

    async def _asked_again(self, post: Post, breaker: Breaker) -> bytes:
        """Ask until there is an answer: a few times, unless the gateway is down meanwhile."""

        def is_worth_it(error: Exception) -> bool:
            return isinstance(error, NoAnswer) and not breaker.is_open()

        attempts = stamina.retry_context(
            on=is_worth_it, attempts=TRIES, timeout=None, wait_initial=FIRST_WAIT_S, wait_max=LONGEST_WAIT_S,
            wait_jitter=FIRST_WAIT_S,
        )  # fmt: skip
        async for attempt in attempts:
            with attempt:
                return await self._once(post)
        raise AssertionError("the last attempt returned or raised")

    async def _once(self, post: Post) -> bytes:
        try:
            return await self._exchange(post)
        except aiohttp.ClientConnectorError as error:  # refused, no such name, or a certificate that does not fit
            raise NotSent(f"not sent: {type(error).__name__}: {error.strerror or error}") from None
        except aiohttp.ClientError as error:
            raise NoAnswer(f"the line broke: {type(error).__name__}") from None

    def _breaker(self, url: str) -> Breaker:
        return self._breakers.setdefault(url.partition("?")[0], self._make_breaker())

    async def _exchange(self, post: Post) -> bytes:
        session = self._session or self._open()
        url = URL(post.url, encoded=True)  # as signed and encoded, not as the library would spell it
        async with session.post(url, data=post.body.encode(), headers=_FORM, allow_redirects=False) as response:
            if response.status != 200:
                raise NoAnswer(f"HTTP {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise NoAnswer(f"an answer of more than {LARGEST_ANSWER} bytes")
            return bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_S),
            trust_env=False,
        )
        return self._session
