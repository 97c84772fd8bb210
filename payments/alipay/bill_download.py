"""Fetch a bill from the link Alipay gave: from Alipay's own hosts, over checked TLS, from public addresses, within bounds.

The link opens the file to anyone for thirty seconds, so it stands in no log, no error and no exception of ours.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import aiohttp
from yarl import URL

from payments.errors import LinkRefused, NoAnswer, NotABill, NotSent
from payments.public_hosts import LookUp, PublicOnly
from payments.public_hosts import look_up as ask_resolver

LONGEST_LINK = 2048
LARGEST_BILL = 512 * 1024 * 1024  # packed; a million lines have some 30 MB
CONNECT_S = 5.0
BLOCK = 64 * 1024
ZIP = b"PK"
_LINK = re.compile(r"(https?)://([^/?#]+)(/[\x21\x24-\x5b\x5d-\x7e]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkRules:
    """Where bills may be fetched from.

    hosts     names, spelled exactly so; https on its own port, public addresses
    origins   "http://127.0.0.1:9000": a pretend Alipay's, taken as it stands. None in production
    """

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()


def check_link(link: str, rules: LinkRules) -> None:
    """Raises LinkRefused for any link but an https one to exactly an allowed host. Names nothing of it but its host."""
    match = _LINK.fullmatch(link) if len(link) <= LONGEST_LINK else None
    if match is None:
        raise LinkRefused("the link is no address of a file on the web")
    scheme, place, _ = match.groups()
    if f"{scheme}://{place}" in rules.origins or (scheme == "https" and place in rules.hosts):
        return
    raise LinkRefused(f"the link leads to {scheme}://{place.rpartition('@')[2]!s:.80}, which is no place for bills")


def download(link: str, into: BinaryIO, *, rules: LinkRules, deadline_s: float, look_up: LookUp | None = None) -> int:
    """Write the file behind a link to `into`; returns its bytes. Nothing is connected before the link was checked.

    Raises LinkRefused, NotSent, NoAnswer, and NotABill where something else than a zip came: as a rule because the link's
    thirty seconds were over. What stands in `into` then is of no use.
    """
    check_link(link, rules)
    with ThreadPoolExecutor(1, "bill-download") as apart:  # the caller may have an event loop of its own
        return apart.submit(asyncio.run, _bounded(link, into, rules, deadline_s, look_up or ask_resolver)).result()


async def _bounded(link: str, into: BinaryIO, rules: LinkRules, deadline_s: float, look_up: LookUp) -> int:
    try:
        async with asyncio.timeout(deadline_s):
            return await _fetched(link, into, rules, look_up)
    except TimeoutError:
        raise NoAnswer(f"no whole bill within {deadline_s:g} s") from None
    except aiohttp.ClientConnectorError as error:
        raise NotSent(f"not connected: {type(error).__name__}") from None
    except aiohttp.ClientError as error:
        raise NoAnswer(f"the line broke: {type(error).__name__}") from None


async def _fetched(link: str, into: BinaryIO, rules: LinkRules, look_up: LookUp) -> int:
    connector = aiohttp.TCPConnector(resolver=PublicOnly(look_up), use_dns_cache=False, force_close=True)
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        trust_env=False,
        auto_decompress=False,
    )
    headers = {"Accept-Encoding": "identity"}
    async with session, session.get(URL(link, encoded=True), allow_redirects=False, headers=headers) as response:
        if response.status != 200:
            raise NotABill(f"HTTP {response.status} in the bill's place")
        size = 0
        async for block in response.content.iter_chunked(BLOCK):
            if size == 0 and not block.startswith(ZIP[: len(block)]):
                raise NotABill("no zip came; as a rule the link's time was over")
            size += len(block)
            if size > LARGEST_BILL:
                raise NoAnswer(f"a file of more than {LARGEST_BILL} bytes")
            into.write(block)
    if size == 0:
        raise NotABill("an empty file in the bill's place")
    return size
