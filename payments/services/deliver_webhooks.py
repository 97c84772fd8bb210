"""Bring webhook deliveries to their addresses: signed, again for three days, only to the open internet.

Signatures as the Standard Webhooks specification has them: HMAC-SHA256 over "id.timestamp.body", headers webhook-id,
webhook-timestamp and webhook-signature; both secrets sign while one replaces the other.
"""

import asyncio
import hmac
import json
import socket
import ssl
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp.abc import ResolveResult
from django.conf import settings
from django.db import transaction

from payments.errors import LinkRefused
from payments.models import AuditEvent, Case, WebhookDelivery, WebhookEndpoint, WebhookTry
from payments.models.clock import database_now
from payments.public_hosts import PublicOnly, is_public, look_up

logger = structlog.get_logger(__name__)
# After each failed try; together a little over three days.
LADDER = [timedelta(seconds=s) for s in (5, 60, 300, 1800, 7200, 18000, 36000, 50400, 64800, 86400)]
DEADLINE_S, CONNECT_S = 10.0, 5.0
LEASE = timedelta(seconds=60)  # over the deadline, and what the round's bookkeeping takes
EACH = 5  # of an endpoint at once
MOST_ANSWER, KEPT_ANSWER = 64 * 1024, 300
GONE = 410  # the receiver's way of saying: never again
AGENT = "Jiezhang-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call came to: the HTTP status, or why there is none."""

    status: int | None
    took_ms: int
    error: str = ""
    answer: str = ""

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver_webhooks() -> int:
    """Try what is due, a few of each endpoint at once. Safe to run twice or never. Returns how many were taken."""
    now = database_now()
    claimed = WebhookDelivery.objects.claim_due(now=now, lease=LEASE, each=EACH)
    if not claimed:
        return 0
    outcomes = call(claimed, now=now)
    return sum(_note(each, outcome) for each, outcome in zip(claimed, outcomes, strict=True))


def call(deliveries: list[WebhookDelivery], *, now: datetime) -> list[Outcome]:
    """Send each to its address, all at once, and say what came of it. Writes nothing."""
    calls = [
        (each.endpoint.url, content, _headers(each, content, now)) for each in deliveries for content in [body(each)]
    ]
    with ThreadPoolExecutor(1, "webhooks") as apart:  # the caller may have an event loop of its own
        return apart.submit(asyncio.run, _call_all(calls)).result()


def body(delivery: WebhookDelivery) -> bytes:
    """What is sent: the same bytes at every try."""
    event = delivery.event
    told = {"type": event.kind, "timestamp": event.at.isoformat(), "sequence": delivery.sequence, "data": event.data}
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def message_id(delivery: WebhookDelivery) -> str:
    """The same at every try, and at every endpoint."""
    return f"evt_{delivery.event_id.hex}"


def signature(secret: str, *, message_id: str, timestamp: int, content: bytes) -> str:
    """ "v1,…" over this message. `secret` as shown to its owner: "whsec_" and base64."""
    key = b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + content
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def check_address(url: str) -> None:
    """Raises LinkRefused, with words for who typed it, for what is no https address of the open internet.

    Hosts of WEBHOOK_PRIVATE_HOSTS may be anything. A name is judged again at every call, by what it leads to then.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    host = parts.hostname or ""
    if host in settings.WEBHOOK_PRIVATE_HOSTS and parts.scheme in ("http", "https") and port != 0:
        return
    if parts.scheme != "https" or not host or port == 0:
        raise LinkRefused("an address begins with https:// and names a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise LinkRefused("an address carries no name, password or fragment")
    if _is_number(host) and not is_public(host):
        raise LinkRefused(f"{host} is no public address")


def _is_number(host: str) -> bool:
    """An address in figures, which no resolver would see."""
    return ":" in host or host.replace(".", "").isdigit()


def _headers(delivery: WebhookDelivery, content: bytes, now: datetime) -> dict[str, str]:
    endpoint, number, timestamp = delivery.endpoint, message_id(delivery), int(now.timestamp())
    secrets = [endpoint.signing_secret]
    if endpoint.old_signing_secret and endpoint.old_until and endpoint.old_until > now:
        secrets.append(endpoint.old_signing_secret)
    signed = [signature(str(each), message_id=number, timestamp=timestamp, content=content) for each in secrets]
    return {
        "Content-Type": "application/json", "User-Agent": AGENT, "webhook-id": number,
        "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signed),
    }  # fmt: skip


async def _call_all(calls: list[tuple[str, bytes, dict[str, str]]]) -> list[Outcome]:
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S, sock_connect=CONNECT_S)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Addresses(look_up), use_dns_cache=False, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout, trust_env=False,
    )  # fmt: skip
    async with session:
        return list(await asyncio.gather(*(_call(session, *call) for call in calls)))


class _Addresses(PublicOnly):
    """Public addresses only, but for the hosts that settings let be anything."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host in settings.WEBHOOK_PRIVATE_HOSTS:
            return await aiohttp.ThreadedResolver().resolve(host, port, family)
        return await super().resolve(host, port, family)


async def _call(session: aiohttp.ClientSession, url: str, content: bytes, headers: dict[str, str]) -> Outcome:
    loop = asyncio.get_running_loop()
    started = loop.time()
    status, error, answer = None, "", ""
    try:
        check_address(url)
        async with session.post(url, data=content, headers=headers, allow_redirects=False) as response:
            read = await response.content.read(MOST_ANSWER)
            status, answer = response.status, read[:KEPT_ANSWER].decode(errors="replace").replace("\0", "")
    except (aiohttp.ClientError, TimeoutError, LinkRefused, ssl.SSLError, OSError, ValueError) as problem:
        error = f"{type(problem).__name__}: {problem}"[:200].replace("\0", "")
    if status is not None and 300 <= status < 400:
        error = "it leads elsewhere, which is not followed"
    return Outcome(status, round((loop.time() - started) * 1000), error, answer[:KEPT_ANSWER])


@transaction.atomic
def _note(delivery: WebhookDelivery, outcome: Outcome) -> bool:
    """Write the try down and what follows from it. True where it was taken."""
    WebhookTry.objects.create(
        delivery=delivery, status=outcome.status, took_ms=outcome.took_ms, error=outcome.error, answer=outcome.answer
    )
    now, endpoint = database_now(), delivery.endpoint
    subject = f"webhook:{endpoint.pk}"
    if outcome.taken:
        if WebhookDelivery.objects.mark_delivered(delivery, now=now):
            Case.objects.resolve(Case.Kind.WEBHOOK_DEAD, subject, actor="webhooks", note="it takes what we tell again")
        return True
    if outcome.status == GONE:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(active=False, why_not="it answered 410: gone")
        AuditEvent.objects.add(endpoint, "webhook_gone", actor="webhooks")
    if delivery.attempts <= len(LADDER) and outcome.status != GONE:
        WebhookDelivery.objects.try_later(delivery, due_at=now + LADDER[delivery.attempts - 1])
    elif WebhookDelivery.objects.mark_dead(delivery):
        logger.error("webhook_given_up", endpoint=str(endpoint.pk), delivery=delivery.pk, tries=delivery.attempts)
        Case.objects.open_once(
            Case.Kind.WEBHOOK_DEAD, subject, evidence=f"webhook_delivery:{delivery.pk}", address=endpoint.url,
            last=outcome.error or f"HTTP {outcome.status}",
        )  # fmt: skip
    return False
