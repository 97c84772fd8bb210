"""What must hold of our records at any instant: each invariant is one query that returns the rows that break it.

The queries stand in the modules that settings.INVARIANTS names, the shop's among them. A full run looks at everything; a
shorter one at what was written since a run that found nothing wrong, and at what hangs together with it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

SHOWN = 20
MOST_TOUCHED = 100_000  # beyond it a full run is cheaper
OLDEST = 1_000_000_000  # transactions; ids of transactions come round after four times as many

EVERYTHING = {
    "orders": "payments_order", "lines": "payments_orderline", "transactions": "payments_transaction",
    "refunds": "payments_refund", "transfers": "payments_transfer", "audit": "payments_auditevent",
    "calls": "payments_gatewaycall", "messages": "payments_inboundmessage", "cases": "payments_case",
}  # fmt: skip
TOUCHED = {
    "orders": "(SELECT * FROM payments_order WHERE id = ANY(%(orders)s))",
    "lines": "(SELECT * FROM payments_orderline WHERE order_id = ANY(%(orders)s))",
    "transactions": "(SELECT * FROM payments_transaction WHERE id = ANY(%(transactions)s))",
    "refunds": "(SELECT * FROM payments_refund WHERE transaction_id = ANY(%(transactions)s))",
    "transfers": "(SELECT * FROM payments_transfer WHERE cause = 'capture' AND transaction_id = ANY(%(transactions)s)"
    " UNION ALL SELECT * FROM payments_transfer WHERE cause = 'assign' AND transaction_id = ANY(%(transactions)s)"
    " UNION ALL SELECT * FROM payments_transfer WHERE refund_id = ANY(%(refunds)s))",
    "audit": "(SELECT * FROM payments_auditevent WHERE subject_kind = 'order' AND subject_id = ANY(%(orders)s)"
    " UNION ALL SELECT * FROM payments_auditevent WHERE subject_kind = 'transaction' AND subject_id = ANY(%(transactions)s)"
    " UNION ALL SELECT * FROM payments_auditevent WHERE subject_kind = 'refund' AND subject_id = ANY(%(refunds)s))",
    "calls": "(SELECT * FROM payments_gatewaycall WHERE transaction_id = ANY(%(transactions)s))",
    "messages": "(SELECT * FROM payments_inboundmessage WHERE id > %(message)s)",
    "cases": "payments_case",
}
# Rows carry the transaction that wrote them: an update that left no other trace is found too.
WRITTEN = "SELECT id FROM {table} WHERE age(xmin) <= age(%(since)s::text::xid)"
SUBJECTS = "SELECT DISTINCT subject_id FROM payments_auditevent WHERE id > %(audit)s AND subject_kind = %(kind)s"


class Broken(NamedTuple):
    """One invariant's result: how many rows break it, the first of them by kind and id, and how long it took."""

    name: str
    hits: int
    ids: list[str]
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the records stood in one snapshot: the oldest transaction still open then, and the last ids."""

    xid: int
    audit: int
    message: int


class Snapshot:
    """One look at the records: nothing that happens meanwhile is seen. Inside `snapshot()`."""

    def __init__(self) -> None:
        self.mark = Mark(*_row(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " (SELECT coalesce(max(id), 0) FROM payments_auditevent),"
            " (SELECT coalesce(max(id), 0) FROM payments_inboundmessage)"
        ))  # fmt: skip

    def check(self, *, since: Mark | None = None) -> Iterator[Broken]:
        """Run every query, as they are asked for. A name without hits holds.

        since  look only at what was written after that mark, where that is not too much; else at everything
        """
        touched = self._touched(since) if since and self.mark.xid - since.xid < OLDEST else None
        scope = EVERYTHING if touched is None else TOUCHED
        for name, query in sorted(invariants().items()):
            yield _run(name, query.format(**scope), touched or {})

    def _touched(self, since: Mark) -> dict[str, Any] | None:
        words = {"since": since.xid % 2**32, "audit": since.audit - MOST_TOUCHED}
        found = {}
        for kind in ("order", "transaction", "refund"):
            ids = set(_ids(WRITTEN.format(table=f"payments_{kind}"), words))
            found[kind] = ids | set(_ids(SUBJECTS, {**words, "audit": since.audit, "kind": kind}))
        if sum(map(len, found.values())) > MOST_TOUCHED:
            return None
        return _related(found) | {"message": since.message}


def invariants() -> dict[str, str]:
    """Every query by its number in the reliability matrix."""
    rules: dict[str, str] = {}
    for place in settings.INVARIANTS:
        named: Mapping[str, str] = import_string(place)
        assert not rules.keys() & named.keys(), f"{place} names one that is taken"
        rules |= named
    return rules


def check_invariants() -> list[Broken]:
    """Run every query over one snapshot."""
    with snapshot() as books:
        return list(books.check())


class snapshot(transaction.Atomic):  # reads as `with snapshot() as books`
    """A read-only transaction in which everything is seen as of its first query."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)

    def __enter__(self) -> Snapshot:  # type: ignore[override]  # Django's own gives nothing
        super().__enter__()
        with connection.cursor() as cursor:
            if (
                connection.atomic_blocks[0] is connection.atomic_blocks[-1]
            ):  # ours is the outermost: nothing was read yet
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = '120s'")
            cursor.execute("SET LOCAL work_mem = '128MB'")
        return Snapshot()


def _run(name: str, query: str, words: dict[str, Any]) -> Broken:
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), (array_agg(id))[1:{SHOWN}] FROM ({query}) AS broken(id)", words)  # noqa: S608  # our own text
        hits, ids = cursor.fetchone()
    return Broken(name, hits, ids or [], round((time.monotonic() - started) * 1000))


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
    with connection.cursor() as cursor:
        cursor.execute(query, words)
        return [row[0] for row in cursor.fetchall()]


def _row(query: str) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row: tuple[int, ...] = cursor.fetchone()
        return row
