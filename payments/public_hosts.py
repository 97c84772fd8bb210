"""Calling addresses that others wrote down: a name is looked up once, and only the open internet is connected to."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from payments.errors import LinkRefused

_TRANSLATED = [
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
]
LookUp = Callable[[str, int], Awaitable[list[str]]]


class PublicOnly(AbstractResolver):
    """Looks a name up once, refuses it unless all its addresses are public, and hands those same addresses to the socket."""

    def __init__(self, look_up: LookUp) -> None:
        self.look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self.look_up(host, port)
        for address in addresses:
            if not is_public(address):
                raise LinkRefused(f"{host} leads to {address}, which is no public address")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is kept open."""


def is_public(address: str) -> bool:
    """Whether this is an address of the open internet; one that wraps another address in any known way is not."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # decimal, octal, short or scoped spellings are nothing a resolver answers
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and (
        parsed.ipv4_mapped or any(parsed in network for network in _TRANSLATED)
    ):
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


async def look_up(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
