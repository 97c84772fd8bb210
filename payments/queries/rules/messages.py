"""What must hold of messages, calls, follow-ups and cases; the last three once everything has had its time."""

RULES: dict[str, str] = {
    "I-26": """
        SELECT 'message:' || m.id FROM {messages} m
        WHERE kind = 'notice' AND ((verdict = 'unjudged' AND last_at < now() - interval '15 minutes')
           OR deliveries < 1 OR CASE WHEN fingerprint IS NULL THEN verdict NOT IN ('refused', 'crashed', 'duplicate')
                                     ELSE verdict IN ('refused', 'crashed') END)
        UNION
        SELECT 'message:' || m.id FROM {messages} m
        JOIN payments_inboundmessage other ON other.fingerprint = m.fingerprint AND other.id <> m.id""",
    "I-27": """
        SELECT 'call:' || id FROM payments_gatewaycall
        WHERE outcome = 'intended' AND started_at < now() - interval '15 minutes'
        UNION ALL
        SELECT 'transaction:' || t.id FROM payments_transaction t
        WHERE t.close_due_at < now() - interval '15 minutes' AND t.state IN ('created', 'presented')
          AND t.time_expire < now() - interval '30 minutes'
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'transaction:' || t.id)
        UNION ALL
        SELECT 'refund:' || r.id FROM payments_refund r
        WHERE r.state IN ('approved', 'sent') AND r.approved_at < now() - interval '24 hours'
          AND NOT EXISTS (SELECT 1 FROM payments_case c WHERE c.subject = 'refund:' || r.id)""",
    "I-28": """
        SELECT 'follow_up:' || id FROM payments_outboxmessage
        WHERE delivered_at IS NULL AND least(due_at, created_at) < now() - interval '5 minutes'
          AND (attempts > 0 OR due_at < now() - interval '5 minutes')""",
    # a case that is over says who ended it and why; the money it was about has left money in cases, or a person said so; and what
    # a bill had more or less is written off to the fen, unless it was not here then and has come since
    "I-33": """
        SELECT 'case:' || c.id FROM {cases} c
        WHERE (c.ended_at IS NULL) <> (c.state IN ('open', 'assigned')) OR (c.ended_at IS NOT NULL AND (c.note = ''
           OR NOT EXISTS (SELECT 1 FROM payments_caseevent e WHERE e.case_id = c.id AND e.actor <> '')))
        UNION ALL
        SELECT 'case:' || c.id FROM {cases} c
        JOIN (
            SELECT case_id, sum(fen) AS fen,
                   bool_or(kind IN ('payment_not_here', 'refund_not_here', 'unknown_refund')) AS may_come
            FROM payments_difference WHERE state = 'case' AND kind NOT IN ('bill_duplicate', 'bill_day') GROUP BY case_id
        ) x ON x.case_id = c.id, LATERAL (
            SELECT coalesce(sum(CASE debit WHEN 'alipay_receivable' THEN fen ELSE -fen END), 0) AS fen
            FROM payments_transfer WHERE cause = 'correct' AND evidence = 'case:' || c.id) p
        WHERE c.ended_at IS NOT NULL AND x.fen <> p.fen AND NOT (x.may_come AND p.fen = 0)""",
}
