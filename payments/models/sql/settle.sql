-- What Alipay says about trades, applied: the only statement that makes a transaction paid.
-- Takes one fact or a batch (each out_trade_no at most once), with the notice or the query that carried it.
-- One row comes back per fact; `state` is null where nothing moved: a duplicate, or facts that do not fit.
WITH fact AS (
    SELECT * FROM unnest(
        %(out_trade_no)s::text[], %(app_id)s::text[], %(seller_id)s::text[], %(trade_no)s::text[], %(says)s::text[],
        %(finished)s::boolean[], %(total_fen)s::bigint[], %(receipt_fen)s::bigint[], %(paid_at)s::timestamptz[]
    ) AS f(out_trade_no, app_id, seller_id, trade_no, says, finished, total_fen, receipt_fen, paid_at)
),
the_order AS (  -- the first lock of every money use-case, in one order
    SELECT o.id FROM payments_order o
    WHERE o.id IN (
        SELECT t.order_id FROM fact f
        JOIN payments_transaction t ON t.out_trade_no = f.out_trade_no AND t.origin = 'ours'
    )
    ORDER BY o.id FOR NO KEY UPDATE OF o
),
moved AS (  -- the gates: they name only columns of the row they move, for those are looked at again after a wait
    UPDATE payments_transaction t
    SET state = CASE f.says WHEN 'paid' THEN 'paid' WHEN 'closed' THEN 'closed' ELSE 'presented' END,
        late = (f.says = 'paid' AND t.state = 'closed'),
        finished = (f.says = 'paid' AND f.finished),
        trade_no = f.trade_no,
        receipt_fen = CASE
            WHEN f.says <> 'paid' THEN NULL
            WHEN f.receipt_fen BETWEEN 0 AND t.amount_fen THEN f.receipt_fen
            ELSE t.amount_fen
        END,
        paid_at = CASE WHEN f.says = 'paid' THEN coalesce(f.paid_at, statement_timestamp()) END,
        settled_at = CASE WHEN f.says = 'paid' THEN statement_timestamp() END,
        closed_at = CASE WHEN f.says = 'closed' THEN statement_timestamp() ELSE t.closed_at END,
        scanned_at = coalesce(t.scanned_at, statement_timestamp()),
        evidence = CASE WHEN f.says = 'paid' THEN %(evidence)s ELSE t.evidence END,
        in_doubt = false,
        heard_at = statement_timestamp(),
        heard_status = f.says,
        next_check_at = CASE WHEN f.says = 'waiting' THEN t.next_check_at END,
        close_due_at = CASE WHEN f.says = 'waiting' THEN t.close_due_at END,
        version = t.version + 1
    FROM the_order, fact f
    WHERE t.order_id = the_order.id
      AND t.out_trade_no = f.out_trade_no AND t.origin = 'ours'
      AND (t.app_id, t.seller_id, t.amount_fen) = (f.app_id, f.seller_id, f.total_fen)
      AND coalesce(t.trade_no, f.trade_no) = f.trade_no
      AND CASE f.says
            WHEN 'paid' THEN t.state <> 'paid'
            WHEN 'closed' THEN t.state IN ('created', 'presented')
            WHEN 'waiting' THEN t.state IN ('created', 'presented') AND t.trade_no IS NULL
            ELSE false
          END
    RETURNING t.id, t.order_id, t.out_trade_no, t.state, t.late, t.amount_fen, t.receipt_fen, t.paid_at
),
pays AS (  -- "paid" and "pays the order" are two questions
    UPDATE payments_order o
    SET state = 'paid', paid_by_id = moved.id, paid_at = moved.paid_at
    FROM moved
    WHERE o.id = moved.order_id AND moved.state = 'paid' AND o.state = 'awaiting_payment' AND o.paid_by_id IS NULL
    RETURNING o.id, o.paid_by_id
),
money AS (
    SELECT moved.*, pays.id IS NOT NULL AS pays_order
    FROM moved LEFT JOIN pays ON pays.paid_by_id = moved.id
    WHERE moved.state = 'paid'
),
posted AS (
    INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence)
    SELECT money.id, 'capture', leg.debit, CASE WHEN money.pays_order THEN 'sales' ELSE 'money_in_cases' END,
           leg.fen, %(evidence)s
    FROM money
    CROSS JOIN LATERAL (VALUES
        ('alipay_receivable', money.receipt_fen),
        ('merchant_discount', money.amount_fen - money.receipt_fen)
    ) AS leg(debit, fen)
    WHERE leg.fen > 0
),
noted AS (
    INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor, cause)
    SELECT 'transaction', moved.id,
           CASE WHEN moved.state = 'presented' THEN 'scanned' WHEN moved.late THEN 'paid_late' ELSE moved.state END,
           moved.state, %(actor)s, %(evidence)s
    FROM moved
    UNION ALL
    SELECT 'order', pays.id, 'paid', 'paid', %(actor)s, %(evidence)s FROM pays
),
told AS (
    INSERT INTO payments_outboxmessage (topic, dedupe_key, payload)
    SELECT topic, topic || ':' || money.id, jsonb_build_object('order_id', money.order_id, 'transaction_id', money.id)
    FROM money
    CROSS JOIN LATERAL (SELECT CASE WHEN money.pays_order THEN 'order.paid' ELSE 'money.surplus' END AS topic) AS about
),
cased AS (
    INSERT INTO payments_case (kind, subject, severity, amount_fen, evidence, due_at)
    SELECT 'surplus', 'transaction:' || money.id, 'high', money.amount_fen, %(evidence)s, statement_timestamp() + interval '1 day'
    FROM money WHERE NOT money.pays_order
    ON CONFLICT (kind, subject) WHERE state IN ('open', 'assigned') DO NOTHING
),
asked AS (
    INSERT INTO payments_gatewaycall (id, account_id, method, purpose, number, outcome, learned, started_at, ended_at)
    SELECT %(call_id)s::uuid, %(call_account_id)s::bigint, 'alipay.trade.query', 'query', %(call_number)s::text, 'done',
           %(learned)s::jsonb, %(started_at)s::timestamptz, statement_timestamp()
    WHERE %(call_id)s::uuid IS NOT NULL
),
heard AS (  -- last, so that the message carries its verdict; a repeat only raises its counter
    INSERT INTO payments_inboundmessage AS message (fingerprint, app_id, out_trade_no, seal_id, body, verdict)
    SELECT %(fingerprint)s::text, left(fact.app_id, 32), left(fact.out_trade_no, 64), %(seal_id)s::uuid, %(body)s::bytea,
           CASE
               WHEN EXISTS (SELECT FROM pays) THEN 'pays_order'
               WHEN EXISTS (SELECT FROM money) THEN 'surplus'
               WHEN EXISTS (SELECT FROM moved) THEN 'moved'
               ELSE 'unjudged'
           END
    FROM fact
    WHERE %(fingerprint)s::text IS NOT NULL
    ON CONFLICT (fingerprint) DO UPDATE
    SET deliveries = message.deliveries + 1, last_at = statement_timestamp(),
        verdict = CASE excluded.verdict WHEN 'unjudged' THEN message.verdict ELSE excluded.verdict END
    RETURNING message.id, message.verdict
)
SELECT fact.out_trade_no, moved.id, moved.state, coalesce(money.pays_order, false), heard.id, heard.verdict
FROM fact
LEFT JOIN moved ON moved.out_trade_no = fact.out_trade_no
LEFT JOIN money ON money.id = moved.id
LEFT JOIN heard ON true
