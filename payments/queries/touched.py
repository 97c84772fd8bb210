"""What was written since a mark, and what hangs together with it: the rows that a shorter run of the invariants looks at.

A row carries the transaction that wrote it (xmin), which no index knows. So nothing is read whole: each table is looked at
from where it ended then, and MARGIN ids before that, for a number is given out before its row is committed; live orders and
attempts by their indexes; and older records where the books say that something happened to them: an event, a transfer, a
call, a follow-up. The product leaves one of these with every change that matters here.
Not seen: an UPDATE by hand of a record older than the margin, and a row that was deleted. The nightly run looks at everything.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

MOST_TOUCHED = 100_000  # beyond it a full run is cheaper
MARGIN = 100_000  # ids
OLDEST = 1_000_000_000  # transactions; ids of transactions come round after four times as many

TABLES = {
    "audit": "payments_auditevent", "message": "payments_inboundmessage", "transfer": "payments_transfer",
    "line": "payments_orderline", "follow_up": "payments_outboxmessage", "order": "payments_order",
    "transaction": "payments_transaction", "refund": "payments_refund",
}  # fmt: skip
WRITTEN = "age(xmin) <= age(%(xid)s::text::xid)"
# ruff: noqa: S608 -- every name in these queries is our own
SINCE = {
    "order": [
        f"SELECT id FROM payments_order WHERE id > %(order)s AND {WRITTEN}",
        f"SELECT id FROM payments_order WHERE state = 'awaiting_payment' AND {WRITTEN}",
        f"SELECT subject_id FROM payments_auditevent WHERE id > %(audit)s AND subject_kind = 'order' AND {WRITTEN}",
        f"SELECT order_id FROM payments_orderline WHERE id > %(line)s AND {WRITTEN}",
    ],
    "transaction": [
        f"SELECT id FROM payments_transaction WHERE id > %(transaction)s AND {WRITTEN}",
        f"SELECT id FROM payments_transaction WHERE next_check_at IS NOT NULL AND {WRITTEN}",
        f"SELECT subject_id FROM payments_auditevent WHERE id > %(audit)s AND subject_kind = 'transaction' AND {WRITTEN}",
        f"SELECT transaction_id FROM payments_transfer WHERE id > %(transfer)s AND {WRITTEN}",
        "SELECT transaction_id FROM payments_gatewaycall"
        f" WHERE started_at > %(at)s - interval '1 hour' AND transaction_id IS NOT NULL AND {WRITTEN}",
        # money beyond an order, whose follow-up carries its number
        "SELECT (payload ->> 'transaction_id')::bigint FROM payments_outboxmessage"
        f" WHERE id > %(follow_up)s AND topic = 'money.surplus' AND {WRITTEN}",
    ],
    "refund": [
        f"SELECT id FROM payments_refund WHERE id > %(refund)s AND {WRITTEN}",
        f"SELECT id FROM payments_refund WHERE next_check_at IS NOT NULL AND {WRITTEN}",
        f"SELECT subject_id FROM payments_auditevent WHERE id > %(audit)s AND subject_kind = 'refund' AND {WRITTEN}",
        f"SELECT refund_id FROM payments_transfer WHERE id > %(transfer)s AND refund_id IS NOT NULL AND {WRITTEN}",
    ],
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the records stood in one snapshot: the oldest transaction still open then, and the last id of each table."""

    xid: int
    audit: int
    message: int
    transfer: int
    line: int
    follow_up: int
    order: int
    transaction: int
    refund: int

    @classmethod
    def here(cls) -> "Mark":
        last = (f"(SELECT coalesce(max(id), 0) FROM {table})" for table in TABLES.values())
        row = _rows(f"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, {', '.join(last)}", {})[0]
        return cls(*row)


def touched(since: Mark, *, at: datetime | None, now: Mark) -> dict[str, Any] | None:
    """The ids to look at, by kind, as the words of the queries; None when that is too much, or too long ago.

    at  when `since` was, by the database's clock
    """
    if now.xid - since.xid >= OLDEST:
        return None
    words = {name: max(0, last - MARGIN) for name, last in asdict(since).items()} | {"xid": since.xid % 2**32, "at": at}
    found = {kind: {id_ for query in queries for id_ in _ids(query, words)} for kind, queries in SINCE.items()}
    for table in settings.INVARIANTS_OF_ORDERS:
        found["order"].update(_ids(f"SELECT order_id FROM {table} WHERE order_id > %(order)s AND {WRITTEN}", words))
    if sum(map(len, found.values())) > MOST_TOUCHED:
        return None
    return _related(found) | {name: words[name] for name in ("audit", "message", "at")}


def _related(found: dict[str, set[int]]) -> dict[str, list[int]]:
    """What hangs together with these: a refund with its transaction, a transaction with its order, and back."""
    transactions = found["transaction"] | set(_ids(
        "SELECT transaction_id FROM payments_refund WHERE id = ANY(%(ids)s)", {"ids": list(found["refund"])}
    ))  # fmt: skip
    transactions |= set(_ids(
        "SELECT id FROM payments_transaction WHERE order_id = ANY(%(ids)s)", {"ids": list(found["order"])}
    ))  # fmt: skip
    orders = found["order"] | set(_ids(
        "SELECT order_id FROM payments_transaction WHERE id = ANY(%(ids)s) AND order_id IS NOT NULL", {"ids": list(transactions)}
    ))  # fmt: skip
    refunds = _ids("SELECT id FROM payments_refund WHERE transaction_id = ANY(%(ids)s)", {"ids": list(transactions)})
    return {"orders": list(orders), "transactions": list(transactions), "refunds": list(refunds)}


def _ids(query: str, words: dict[str, Any]) -> Sequence[int]:
    return [row[0] for row in _rows(query, words)]


def _rows(query: str, words: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, words)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
