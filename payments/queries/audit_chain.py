"""Whether the audit trail is as it was sealed: every event against its digest, every link against the one before."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection, transaction

from payments.models import AuditEvent, AuditSeal
from payments.models.clock import database_now
from payments.models.sealing import DIGEST_BYTES, Event, audit_keys, digest, events_between, mac

NAMED = 1_000  # no more are listed; all are counted
OVERDUE = timedelta(hours=1)
EVERYTHING = 2**63 - 1


@dataclass
class Verified:
    """What was found.

    events    sealed events that are as they were
    unsealed  younger than the last seal; stated, not wrong
    head      "number:mac" of the last link, to be kept elsewhere and handed in next time
    broken    how many things are wrong; `named` lists the first 1,000 in words
    """

    events: int = 0
    seals: int = 0
    unsealed: int = 0
    head: str = ""
    broken: int = 0
    named: list[str] = field(default_factory=list)

    def wrong(self, what: str) -> None:
        self.broken += 1
        if len(self.named) < NAMED:
            self.named.append(what)


def verify_audit(*, head: str = "") -> Verified:
    """Read trail and chain once, side by side, over one snapshot; a million events take well under a minute.

    head  "number:mac" as an earlier run printed it, or the log: then a chain cut off behind it is seen too
    """
    found = Verified()
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.atomic_blocks[0] is connection.atomic_blocks[-1]:  # ours is the outermost
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rest = _walk(events_between(-EVERYTHING, EVERYTHING), found, head)
        _state_the_rest(rest, found)
    return found


def _walk(events: Iterator[Event], found: Verified, head: str) -> Iterator[Event]:
    """Compare every sealed event; what comes back are the events behind the last seal."""
    keys, before, number, position = audit_keys(), b"", 0, 1
    kept_number, _, kept_mac = head.partition(":")
    event = next(events, None)
    for seal in AuditSeal.objects.order_by("number").iterator(chunk_size=20):
        for gone in range(number + 1, min(seal.number, number + 1 + NAMED)):
            found.wrong(f"seal {gone} is missing")
        key, number = keys.get(seal.key_id), seal.number
        if key is None:
            found.wrong(f"seal {number} was made with the key {seal.key_id!r}, which AUDIT_SEAL_KEYS does not hold")
        elif mac(key, seal, before) != bytes(seal.mac) or seal.first_position != position:
            found.wrong(f"seal {number} was altered, or is not the one that followed the last")
        if str(seal.number) == kept_number and not bytes(seal.mac).hex().startswith(kept_mac or "?"):
            found.wrong(f"seal {number} is not the one that was kept: {head}")
        before, position = bytes(seal.mac), seal.first_position + len(seal.events)
        event = _walk_seal(seal, key, event, events, found)
        found.seals, found.head = found.seals + 1, str(seal)
    if kept_number and number < int(kept_number):
        found.wrong(f"the chain ends at seal {number}, and {head} was kept: its end was cut off")
    return _chained(event, events)


def _walk_seal(
    seal: AuditSeal, key: bytes | None, event: Event | None, events: Iterator[Event], found: Verified
) -> Event | None:
    """One link's events against the table's. Returns the first event behind it."""
    digests = bytes(seal.digests)
    for at, event_id in enumerate(seal.events):
        while event is not None and event.id < event_id:
            found.wrong(f"event {event.id} stands among sealed ones and was not there when they were sealed")
            event = next(events, None)
        if event is None or event.id > event_id:
            found.wrong(f"event {event_id} is gone")
            continue
        if key is not None:
            if digest(key, event.text) == digests[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES]:
                found.events += 1
            else:
                found.wrong(f"event {event_id} was altered")
        event = next(events, None)
    return event


def _state_the_rest(rest: Iterator[Event], found: Verified) -> None:
    first = next(rest, None)
    if first is None:
        return
    found.unsealed = 1 + sum(1 for _ in rest)
    oldest = AuditEvent.objects.get(pk=first.id).at
    if database_now() - oldest > OVERDUE:
        found.wrong(f"event {first.id} and those after it have not been sealed since {oldest:%Y-%m-%d %H:%M:%S} UTC")


def _chained(event: Event | None, events: Iterator[Event]) -> Iterator[Event]:
    if event is not None:
        yield event
    yield from events
