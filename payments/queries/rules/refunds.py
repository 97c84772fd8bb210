"""What must hold of refunds and of the calls made for them."""

RULES: dict[str, str] = {
    # no more goes back than came, but for what a person has in a case
    "I-08": """
        SELECT 'transaction:' || t.id FROM {transactions} t
        WHERE t.refunded_fen + t.reserved_fen > t.amount_fen
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)""",
    # the counters are the sums of the refunds
    "I-09": """
        SELECT 'transaction:' || t.id FROM {transactions} t
        LEFT JOIN (
            SELECT transaction_id, sum(amount_fen) FILTER (WHERE state = 'succeeded') AS back,
                   sum(amount_fen) FILTER (WHERE state IN ('requested', 'approved', 'sent')) AS aside
            FROM {refunds} r GROUP BY transaction_id
        ) r ON r.transaction_id = t.id
        WHERE (t.refunded_fen, t.reserved_fen) <> (coalesce(r.back, 0), coalesce(r.aside, 0))
           OR t.refunded_fen > t.amount_fen""",
    # a refund takes something, from a payment that was made
    "I-11": """
        SELECT 'refund:' || r.id FROM {refunds} r JOIN payments_transaction t ON t.id = r.transaction_id
        WHERE t.state <> 'paid' OR r.amount_fen <= 0""",
    # it succeeded, or failed, because Alipay certainly said so: never on a time-out
    "I-12": """
        SELECT 'refund:' || r.id FROM {refunds} r
        WHERE r.state IN ('succeeded', 'failed') AND NOT coalesce((
            SELECT CASE r.state WHEN 'succeeded' THEN g.outcome = 'done' ELSE g.outcome IN ('done', 'certainly_not') END
            FROM payments_gatewaycall g WHERE g.transaction_id = r.transaction_id
              AND g.id = CASE WHEN r.evidence ~ '^call:[0-9a-f-]{{36}}$' THEN substr(r.evidence, 6)::uuid END
        ), r.state = 'succeeded' AND EXISTS (
            SELECT 1 FROM payments_transaction t JOIN payments_statementline l
              ON l.key IN (t.trade_no || '/退款/' || r.out_request_no, t.trade_no || '/退款/') AND l.fen = -r.amount_fen
            WHERE t.id = r.transaction_id
              AND l.file_id = CASE WHEN r.evidence ~ '^bill:[0-9]{{1,18}}$' THEN substr(r.evidence, 6)::bigint END))""",
    # a call that writes is written down before it leaves, a refund's under its own number and amount
    "I-21": """
        SELECT 'refund:' || r.id FROM {refunds} r
        WHERE r.state = 'succeeded' AND r.origin <> 'external' AND NOT EXISTS (
            SELECT 1 FROM payments_gatewaycall g WHERE g.transaction_id = r.transaction_id AND g.purpose = 'refund'
            AND (g.number, g.amount_fen) = (r.out_request_no, r.amount_fen) AND g.started_at <= r.ended_at)
        UNION ALL
        SELECT 'call:' || g.id FROM {calls} g
        WHERE (g.outcome = 'intended') <> (g.ended_at IS NULL) OR g.ended_at < g.started_at - interval '1 second'""",
    # nobody holds a refund that is over, and a claim is a lease with an end
    "I-22": """
        SELECT 'refund:' || r.id FROM {refunds} r WHERE r.version < 0 OR r.checks < 0
           OR (r.next_check_at IS NOT NULL AND r.state NOT IN ('requested', 'approved', 'sent'))
        UNION ALL
        SELECT 'transaction:' || t.id FROM {transactions} t WHERE t.version < 0
           OR (t.state IN ('paid', 'closed') AND t.close_due_at IS NOT NULL)
           OR (t.next_check_at IS NOT NULL AND (t.state = 'paid' OR t.refused))
        UNION ALL
        SELECT 'duty:' || d.name FROM payments_duty d WHERE d.version < 0
           OR d.leased_until > now() + interval '1 day'""",
}
