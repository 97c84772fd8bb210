"""What must hold of our records at any instant: each invariant is one query that returns the rows that break it.

The queries stand in the modules that settings.INVARIANTS names, the shop's among them. A full run looks at everything; a
shorter one at what was written since a run that found nothing wrong, and at what hangs together with it.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from payments.queries.touched import Mark, touched

SHOWN = 20

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
    " UNION ALL SELECT * FROM payments_auditevent WHERE subject_kind = 'refund' AND subject_id = ANY(%(refunds)s)"
    " UNION ALL SELECT * FROM payments_auditevent"
    " WHERE id > %(audit)s AND subject_kind NOT IN ('order', 'transaction', 'refund'))",
    "calls": "(SELECT * FROM payments_gatewaycall WHERE transaction_id = ANY(%(transactions)s)"
    " OR started_at > %(at)s - interval '1 hour')",
    "messages": "(SELECT * FROM payments_inboundmessage WHERE id > %(message)s)",
    "cases": "payments_case",
}


class Broken(NamedTuple):
    """One invariant's result: how many rows break it, the first of them by kind and id, and how long it took."""

    name: str
    hits: int
    ids: list[str]
    ms: int = 0


class Snapshot:
    """One look at the records: nothing that happens meanwhile is seen. Inside `snapshot()`."""

    def __init__(self) -> None:
        self.mark = Mark.here()

    def check(self, *, since: Mark | None = None, at: datetime | None = None) -> Iterator[Broken]:
        """Run every query, as they are asked for. A name without hits holds.

        since, at  look only at what was written after that mark, which was then; at everything where that is too much
        """
        words = touched(since, at=at, now=self.mark) if since else None
        scope = EVERYTHING if words is None else TOUCHED
        for name, query in sorted(invariants().items()):
            yield _run(name, query.format(**scope), words or {})


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
