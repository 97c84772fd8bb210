-- What is odd about a day's payments and refunds (bill_odd), put as differences: one row each, and nothing for what agrees.
-- %(seller)s and the day from %(since)s up to %(until)s ours; %(rate)s the agreed fee, or null. bill_rest and bill_named
-- are matching.REST and NAMED. Lines that found nothing on this day here are looked for on others.
INSERT INTO bill_found (kind, key, line_no, transaction_id, refund_id, trade_no, out_trade_no, out_request_no, field, ours, theirs,
                        fen, near)
WITH elsewhere AS (  -- lines whose other side stands on another day here, or nowhere
    SELECT l.line_no, t.id AS transaction_id, r.id AS refund_id, t.out_trade_no, t.receipt_fen,
           CASE l.l_kind WHEN 'payment' THEN t.amount_fen ELSE -r.amount_fen END AS fen,
           CASE l.l_kind WHEN 'payment' THEN t.paid_at ELSE r.ended_at END AS at,
           CASE WHEN t.state = 'paid' AND t.trade_no <> l.l_trade_no THEN 'other_trade' WHEN l.l_kind = 'refund' THEN r.state
                ELSE t.state END AS state, t.trade_no,
           r.origin = 'external' AND r.evidence = %(evidence)s AS is_new,
           coalesce(r.evidence, t.evidence) = %(evidence)s AS is_heard_here,
           CASE WHEN l.is_by_number AND r.other_no LIKE 'bill-%%' THEN r.other_no END AS twice
    FROM bill_odd l LEFT JOIN LATERAL (
        SELECT * FROM payments_transaction t
        WHERE t.trade_no = l.l_trade_no OR (t.out_trade_no = l.l_out AND t.origin = 'ours')
        ORDER BY t.trade_no = l.l_trade_no DESC NULLS LAST LIMIT 1
    ) t ON t.seller_id = %(seller)s
    LEFT JOIN payments_refund r ON l.l_kind = 'refund' AND r.transaction_id = t.id AND r.out_request_no = l.l_request
    WHERE l.transaction_id IS NULL
), pair AS (  -- both sides of each line that is known here, on whichever day
    SELECT line_no, l_kind, l_trade_no, l_out, l_number, l_key, l_fen, l_receipt, l_fee, transaction_id, refund_id, out_trade_no, fen,
           receipt_fen, is_new, twice
    FROM bill_odd WHERE line_no IS NOT NULL AND transaction_id IS NOT NULL
    UNION ALL
    SELECT o.line_no, l_kind, l_trade_no, l_out, l_number, l_key, l_fen, l_receipt, l_fee, e.transaction_id, e.refund_id, e.out_trade_no,
           e.fen, e.receipt_fen, e.is_new, e.twice
    FROM bill_odd o JOIN elsewhere e USING (line_no) WHERE e.state IN ('paid', 'succeeded')
), fee AS (  -- what the agreed rate makes of a payment, and gives back of it with a refund
    SELECT p.line_no, p.l_fee, CASE p.l_kind
        WHEN 'payment' THEN -round(p.l_receipt * %(rate)s::numeric)
        ELSE round(b.left_fen * %(rate)s::numeric) - round((b.left_fen + p.l_fen) * %(rate)s::numeric) END AS due
    FROM pair p LEFT JOIN LATERAL (
        SELECT t.amount_fen - coalesce((SELECT sum(x.amount_fen) FROM payments_refund x JOIN payments_refund r ON r.id = p.refund_id
            WHERE x.transaction_id = t.id AND x.state = 'succeeded' AND (x.ended_at, x.id) < (r.ended_at, r.id)), 0) AS left_fen
        FROM payments_transaction t WHERE t.id = p.transaction_id AND p.l_kind = 'refund'
    ) b ON true
    WHERE %(rate)s::numeric IS NOT NULL
)
-- not in the bill of this day
SELECT kind || '_not_in_bill', coalesce('refund:' || refund_id, 'transaction:' || transaction_id), NULL::integer, transaction_id, refund_id,
       trade_no, out_trade_no, request_no, 'amount', (fen / 100.0)::numeric(15, 2)::text, '', -fen,
       CASE WHEN at < %(since)s + %(midnight)s * interval '1 second' OR kind = 'refund' THEN -1
            WHEN at >= %(until)s - %(midnight)s * interval '1 second' THEN 1 ELSE 0 END
