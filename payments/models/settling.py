"""The door to settle.sql: facts as plain values in, what moved as rows out."""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models.functions import Now

from payments.fields import seal, sealed_place
from payments.models.messages import GatewayCall, InboundMessage

SOURCE = Path(__file__).parent / "sql" / "settle.sql"
# Without comments and indentation: the driver keeps the parsed form of statements up to 4,096 characters only.
SETTLE = " ".join(re.sub(r"--[^\n]*", "", SOURCE.read_text()).split())


class Fact(NamedTuple):
    """One trade as Alipay described it.

    says      "paid", "closed", "waiting"; anything else moves nothing
    finished  paid and no longer refundable
    """

    out_trade_no: str
    app_id: str
    seller_id: str
    trade_no: str | None
    says: str
    finished: bool
    total_fen: int | None
    receipt_fen: int | None
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeardNotice:
    """The notice that carried one fact: raw body and fingerprint."""

    fingerprint: str
    body: bytes

    @property
    def evidence(self) -> str:
        return f"notice:{self.fingerprint}"

    def again(self) -> "HeardNotice":
        return self


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """The query, or batch of queries, that taught us the facts. Becomes one GatewayCall row."""

    call_id: uuid.UUID
    account_id: int
    started_at: datetime

    @property
    def evidence(self) -> str:
        return f"call:{self.call_id}"

    def again(self) -> "AskedQuery":
        """The same query under another row of the journal."""
        return replace(self, call_id=uuid.uuid4())


@dataclass(frozen=True, slots=True)
class KeptNotice:
    """A notice that is stored already, heard once more: its row, and the verdict it has."""

    fingerprint: str
    message_id: int
    verdict: str

    @property
    def evidence(self) -> str:
        return f"notice:{self.fingerprint}"

    def again(self) -> "KeptNotice":
        return self


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call of ours that changed something and whose answer told a fact; its journal row is the caller's."""

    call_id: uuid.UUID

    @property
    def evidence(self) -> str:
        return f"call:{self.call_id}"

    def again(self) -> "MadeCall":
        return self


@dataclass(frozen=True, slots=True)
class ReadBill:
    """A bill that was read: its file carries the facts, and is kept already. evidence: "bill:17"."""

    evidence: str

    def again(self) -> "ReadBill":
        return self


Source = HeardNotice | AskedQuery | KeptNotice | MadeCall | ReadBill


class Moved(NamedTuple):
    """What settle.sql did with one fact; transaction_id and state are None where nothing moved."""

    out_trade_no: str
    transaction_id: int | None
    state: str | None
    pays_order: bool
    message_id: int | None
    verdict: str | None


def apply_facts(facts: Sequence[Fact], *, source: Source, actor: str) -> list[Moved]:
    """Run settle.sql once, together with what carried the facts. Each out_trade_no may stand in `facts` only once.

    A notice is part of the statement, a kept one and a bill stay as they are; a query's journal row is
    written in the same transaction.
    actor  which door: "notice", "poll", "buyer", "staff:7"
    """
    assert len({fact.out_trade_no for fact in facts}) == len(facts), "one fact per number and statement"
    plain = [_plain(fact) for fact in facts]
    values = {"facts": json.dumps(plain), "evidence": source.evidence, "actor": actor}
    if isinstance(source, HeardNotice):
        seal_id = uuid.uuid4()
        body = seal(source.body, place=sealed_place(InboundMessage, "body", seal_id))
        return _settled({**values, "fingerprint": source.fingerprint, "seal_id": seal_id, "body": body})
    if isinstance(source, MadeCall | ReadBill):
        return _settled({**values, "fingerprint": None, "seal_id": None, "body": None})
    if isinstance(source, KeptNotice):
        rows = _settled({**values, "fingerprint": None, "seal_id": None, "body": None})
        return [row._replace(message_id=source.message_id, verdict=source.verdict) for row in rows]
    with transaction.atomic():
        GatewayCall.objects.create(
            id=source.call_id, account_id=source.account_id, method="alipay.trade.query", purpose="query",
            number=facts[0].out_trade_no if len(facts) == 1 else "", outcome=GatewayCall.Outcome.DONE, learned=plain,
            started_at=source.started_at, ended_at=Now(),
        )  # fmt: skip
        return _settled({**values, "fingerprint": None, "seal_id": None, "body": None})


def _settled(values: dict[str, Any]) -> list[Moved]:
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, values)
        return [Moved(*row) for row in cursor.fetchall()]


def _plain(fact: Fact) -> dict[str, Any]:
    return {**fact._asdict(), "paid_at": fact.paid_at.isoformat() if fact.paid_at else None}
