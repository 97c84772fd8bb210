"""What must hold of orders and the payments made for them. Each query returns "kind:id" of what breaks it.

{orders}, {lines}, {transactions}, … stand for the tables, or for the rows of them that a shorter run looks at.
"""

RULES: dict[str, str] = {
    # the total is the sum of its parts
    "I-01": """
        SELECT 'order:' || o.id FROM {orders} o
        LEFT JOIN (SELECT order_id, sum(unit_price_fen * quantity) AS fen FROM {lines} l GROUP BY order_id) l
          ON l.order_id = o.id
        WHERE o.goods_fen IS DISTINCT FROM l.fen OR o.total_fen <> o.goods_fen + o.shipping_fen - o.discount_fen
           OR least(o.goods_fen, o.shipping_fen, o.discount_fen, o.total_fen) < 0""",
    # lines and amounts are those it was placed with
    "I-02": """
        SELECT 'order:' || o.id FROM {orders} o
        LEFT JOIN (SELECT order_id, json_agg(json_build_array(position, title, sku, unit_price_fen, quantity)
                   ORDER BY position) AS lines FROM {lines} l GROUP BY order_id) l ON l.order_id = o.id
        WHERE o.content_hash <> encode(sha256(convert_to(json_build_array(
            o.goods_fen, o.shipping_fen, o.discount_fen, o.total_fen, l.lines)::text, 'UTF8')), 'hex')""",
    # each number is one thing
    "I-03": """
        SELECT 'number:' || t.out_trade_no FROM {transactions} t
        JOIN payments_transaction other ON other.out_trade_no = t.out_trade_no AND other.id <> t.id
        WHERE t.origin = 'ours' AND other.origin = 'ours'
        UNION
        SELECT 'trade:' || t.trade_no FROM {transactions} t
        JOIN payments_transaction other ON other.trade_no = t.trade_no AND other.id <> t.id
        UNION
        SELECT 'refund_number:' || r.out_request_no FROM {refunds} r
        JOIN payments_refund other ON other.out_request_no = r.out_request_no AND other.id <> r.id
        WHERE r.origin <> 'external' AND other.origin <> 'external'""",
    # money that pays no order is on its way back, or a person's
    "I-04": """
        SELECT 'transaction:' || t.id FROM {transactions} t
        LEFT JOIN payments_order o ON o.paid_by_id = t.id
        WHERE t.state = 'paid' AND o.id IS NULL
          AND t.refunded_fen + t.reserved_fen < t.amount_fen
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)
          AND NOT EXISTS (SELECT 1 FROM payments_outboxmessage m WHERE m.dedupe_key = 'paid:' || t.id
                          AND m.topic = 'money.surplus' AND m.delivered_at IS NULL)""",
    # what was captured is what was asked for
    "I-05": """
        SELECT 'transaction:' || t.id FROM {transactions} t JOIN payments_order o ON o.paid_by_id = t.id
        WHERE (t.amount_fen <> o.total_fen OR t.receipt_fen > t.amount_fen)
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)""",
    # an order is paid exactly when a paid transaction of its own pays it
    "I-06": """
        SELECT 'order:' || o.id FROM {orders} o
        LEFT JOIN payments_transaction t ON t.id = o.paid_by_id
        WHERE (o.state IN ('paid', 'partly_refunded', 'refunded')) <> (t.id IS NOT NULL)
           OR (t.id IS NOT NULL AND (t.state <> 'paid' OR t.order_id IS DISTINCT FROM o.id))
        UNION ALL
        SELECT 'transaction:' || t.id FROM {transactions} t
        WHERE t.state = 'paid' AND t.order_id IS NULL
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)""",
    # paid because Alipay said so, in a message, answer or bill that is kept; or because staff recorded it
    "I-07": """
        SELECT 'transaction:' || t.id FROM {transactions} t
        WHERE t.state = 'paid' AND NOT CASE
            WHEN t.scene IN ('cash', 'bank', 'free') THEN t.evidence LIKE t.scene || ':%%'
            WHEN t.evidence LIKE 'notice:%%' THEN EXISTS (
                SELECT 1 FROM payments_inboundmessage m WHERE m.fingerprint = substr(t.evidence, 8)
                AND (m.out_trade_no, m.app_id) = (t.out_trade_no, t.app_id))
            WHEN t.evidence ~ '^call:[0-9a-f-]{{36}}$' THEN EXISTS (
                SELECT 1 FROM payments_gatewaycall g WHERE g.id = CASE WHEN t.evidence ~ '^call:[0-9a-f-]{{36}}$'
                    THEN substr(t.evidence, 6)::uuid END
                AND (g.learned @> jsonb_build_array(jsonb_build_object(
                    'out_trade_no', t.out_trade_no, 'total_fen', t.amount_fen, 'app_id', t.app_id, 'seller_id', t.seller_id))
                    OR (g.transaction_id = t.id AND g.purpose = 'cancel' AND g.outcome = 'done')))
            WHEN t.evidence ~ '^bill:[0-9]{{1,18}}$' THEN EXISTS (
                SELECT 1 FROM payments_statementline l WHERE l.key = t.trade_no || '/交易/' AND l.fen = t.amount_fen
                AND l.file_id = CASE WHEN t.evidence ~ '^bill:[0-9]{{1,18}}$' THEN substr(t.evidence, 6)::bigint END)
            ELSE false END""",
    # the order's state says how much of its money went back
    "I-10": """
        SELECT 'order:' || o.id FROM {orders} o JOIN payments_transaction t ON t.id = o.paid_by_id
        WHERE o.state <> CASE WHEN t.refunded_fen = 0 THEN 'paid' WHEN t.refunded_fen = t.amount_fen THEN 'refunded'
                         ELSE 'partly_refunded' END""",
    # things happen one after the other; Alipay's clock may differ from ours by minutes
    "I-25": """
        SELECT 'transaction:' || t.id FROM {transactions} t
        WHERE t.settled_at < t.created_at - interval '1 second'
           OR (t.origin = 'ours' AND t.paid_at < t.created_at - interval '15 minutes')  -- of others we hear later
        UNION ALL
        SELECT 'refund:' || r.id FROM {refunds} r JOIN payments_transaction t ON t.id = r.transaction_id
        WHERE r.ended_at < t.settled_at - interval '1 second' OR r.ended_at < r.created_at - interval '1 second'""",
}
