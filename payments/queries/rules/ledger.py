"""What must hold of the ledger: transfers balance by construction, and say what transactions and refunds say."""

HOLDS = "'alipay_receivable', 'merchant_discount', 'cash', 'bank', 'fees'"  # where captured money can be

RULES: dict[str, str] = {
    "I-13": "SELECT 'transfer:' || p.id FROM {transfers} p WHERE p.fen <= 0 OR p.debit = p.credit",
    # every payment and refund is posted once, whole, to the right accounts
    "I-14": """
        SELECT 'transaction:' || t.id FROM {transactions} t
        LEFT JOIN (
            SELECT transaction_id, sum(fen) AS fen, bool_and(debit IN ('alipay_receivable', 'merchant_discount', 'cash', 'bank')
                   AND credit IN ('sales', 'money_in_cases')) AS fits
            FROM {transfers} p WHERE cause = 'capture' GROUP BY transaction_id
        ) p ON p.transaction_id = t.id
        WHERE coalesce(p.fen, 0) <> CASE t.state WHEN 'paid' THEN t.amount_fen ELSE 0 END OR NOT coalesce(p.fits, true)
        UNION ALL
        SELECT 'refund:' || r.id FROM {refunds} r
        LEFT JOIN payments_transfer p ON p.refund_id = r.id
        WHERE coalesce(p.fen, 0) <> CASE r.state WHEN 'succeeded' THEN r.amount_fen ELSE 0 END
           OR p.transaction_id <> r.transaction_id""",
    # what lies at Alipay, in the till and at the bank is what was captured and not given back; and money in cases is the
    # money that pays no order: each fen once
    "I-16": f"""
        SELECT name FROM (
            SELECT coalesce(sum(fen) FILTER (WHERE debit IN ({HOLDS})), 0)
                 - coalesce(sum(fen) FILTER (WHERE credit IN ({HOLDS})), 0) AS held,
                   coalesce(sum(fen) FILTER (WHERE credit = 'money_in_cases'), 0)
                 - coalesce(sum(fen) FILTER (WHERE debit = 'money_in_cases'), 0) AS cases,
                   coalesce(sum(fen) FILTER (WHERE credit IN ('sales', 'refunds')), 0)
                 - coalesce(sum(fen) FILTER (WHERE debit IN ('sales', 'refunds')), 0) AS earned
            FROM payments_transfer
        ) ledger, (
            SELECT coalesce(sum(t.amount_fen - t.refunded_fen), 0) AS held,
                   coalesce(sum(t.amount_fen - t.refunded_fen) FILTER (WHERE o.id IS NULL), 0) AS cases,
                   coalesce(sum(t.amount_fen - t.refunded_fen) FILTER (WHERE o.id IS NOT NULL), 0) AS earned
            FROM payments_transaction t LEFT JOIN payments_order o ON o.paid_by_id = t.id WHERE t.state = 'paid'
        ) money, LATERAL (VALUES ('accounts:held', ledger.held <> money.held),
                                 ('accounts:money_in_cases', ledger.cases <> money.cases),
                                 ('accounts:sales', ledger.earned <> money.earned)) AS wrong(name, is_wrong)
        WHERE is_wrong""",
}