FROM bill_odd WHERE line_no IS NULL
UNION ALL
-- not here: not booked, in a state that says otherwise, or the number was paid by another trade
SELECT CASE WHEN e.state = 'other_trade' THEN 'bill_number' WHEN e.transaction_id IS NULL AND o.l_kind = 'refund' THEN 'unknown_refund'
            ELSE o.l_kind || '_not_here' END,
       o.l_key, o.line_no, e.transaction_id, e.refund_id, o.l_trade_no,
       o.l_out, o.l_number, d.field, d.ours, d.theirs, o.l_fen, NULL
FROM bill_odd o JOIN elsewhere e USING (line_no), LATERAL (
    SELECT 'trade_no' AS field, e.trade_no AS ours, o.l_trade_no AS theirs WHERE e.state = 'other_trade'
    UNION ALL
    SELECT 'amount', coalesce((e.fen / 100.0)::numeric(15, 2)::text, ''), (o.l_fen / 100.0)::numeric(15, 2)::text
    WHERE e.fen IS DISTINCT FROM o.l_fen AND e.state IS DISTINCT FROM 'other_trade'
    UNION ALL
    SELECT 'status', coalesce(e.state, ''), CASE o.l_kind WHEN 'payment' THEN 'paid' ELSE 'succeeded' END
    WHERE e.fen = o.l_fen AND e.state IS DISTINCT FROM 'other_trade'
) d WHERE e.state IS NULL OR e.state NOT IN ('paid', 'succeeded')
UNION ALL
-- on another day here
SELECT 'bill_day', o.l_key, o.line_no, e.transaction_id, e.refund_id,
       o.l_trade_no, o.l_out, o.l_number, 'day', (e.at AT TIME ZONE 'Asia/Shanghai')::date::text,
       (o.happened_at AT TIME ZONE 'Asia/Shanghai')::date::text, e.fen,
       CASE WHEN e.is_heard_here OR abs((e.at AT TIME ZONE 'Asia/Shanghai')::date - (%(since)s AT TIME ZONE 'Asia/Shanghai')::date) <= 1
            THEN 9 END
FROM bill_odd o JOIN elsewhere e USING (line_no) WHERE e.state IN ('paid', 'succeeded')
UNION ALL
-- the same payment or refund, and not the same values
SELECT d.kind, p.l_key, p.line_no, p.transaction_id, p.refund_id, p.l_trade_no,
       p.out_trade_no, p.l_number, d.field, d.ours, d.theirs, d.fen, NULL
FROM pair p, LATERAL (VALUES
    (CASE p.l_kind WHEN 'payment' THEN 'bill_amount' ELSE 'bill_refund_amount' END, 'amount', (p.fen / 100.0)::numeric(15, 2)::text,
     (p.l_fen / 100.0)::numeric(15, 2)::text, p.l_fen - p.fen, p.l_fen <> p.fen),
    ('bill_number', 'out_trade_no', p.out_trade_no, p.l_out, 0, p.l_out <> p.out_trade_no),
    ('bill_number', 'out_request_no', p.twice, p.l_number, 0, p.twice IS NOT NULL),  -- taken for another line, and stands here
    ('bill_receipt', 'receipt', (p.receipt_fen / 100.0)::numeric(15, 2)::text, (p.l_receipt / 100.0)::numeric(15, 2)::text, 0,
     p.l_kind = 'payment' AND p.l_receipt <> p.receipt_fen AND p.l_fen = p.fen),
    (CASE p.l_kind WHEN 'payment' THEN 'unknown_number' ELSE 'outside_refund' END, 'origin', '', p.l_out, 0, p.is_new)
) AS d(kind, field, ours, theirs, fen, differs)
WHERE d.differs
UNION ALL
SELECT 'bill_fee', p.l_key, p.line_no, p.transaction_id, p.refund_id, p.l_trade_no,
       p.out_trade_no, p.l_number, 'fee', (f.due / 100.0)::numeric(15, 2)::text, (f.l_fee / 100.0)::numeric(15, 2)::text, 0, NULL
FROM pair p JOIN fee f USING (line_no) WHERE f.l_fee <> f.due AND p.l_fen = p.fen
UNION ALL
-- what stands twice, and kinds of lines we don't know
SELECT 'bill_duplicate', 'line:' || key || '#' || nth, line_no, NULL, NULL, trade_no, out_trade_no, request_no, 'times', '1', nth::text,
       CASE WHEN kind IN ('payment', 'refund') THEN fen ELSE 0 END, NULL
FROM bill_rest
WHERE nth > 1 AND line_no NOT IN (SELECT line_no FROM bill_named WHERE is_another)
UNION ALL
SELECT 'bill_word', 'line:' || key, line_no, NULL, NULL, trade_no, out_trade_no, request_no, 'kind', '', left(word, 40), 0, NULL
FROM bill_rest WHERE nth = 1 AND kind NOT IN ('payment', 'refund')
