"""The chain of seals over the audit trail: how an event and a link are digested, and how new links are made.

Ids come from a sequence, so a transaction that is still open may commit an id below those we see. A bound is therefore
noted in one round and used in a later one, when every transaction that was open then has ended: nothing can appear
below it any more.
"""

import hmac
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from payments.fields import key_ring
from payments.models.audit import AuditSeal

FORMAT = "jiezhang-audit-1"
DIGEST_BYTES = 16
BATCH = 2_000
# An id is handed out before its row has a transaction id; within this time the statement is over (statement_timeout).
SETTLES = timedelta(seconds=20)
EVENTS = """
SELECT id, json_build_array(id, subject_kind, subject_id, action, state, actor, cause, detail, extract(epoch from at))::text
FROM payments_auditevent WHERE id > %(after)s AND id <= %(until)s ORDER BY id
"""


class Event(NamedTuple):
    """An audit event by id, with the text that is digested: every column of it."""

    id: int
    text: str


class Bound(NamedTuple):
    """Up to which id events may be sealed once all transactions below `before_xid` have ended."""

    until_id: int
    before_xid: int
    at: datetime

    def note(self) -> dict[str, Any]:
        return {"until_id": self.until_id, "before_xid": self.before_xid, "at": self.at.isoformat()}

    @classmethod
    def from_note(cls, note: dict[str, Any]) -> "Bound | None":
        return cls(note["until_id"], note["before_xid"], datetime.fromisoformat(note["at"])) if note else None

    def is_safe(self, now: datetime) -> bool:
        """Whether nothing can appear at or below `until_id` any more."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            oldest: int = cursor.fetchone()[0]
        return oldest >= self.before_xid and now - self.at >= SETTLES


def bound_now(now: datetime) -> Bound:
    """The last id handed out, then the first transaction id that was not: in this order, in two snapshots."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM payments_auditevent_id_seq")
        until = cursor.fetchone()[0]
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return Bound(until, cursor.fetchone()[0], now)


def seal_events(*, until_id: int, most: int, now: datetime) -> int:
    """Add links for events up to `until_id`, at most `most` of them. Returns how many were sealed.

    In the caller's transaction. Two at once can't both succeed: a link's number is the table's key.
    """
    last = AuditSeal.objects.order_by("-number").first()
    key_id, key = next(iter(audit_keys().items()))
    sealed = 0
    for batch in _batches(last.events[-1] if last else 0, until_id, most):
        last = link(last, batch, key_id=key_id, key=key, now=now)
        last.save(force_insert=True)
        sealed += len(batch)
    return sealed


def link(last: AuditSeal | None, batch: Sequence[Event], *, key_id: str, key: bytes, now: datetime) -> AuditSeal:
    """The next link of the chain over these events, not saved."""
    made = AuditSeal(
        number=last.number + 1 if last else 1, first_position=last.first_position + len(last.events) if last else 1,
        events=[event.id for event in batch], digests=b"".join(digest(key, event.text) for event in batch),
        key_id=key_id, sealed_at=now,
    )  # fmt: skip
    made.mac = mac(key, made, bytes(last.mac) if last else b"")
    return made


def digest(key: bytes, text: str) -> bytes:
    """16 bytes that only the key's holder can compute for this event."""
    return hmac.digest(key, text.encode(), "sha256")[:DIGEST_BYTES]


def mac(key: bytes, seal: AuditSeal, before: bytes) -> bytes:
    """HMAC-SHA256 over everything in the link and the mac before it."""
    head = [FORMAT, seal.number, seal.first_position, len(seal.events), seal.key_id, seal.sealed_at.isoformat()]
    ids = struct.pack(f">{len(seal.events)}q", *seal.events)
    return hmac.digest(key, json.dumps(head).encode() + b"\n" + before + ids + bytes(seal.digests), "sha256")


def audit_keys() -> dict[str, bytes]:
    """By id, from settings; the first one seals."""
    return key_ring("AUDIT_SEAL_KEYS", settings.AUDIT_SEAL_KEYS)


def events_between(after: int, until: int) -> Iterator[Event]:
    """In order of id, from a cursor on the server: as many as there are, few in memory. Inside a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(EVENTS, {"after": after, "until": until})
        while rows := cursor.fetchmany(BATCH):
            yield from map(Event._make, rows)


def _batches(after: int, until: int, most: int) -> Iterable[list[Event]]:
    batch: list[Event] = []
    for count, event in enumerate(events_between(after, until), start=1):
        batch.append(event)
        if len(batch) == BATCH or count == most:
            yield batch
            batch = []
        if count == most:
            return
    if batch:
        yield batch
