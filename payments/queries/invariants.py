"""What must hold of our records at any instant: each invariant is one query that returns the rows that break it."""

from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection, transaction

SHOWN = 20


class Broken(NamedTuple):
    """One invariant's result: how many rows break it, and the first of them by kind and id."""

    name: str
    hits: int
    ids: list[str]


# Each returns one column: what breaks the rule, as "kind:id". Numbers are those of the reliability matrix.
INVARIANTS: dict[str, str] = {
    "I-01": """
        SELECT 'order:' || o.id FROM payments_order o
        LEFT JOIN (SELECT order_id, sum(unit_price_fen * quantity) AS fen FROM payments_orderline GROUP BY order_id) l
          ON l.order_id = o.id
        WHERE o.goods_fen IS DISTINCT FROM l.fen OR o.total_fen <> o.goods_fen + o.shipping_fen - o.discount_fen
           OR o.total_fen <= 0""",
    "I-03": """
        SELECT 'number:' || min(out_trade_no) FROM payments_transaction WHERE origin = 'ours'
        GROUP BY out_trade_no HAVING count(*) > 1
        UNION ALL
        SELECT 'trade:' || trade_no FROM payments_transaction WHERE trade_no IS NOT NULL
        GROUP BY trade_no HAVING count(*) > 1""",
    "I-04": """
        SELECT 'transaction:' || t.id FROM payments_transaction t
        LEFT JOIN payments_order o ON o.paid_by_id = t.id
        WHERE t.state = 'paid' AND o.id IS NULL
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)
          AND t.refunded_fen + t.reserved_fen < t.amount_fen
          AND NOT EXISTS (SELECT 1 FROM payments_outboxmessage m WHERE m.dedupe_key = 'paid:' || t.id
                          AND m.topic = 'money.surplus' AND m.delivered_at IS NULL)""",
    "I-06": """
        SELECT 'order:' || o.id FROM payments_order o
        LEFT JOIN payments_transaction t ON t.id = o.paid_by_id
        WHERE (o.state IN ('paid', 'partly_refunded', 'refunded')) <> (t.id IS NOT NULL)
           OR (t.id IS NOT NULL AND (t.state <> 'paid' OR t.order_id IS DISTINCT FROM o.id))""",
    "I-07": """
        SELECT 'transaction:' || t.id FROM payments_transaction t
        WHERE t.state = 'paid' AND NOT CASE split_part(t.evidence, ':', 1)
            WHEN 'notice' THEN EXISTS (
                SELECT 1 FROM payments_inboundmessage m WHERE m.fingerprint = substr(t.evidence, 8))
            WHEN 'call' THEN EXISTS (SELECT 1 FROM payments_gatewaycall g WHERE g.id::text = substr(t.evidence, 6))
            ELSE false END""",
    "I-08": """
        SELECT 'transaction:' || t.id FROM payments_transaction t
        WHERE t.refunded_fen + t.reserved_fen > t.amount_fen
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)""",
    "I-09": """
        SELECT 'transaction:' || t.id FROM payments_transaction t
        LEFT JOIN (
            SELECT transaction_id, sum(amount_fen) FILTER (WHERE state = 'succeeded') AS back,
                   sum(amount_fen) FILTER (WHERE state IN ('requested', 'approved', 'sent')) AS aside
            FROM payments_refund GROUP BY transaction_id
        ) r ON r.transaction_id = t.id
        WHERE (t.refunded_fen, t.reserved_fen) <> (coalesce(r.back, 0), coalesce(r.aside, 0))""",
    "I-10": """
        SELECT 'order:' || o.id FROM payments_order o JOIN payments_transaction t ON t.id = o.paid_by_id
        WHERE o.state <> CASE t.refunded_fen
            WHEN 0 THEN 'paid' WHEN t.amount_fen THEN 'refunded' ELSE 'partly_refunded' END""",
    "I-11": """
        SELECT 'refund:' || r.id FROM payments_refund r JOIN payments_transaction t ON t.id = r.transaction_id
        WHERE t.state <> 'paid' OR r.amount_fen <= 0""",
    "I-12": """
        SELECT 'refund:' || id FROM payments_refund WHERE state IN ('succeeded', 'failed') AND evidence = ''""",
    "I-13": "SELECT 'transfer:' || id FROM payments_transfer WHERE fen <= 0 OR debit = credit",
    "I-14": """
        SELECT 'transaction:' || t.id FROM payments_transaction t
        LEFT JOIN (SELECT transaction_id, sum(fen) AS fen FROM payments_transfer WHERE cause = 'capture'
                   GROUP BY transaction_id) p ON p.transaction_id = t.id
        WHERE coalesce(p.fen, 0) <> CASE t.state WHEN 'paid' THEN t.amount_fen ELSE 0 END
        UNION ALL
        SELECT 'refund:' || r.id FROM payments_refund r
        LEFT JOIN payments_transfer p ON p.refund_id = r.id
        WHERE coalesce(p.fen, 0) <> CASE r.state WHEN 'succeeded' THEN r.amount_fen ELSE 0 END""",
    "I-16": """
        SELECT 'accounts' FROM (
            SELECT coalesce(sum(CASE WHEN debit IN ('alipay_receivable', 'merchant_discount') THEN fen ELSE 0 END)
                 - sum(CASE WHEN credit IN ('alipay_receivable', 'merchant_discount') THEN fen ELSE 0 END), 0) AS held
            FROM payments_transfer
        ) ledger, (
            SELECT coalesce(sum(amount_fen - refunded_fen), 0) AS fen FROM payments_transaction WHERE state = 'paid'
        ) money WHERE ledger.held <> money.fen""",
    "I-17": """
        SELECT 'order:' || o.id FROM payments_order o
        WHERE o.state IS DISTINCT FROM (
            SELECT e.state FROM payments_auditevent e
            WHERE e.subject_kind = 'order' AND e.subject_id = o.id AND e.state <> '' ORDER BY e.id DESC LIMIT 1)
        UNION ALL
        SELECT 'transaction:' || t.id FROM payments_transaction t
        WHERE t.state IN ('paid', 'closed') AND t.state IS DISTINCT FROM (
            SELECT e.state FROM payments_auditevent e
            WHERE e.subject_kind = 'transaction' AND e.subject_id = t.id AND e.state <> '' ORDER BY e.id DESC LIMIT 1)""",
    "I-18": """
        SELECT 'transaction:' || t.id FROM payments_transaction t
        WHERE t.state = 'paid' AND 1 <> (
            SELECT count(*) FROM payments_auditevent e
            WHERE e.subject_kind = 'transaction' AND e.subject_id = t.id AND e.state = 'paid')""",
    "I-26": """
        SELECT 'message:' || id FROM payments_inboundmessage
        WHERE kind = 'notice' AND verdict = 'unjudged' AND last_at < now() - interval '15 minutes'""",
    "I-27": """
        SELECT 'call:' || id FROM payments_gatewaycall
        WHERE outcome = 'intended' AND started_at < now() - interval '15 minutes'
        UNION ALL
        SELECT 'refund:' || r.id FROM payments_refund r
        WHERE r.state IN ('approved', 'sent') AND r.approved_at < now() - interval '24 hours'
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'refund:' || r.id)""",
    "I-28": """
        SELECT 'follow_up:' || id FROM payments_outboxmessage
        WHERE delivered_at IS NULL AND due_at < now() - interval '5 minutes'""",
}


def check_invariants() -> Iterator[Broken]:
    """Run every query over one snapshot, as they are asked for. A name without hits holds."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.atomic_blocks[0] is connection.atomic_blocks[-1]:  # ours is the outermost: nothing was read yet
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = '120s'")
        for name, query in INVARIANTS.items():
            cursor.execute(f"SELECT count(*), (array_agg(id))[1:{SHOWN}] FROM ({query}) AS broken(id)")  # noqa: S608  # our own text
            hits, ids = cursor.fetchone()
            yield Broken(name, hits, ids or [])
