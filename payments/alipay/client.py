"""The wire: posts signed requests and hands back bytes. Knows no meaning, keeps every bound."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from yarl import URL

from payments.errors import NoAnswer, NotSent

LARGEST_ANSWER = 1024 * 1024
CONNECT_S = 4.0
IDLE_S = 10.0  # an idle connection is dropped before a gateway would drop it under us
_FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8", "Accept-Encoding": "identity"}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Post:
    """One request on its way: where to, and its encoded body."""

    url: str
    body: str


class Transport:
    """A pool of connections, kept open between calls. Safe to use from many threads; not across a fork.

    connections   the most that are open at once
    One event loop on a thread of its own serves single calls and batches alike, so that deadlines are total ones:
    connecting, sending, a dripping header and the last byte of the body all count.
    """

    def __init__(self, *, connections: int) -> None:
        self._connections = connections
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
        try:
            async with asyncio.timeout(deadline_s):
                return await self._exchange(post)
        except TimeoutError:
            return NoAnswer(f"no answer within {deadline_s:g} s")
        except aiohttp.ClientConnectorError as error:  # refused, no such name, or a certificate that does not fit
            return NotSent(f"not sent: {type(error).__name__}: {error.strerror or error}")
        except aiohttp.ClientError as error:
            return NoAnswer(f"the line broke: {type(error).__name__}")
        except NoAnswer as none:
            return none

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
