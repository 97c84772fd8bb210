-- One day's payments, of the bill and of our books, side by side: what is not plainly the same comes out, into bill_odd.
-- %(file)s the bill; %(seller)s and the day from %(since)s up to %(until)s ours; %(rate)s the agreed fee, or null.
-- A join of its own, of two tables and nothing else, so that PostgreSQL may cut it into parts that run at once.
CREATE TEMPORARY TABLE bill_odd ON COMMIT DROP AS
SELECT l.line_no, l.kind AS l_kind, l.trade_no AS l_trade_no, l.out_trade_no AS l_out, '' AS l_request, l.fen AS l_fen,
       l.receipt_fen AS l_receipt, l.fee_fen AS l_fee, l.happened_at, true AS is_by_number,
       'line:' || l.trade_no || '/payment/' AS l_key, '' AS l_number, o.id AS transaction_id, NULL::bigint AS refund_id, o.trade_no::text,
       o.out_trade_no::text, '' AS request_no, 'payment' AS kind, o.amount_fen AS fen, o.receipt_fen, o.paid_at AS at, o.is_new,
       NULL::text AS twice
FROM (
    SELECT * FROM payments_statementline WHERE file_id = %(file)s AND nth = 1 AND kind = 'payment'
) l FULL JOIN (
    SELECT id, trade_no, out_trade_no, amount_fen, receipt_fen, paid_at, origin = 'stray' AND evidence = %(evidence)s AS is_new
    FROM payments_transaction
    WHERE state = 'paid' AND seller_id = %(seller)s AND trade_no IS NOT NULL AND paid_at >= %(since)s AND paid_at < %(until)s
) o ON o.trade_no = l.trade_no
WHERE l.line_no IS NULL OR o.id IS NULL OR l.fen <> o.amount_fen OR l.out_trade_no <> o.out_trade_no OR o.is_new
   OR l.receipt_fen <> o.receipt_fen OR l.fee_fen <> -round(l.receipt_fen * %(rate)s::numeric)
