-- The same for the day's refunds: lines of bill_rest by the names of bill_named, and ours, into bill_odd.
INSERT INTO bill_odd
WITH theirs AS (
    SELECT l.*, coalesce(n.request_no, l.request_no) AS name, n.line_no IS NULL AS is_by_number,
           coalesce(n.request_no LIKE 'bill-%%', false) AS is_nameless
    FROM bill_rest l LEFT JOIN bill_named n ON n.line_no = l.line_no
    WHERE l.kind = 'refund' AND (l.nth = 1 OR n.is_another)
), ours AS (
    SELECT r.id, t.id AS transaction_id, t.trade_no, t.out_trade_no, r.out_request_no, -r.amount_fen AS fen, r.ended_at, r.other_no,
           r.origin = 'external' AND r.evidence = %(evidence)s AS is_new
    FROM payments_refund r JOIN payments_transaction t ON t.id = r.transaction_id
    WHERE r.state = 'succeeded' AND t.seller_id = %(seller)s AND t.trade_no IS NOT NULL
      AND r.ended_at >= %(since)s AND r.ended_at < %(until)s
)
SELECT l.line_no, l.kind, l.trade_no, l.out_trade_no, l.name, l.fen, l.receipt_fen, l.fee_fen, l.happened_at, l.is_by_number,
       'line:' || l.trade_no || '/refund/' || CASE WHEN l.is_nameless THEN '#' || l.line_no ELSE l.name END,
       CASE WHEN NOT l.is_nameless THEN l.name ELSE '' END,
       o.transaction_id, o.id, o.trade_no, o.out_trade_no, o.out_request_no, 'refund', o.fen, NULL, o.ended_at, o.is_new,
       CASE WHEN l.is_by_number AND o.other_no LIKE 'bill-%%' THEN o.other_no END
FROM theirs l FULL JOIN ours o ON o.trade_no = l.trade_no AND o.out_request_no = l.name
WHERE l.line_no IS NULL OR o.id IS NULL OR l.fen <> o.fen OR l.out_trade_no <> o.out_trade_no OR o.is_new
   OR (l.is_by_number AND o.other_no LIKE 'bill-%%') OR %(rate)s::numeric IS NOT NULL
