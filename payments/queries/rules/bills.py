"""What must hold of bills: what was read is what the file says, and each day's difference is the sum of typed ones."""

RULES: dict[str, str] = {
    # each payment or refund of a compared bill is here with the same amount, or a difference says what is not; and the reverse,
    # also for a payment that we heard of when its day was closed already
    "I-30": """
        SELECT 'bill_day:' || d.id FROM payments_billday d
        WHERE d.state IN ('matched', 'closed') AND EXISTS (
            SELECT 1 FROM payments_difference x WHERE x.day_id = d.id AND x.state = 'case' AND NOT EXISTS (
                SELECT 1 FROM payments_case c WHERE c.id = x.case_id AND c.kind = x.kind))
        UNION ALL
        SELECT 'statement_line:' || l.file_id || ':' || l.line_no
        FROM payments_billday d JOIN payments_billfile f ON f.day_id = d.id AND f.kind = 'trade' AND f.state = 'imported'
        JOIN payments_statementline l ON l.file_id = f.id AND l.nth = 1 AND l.kind = 'payment'
        LEFT JOIN payments_transaction t ON t.trade_no = l.trade_no
        WHERE d.state IN ('matched', 'closed') AND d.matched_at > now() - interval '40 days'
          AND (t.id IS NULL OR t.state <> 'paid' OR t.amount_fen <> l.fen OR t.out_trade_no <> l.out_trade_no)
          AND NOT EXISTS (SELECT 1 FROM payments_difference x WHERE x.day_id = d.id AND x.line_no = l.line_no)
        UNION ALL
        SELECT 'transaction:' || t.id
        FROM payments_billday d JOIN payments_merchantaccount a ON a.id = d.account_id
        JOIN payments_transaction t ON t.seller_id = a.seller_id AND t.state = 'paid' AND t.trade_no IS NOT NULL
          AND t.paid_at >= d.day::timestamp AT TIME ZONE 'Asia/Shanghai'
          AND t.paid_at < (d.day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' AND t.settled_at > d.closed_at
        WHERE d.state = 'closed' AND d.closed_at > now() - interval '40 days'
          AND NOT EXISTS (SELECT 1 FROM payments_difference x WHERE x.transaction_id = t.id)
          AND NOT EXISTS (
            SELECT 1 FROM payments_billday n
            JOIN payments_billfile f ON f.day_id = n.id AND f.kind = 'trade' AND f.state = 'imported'
            JOIN payments_statementline l ON l.file_id = f.id AND l.key = t.trade_no || '/交易/'
            WHERE n.account_id = d.account_id AND n.day BETWEEN d.day - 1 AND d.day + 1)""",
    # what we had booked and the typed differences make the bill's sum, to the fen
    "I-32": """
        SELECT 'bill_day:' || d.id FROM payments_billday d
        LEFT JOIN (SELECT day_id, sum(fen) AS fen FROM payments_difference GROUP BY day_id) x ON x.day_id = d.id
        WHERE d.state IN ('matched', 'closed') AND d.ours_fen + coalesce(x.fen, 0) <> d.theirs_fen""",
    # the lines of a file are all of it; older ones can't have changed, the database refuses that
    "I-34": """
        SELECT 'bill_file:' || f.id FROM payments_billfile f
        LEFT JOIN LATERAL (
            SELECT count(*) AS lines, sum(fen) FILTER (WHERE kind IN ('payment', 'refund')) AS trade_fen, sum(fen) AS fen
            FROM payments_statementline s WHERE s.file_id = f.id
        ) l ON true
        WHERE f.state = 'imported' AND f.ended_at > now() - interval '40 days'
          AND (f.lines <> coalesce(l.lines, 0)
               OR f.in_fen + f.out_fen <> coalesce(CASE f.kind WHEN 'trade' THEN l.trade_fen ELSE l.fen END, 0))""",
}
