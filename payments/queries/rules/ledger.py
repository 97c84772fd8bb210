"""What must hold of the ledger: transfers balance by construction, and say what transactions and refunds say."""

HOLDS = "'alipay_receivable', 'merchant_discount', 'cash', 'bank', 'fees'"  # where captured money can be
EARNS = "'sales', 'refunds'"
NOBODYS = "'money_in_cases', 'written_off'"

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
    # money that pays no order, written off or not: each fen once, and so for every payment by itself. What was corrected to a
    # bill that says otherwise is beside that
    "I-16": f"""
        SELECT 'transaction:' || id FROM (
            SELECT transaction_id AS id,
                   CASE WHEN debit IN ({HOLDS}) THEN fen ELSE 0 END - CASE WHEN credit IN ({HOLDS}) THEN fen ELSE 0 END AS held,
                   CASE WHEN credit IN ({NOBODYS}) THEN fen ELSE 0 END
                   - CASE WHEN debit IN ({NOBODYS}) THEN fen ELSE 0 END AS cases,
                   CASE WHEN credit IN ({EARNS}) THEN fen ELSE 0 END - CASE WHEN debit IN ({EARNS}) THEN fen ELSE 0 END AS earned
            FROM {{transfers}} p WHERE cause <> 'correct'
            UNION ALL
            SELECT t.id, -kept, CASE WHEN o.id IS NULL THEN -kept ELSE 0 END, CASE WHEN o.id IS NULL THEN 0 ELSE -kept END
            FROM {{transactions}} t LEFT JOIN payments_order o ON o.paid_by_id = t.id,
                 LATERAL (SELECT t.amount_fen - t.refunded_fen) AS here(kept)
            WHERE t.state = 'paid'
        ) moved GROUP BY id HAVING (sum(held), sum(cases), sum(earned)) <> (0, 0, 0)""",
}
