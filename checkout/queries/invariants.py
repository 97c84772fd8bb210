"""What must hold of goods and parcels; `manage.py check_invariants` learns of these rules from settings."""

RULES: dict[str, str] = {
    # nothing was sent before it was paid
    "I-20": """
        SELECT 'delivery:' || d.order_id FROM checkout_delivery d JOIN {orders} o ON o.id = d.order_id
        WHERE d.state IN ('sent', 'delivered')
          AND (d.sent_at IS NULL OR o.paid_by_id IS NULL OR d.sent_at < o.paid_at - interval '15 minutes')""",
    # what is held is what orders hold, and no more than there is
    "I-23": """
        SELECT 'stock:' || s.variant_id FROM checkout_stock s
        LEFT JOIN (SELECT variant_id, sum(quantity) AS pieces FROM checkout_stockhold WHERE state = 'held' GROUP BY variant_id) h
          ON h.variant_id = s.variant_id
        WHERE s.held <> coalesce(h.pieces, 0) OR s.held > s.on_hand OR least(s.held, s.on_hand) < 0""",
    # goods are held for orders that may still be paid; for others once the follow-up has had its time
    "I-29": """
        SELECT 'hold:' || h.id FROM checkout_stockhold h JOIN payments_order o ON o.id = h.order_id
        WHERE h.state = 'held' AND o.state <> 'awaiting_payment'
          AND coalesce(o.closed_at, o.paid_at) < now() - interval '5 minutes'
        UNION
        SELECT 'hold:' || h.id FROM checkout_stockhold h JOIN {orders} o ON o.id = h.order_id
        WHERE (h.state = 'held') <> (h.ended_at IS NULL)""",
}
