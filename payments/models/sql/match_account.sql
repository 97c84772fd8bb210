-- One day's movements of the account (%(account_file)s) against the payments and refunds of the same day's other bill
-- (%(file)s): what moved must be what was received, fees must be those of the trades, and the balance must follow.
INSERT INTO bill_found (kind, key, line_no, transaction_id, refund_id, trade_no, out_trade_no, out_request_no, field, ours, theirs,
                        fen, near)
WITH trades AS (
    SELECT trade_no, kind, sum(receipt_fen) AS fen, sum(fee_fen) AS fee_fen, min(out_trade_no) AS out_trade_no
    FROM payments_statementline
    WHERE file_id = %(file)s AND kind IN ('payment', 'refund')
      AND (nth = 1 OR line_no IN (SELECT line_no FROM bill_named WHERE is_another))
    GROUP BY 1, 2
), flows AS (
    SELECT trade_no, kind, sum(fen) AS fen, min(line_no) AS line_no, min(out_trade_no) AS out_trade_no
    FROM payments_statementline WHERE file_id = %(account_file)s AND nth = 1 AND kind IN ('payment', 'refund') GROUP BY 1, 2
), money AS (
    SELECT coalesce(t.trade_no, f.trade_no) AS trade_no, coalesce(t.kind, f.kind) AS kind, f.line_no, t.fen AS trade_fen,
           f.fen AS flow_fen, coalesce(t.out_trade_no, f.out_trade_no) AS out_trade_no
    FROM trades t FULL JOIN flows f ON f.trade_no = t.trade_no AND f.kind = t.kind
    WHERE t.fen IS DISTINCT FROM f.fen AND (t.fen <> 0 OR f.trade_no IS NOT NULL)
), fees AS (
    SELECT coalesce(t.trade_no, f.trade_no) AS trade_no, coalesce(t.fen, 0) AS trade_fen, coalesce(f.fen, 0) AS flow_fen, f.line_no,
           coalesce(t.out_trade_no, f.out_trade_no) AS out_trade_no
    FROM (SELECT trade_no, sum(fee_fen) AS fen, min(out_trade_no) AS out_trade_no FROM trades GROUP BY 1) t
    FULL JOIN (
        SELECT coalesce(nullif(request_no, ''), trade_no) AS trade_no, sum(fen) AS fen, min(line_no) AS line_no,
               min(out_trade_no) AS out_trade_no
        FROM payments_statementline WHERE file_id = %(account_file)s AND nth = 1 AND kind IN ('fee', 'fee_back') GROUP BY 1
    ) f ON f.trade_no = t.trade_no
    WHERE coalesce(t.fen, 0) <> coalesce(f.fen, 0)
), steps AS (
    SELECT line_no, number, balance_fen, fen, lag(balance_fen) OVER w AS up, lead(balance_fen) OVER w AS down
    FROM payments_statementline WHERE file_id = %(account_file)s AND nth = 1 WINDOW w AS (ORDER BY line_no)
), gaps AS (  -- oldest line first, or newest first: one of the two must follow throughout
    SELECT min(line_no) FILTER (WHERE up + fen <> balance_fen) AS upwards,
           min(line_no) FILTER (WHERE down + fen <> balance_fen) AS downwards
    FROM steps
)
SELECT CASE WHEN trade_fen IS NULL THEN 'flow_without_trade' WHEN flow_fen IS NULL THEN 'trade_without_flow' ELSE 'flow_amount' END,
       'flow:' || trade_no || '/' || kind, line_no, NULL::bigint, NULL::bigint, trade_no, out_trade_no, '', 'flow',
       coalesce((trade_fen / 100.0)::numeric(15, 2)::text, ''), coalesce((flow_fen / 100.0)::numeric(15, 2)::text, ''), 0, NULL::integer
FROM money
UNION ALL
SELECT 'flow_fee', 'flow:' || trade_no || '/fee', line_no, NULL, NULL, trade_no, out_trade_no, '', 'fee',
       (trade_fen / 100.0)::numeric(15, 2)::text, (flow_fen / 100.0)::numeric(15, 2)::text, 0, NULL
FROM fees
UNION ALL
SELECT 'flow_without_trade', 'flow:' || key, line_no, NULL, NULL, trade_no, out_trade_no, '', 'kind', '',
       left(word, 40) || ' ' || (fen / 100.0)::numeric(15, 2)::text, 0, NULL
FROM payments_statementline WHERE file_id = %(account_file)s AND nth = 1 AND kind IN ('other', 'transfer')
UNION ALL
SELECT 'bill_duplicate', 'flow:' || key || '#' || nth, line_no, NULL, NULL, trade_no, out_trade_no, '', 'times', '1', nth::text, 0, NULL
FROM payments_statementline WHERE file_id = %(account_file)s AND nth > 1
UNION ALL
SELECT 'flow_balance', 'flow:balance', s.line_no, NULL, NULL, '', '', '', 'balance', ((s.up + s.fen) / 100.0)::numeric(15, 2)::text,
       (s.balance_fen / 100.0)::numeric(15, 2)::text, 0, NULL
FROM gaps JOIN steps s ON s.line_no = gaps.upwards WHERE gaps.upwards IS NOT NULL AND gaps.downwards IS NOT NULL
