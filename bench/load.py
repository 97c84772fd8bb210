"""A load of ready-made requests over a fixed number of connections, and what came back how fast."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Round:
    """One round: requests per second, and the time within which 99 of 100 were answered."""

    rate: float
    p99_ms: float
    answers: Counter[bytes]


def form_post(url: str, body: bytes) -> bytes:
    """The bytes of one POST, as Alipay sends a notice."""
    where = urlsplit(url)
    head = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\r\n"
    )
    return head.encode() + body


def fire(url: str, requests: Sequence[bytes], *, connections: int = 16) -> Round:
    """Send every request once, each connection one after another; as fast as the answers come."""
    return asyncio.run(_fire(urlsplit(url), list(requests), connections))


async def _fire(where, requests: list[bytes], connections: int) -> Round:  # type: ignore[no-untyped-def]  # a SplitResult
    waits: list[float] = []
    answers: Counter[bytes] = Counter()

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        while requests:
            request = requests.pop()
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            waits.append(time.perf_counter() - started)
            answers[head[9:12] + b" " + body[:40]] += 1
        writer.close()

    count, started = len(requests), time.perf_counter()
    await asyncio.gather(*(one_connection() for _ in range(connections)))
    spent = time.perf_counter() - started
    return Round(count / spent, sorted(waits)[int(len(waits) * 0.99)] * 1000, answers)
