"""What must hold of bulk refunds: each is the sum of its orders, and what was planned is what was asked for."""

RULES: dict[str, str] = {
    # an order of a batch and the refund asked for it agree, and a batch is where its orders are; what is older can't have
    # changed, the database refuses that
    "I-36": """
        SELECT 'refundbatchitem:' || i.id
        FROM payments_refundbatch b JOIN payments_refundbatchitem i ON i.batch_id = b.id AND i.state = 'asked'
        JOIN payments_refund r ON r.id = i.refund_id JOIN payments_transaction t ON t.id = r.transaction_id
        WHERE b.created_at > now() - interval '40 days'
          AND (t.order_id IS DISTINCT FROM i.order_id OR (r.amount_fen, r.lines, r.origin, r.requester, r.reason_code)
               <> (i.amount_fen, i.lines, 'staff', 'staff:' || b.requested_by_id, b.reason_code))
        UNION ALL
        SELECT 'refundbatch:' || b.id FROM payments_refundbatch b LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE i.state <> 'left_out') AS orders, coalesce(sum(i.amount_fen), 0) AS fen,
                   bool_or(i.state = 'planned') AS planned, bool_or(r.state IN ('requested', 'approved')) AS unsent
            FROM payments_refundbatchitem i LEFT JOIN payments_refund r ON r.id = i.refund_id WHERE i.batch_id = b.id
        ) i ON true
        WHERE b.created_at > now() - interval '40 days'
          AND ((b.orders, b.total_fen) <> (i.orders, i.fen) OR (b.state = 'stopped' AND i.unsent)
               OR (b.state IN ('asked', 'approving', 'approved', 'stopped') AND i.planned))""",
}
