-- What Alipay says about trades, applied: the only statement that makes a transaction paid.
-- Takes one fact or a batch as JSON (each out_trade_no at most once) and, where a notice carried it, that notice.
-- One row comes back per fact; `state` is null where nothing moved: a duplicate, or facts that do not fit.
WITH fact AS (
    -- the planner takes unnest of an array it can't see for ten rows, always: one plan, kept, by index
    SELECT f.*, says = 'paid' AS paid, statement_timestamp() AS at
    FROM unnest(ARRAY(SELECT jsonb_array_elements(%(facts)s))) AS one, jsonb_to_record(one) AS f(
        out_trade_no text, app_id text, seller_id text, trade_no text, says text, finished boolean,
        total_fen bigint, receipt_fen bigint, paid_at timestamptz
    )
),
locked AS (  -- the first lock of every money use-case, in one order
    SELECT o.id FROM fact f
    JOIN payments_transaction t ON t.out_trade_no = f.out_trade_no AND t.origin = 'ours'
    JOIN payments_order o ON o.id = t.order_id
    ORDER BY o.id FOR NO KEY UPDATE OF o
),
moved AS (  -- the gates: they name only columns of the row they move, for those are looked at again after a wait
    UPDATE payments_transaction t
    SET state = CASE f.says WHEN 'waiting' THEN 'presented' ELSE f.says END,
        late = f.paid AND t.state = 'closed',
        finished = f.paid AND f.finished,
        trade_no = f.trade_no,
        receipt_fen = CASE
            WHEN f.paid AND f.receipt_fen BETWEEN 0 AND t.amount_fen THEN f.receipt_fen
            WHEN f.paid THEN t.amount_fen
        END,
        paid_at = CASE WHEN f.paid THEN coalesce(f.paid_at, f.at) END,
        settled_at = CASE WHEN f.paid THEN f.at END,
        closed_at = CASE f.says WHEN 'closed' THEN f.at ELSE t.closed_at END,
        scanned_at = coalesce(t.scanned_at, f.at),
        evidence = CASE WHEN f.paid THEN %(evidence)s ELSE t.evidence END,
        in_doubt = false,
        heard_at = f.at,
        heard_status = f.says,
        next_check_at = CASE f.says WHEN 'waiting' THEN t.next_check_at END,
        close_due_at = CASE f.says WHEN 'waiting' THEN t.close_due_at END,
        version = t.version + 1
    FROM locked, fact f
    WHERE t.order_id = locked.id AND t.out_trade_no = f.out_trade_no AND t.origin = 'ours'
      AND (t.app_id, t.seller_id, t.amount_fen) = (f.app_id, f.seller_id, f.total_fen)
      AND coalesce(t.trade_no, f.trade_no) = f.trade_no
      AND t.state <> 'paid'
      AND CASE f.says
            WHEN 'paid' THEN true
            WHEN 'closed' THEN t.state <> 'closed'
            WHEN 'waiting' THEN t.state <> 'closed' AND t.trade_no IS NULL
            ELSE false
          END
    RETURNING t.id, t.order_id, t.out_trade_no, t.state, t.late, t.amount_fen, t.receipt_fen, t.paid_at
),
pays AS (  -- "paid" and "pays the order" are two questions; coalesce keeps the planner on the primary key, where
           -- the index over waiting orders would have it walk all of them
    UPDATE payments_order o
    SET state = 'paid', paid_by_id = moved.id, paid_at = moved.paid_at
    FROM moved
    WHERE o.id = moved.order_id AND moved.state = 'paid'
      AND coalesce(o.state, '') = 'awaiting_payment' AND coalesce(o.paid_by_id, 0) = 0
    RETURNING o.id, o.paid_by_id
),
money AS (
    SELECT moved.*, CASE WHEN pays.id IS NULL THEN 'surplus' ELSE 'pays_order' END AS verdict
    FROM moved LEFT JOIN pays ON pays.paid_by_id = moved.id
    WHERE moved.state = 'paid'
),
posted AS (
    INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence)
    SELECT id, 'capture', debit, CASE verdict WHEN 'surplus' THEN 'money_in_cases' ELSE 'sales' END, fen, %(evidence)s
    FROM money, LATERAL (
        VALUES ('alipay_receivable', receipt_fen), ('merchant_discount', amount_fen - receipt_fen)
    ) AS leg(debit, fen)
    WHERE fen > 0
),
noted AS (
    INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor, cause)
    SELECT 'transaction', id, CASE WHEN late THEN 'paid_late' WHEN state = 'presented' THEN 'scanned' ELSE state END,
           state, %(actor)s, %(evidence)s
    FROM moved
    UNION ALL
    SELECT 'order', id, 'paid', 'paid', %(actor)s, %(evidence)s FROM pays
),
told AS (
    INSERT INTO payments_outboxmessage (topic, dedupe_key, payload)
    SELECT CASE verdict WHEN 'surplus' THEN 'money.surplus' ELSE 'order.paid' END, 'paid:' || id,
           jsonb_build_object('order_id', order_id, 'transaction_id', id)
    FROM money
),
heard AS (  -- last, so that the message carries its verdict; a repeat only raises its counter
    INSERT INTO payments_inboundmessage AS m (fingerprint, app_id, out_trade_no, seal_id, body, verdict)
    SELECT %(fingerprint)s, left(app_id, 32), left(out_trade_no, 64), %(seal_id)s::uuid, %(body)s::bytea,
           coalesce((SELECT max(verdict) FROM money), (SELECT max('moved') FROM moved), 'unjudged')
    FROM fact WHERE %(body)s::bytea IS NOT NULL
    ON CONFLICT (fingerprint) DO UPDATE
    SET deliveries = m.deliveries + 1, last_at = now(),
        verdict = CASE excluded.verdict WHEN 'unjudged' THEN m.verdict ELSE excluded.verdict END
    RETURNING m.id, m.verdict
)
SELECT f.out_trade_no, moved.id, moved.state, pays.id IS NOT NULL, heard.id, heard.verdict
FROM fact f
LEFT JOIN moved ON moved.out_trade_no = f.out_trade_no
LEFT JOIN pays ON pays.paid_by_id = moved.id
LEFT JOIN heard ON true
