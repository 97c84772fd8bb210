-- :orders orders of one past year: 94 in 100 paid, 3 of them partly refunded, 1 wholly; the others closed unpaid.
SET session_replication_role = replica;  -- no triggers: the rows are made to hold, and check_invariants says whether they do
SET work_mem = '256MB';
SET maintenance_work_mem = '512MB';
BEGIN;
INSERT INTO payments_merchantaccount (id, app_id, seller_id, name, mode, gateway_url, is_active)
VALUES (1, '2021000000000001', '2088000000000001', 'tea', 'key', 'http://127.0.0.1:9/', true);
CREATE TEMP TABLE story AS
SELECT g AS id, 1000 + g % 20000 AS fen, now() - interval '366 days' + g * (interval '365 days' / :orders) AS at,
       CASE WHEN g % 100 < 90 THEN 'paid' WHEN g % 100 < 93 THEN 'partly_refunded' WHEN g % 100 < 94 THEN 'refunded'
            ELSE 'closed' END AS state
FROM generate_series(1, :orders) g;
ALTER TABLE story ADD COLUMN back bigint;
UPDATE story SET back = CASE state WHEN 'partly_refunded' THEN 500 WHEN 'refunded' THEN fen ELSE 0 END;

INSERT INTO payments_order (id, number, token, account_id, title, goods_fen, shipping_fen, discount_fen, total_fen, content_hash,
    state, paid_by_id, language, seal_id, extensions, created_at, expires_at, paid_at, closed_at)
SELECT id, '2026' || lpad(id::text, 12, '0'), 'token' || id, 1, '明前龙井', fen, 0, 0, fen,
       encode(sha256(convert_to(json_build_array(fen, 0, 0, fen,
           json_build_array(json_build_array(1, '明前龙井', 'LJ-50', fen, 1)))::text, 'UTF8')), 'hex'),
       state, CASE WHEN state <> 'closed' THEN id END, 'zh-hans', gen_random_uuid(), 0, at, at + interval '15 minutes',
       CASE WHEN state <> 'closed' THEN at + interval '1 minute' END, CASE WHEN state = 'closed' THEN at + interval '17 minutes' END
FROM story;
INSERT INTO payments_orderline (order_id, position, title, sku, unit_price_fen, quantity)
SELECT id, 1, '明前龙井', 'LJ-50', fen, 1 FROM story;
INSERT INTO payments_transaction (id, order_id, account_id, origin, scene, out_trade_no, trade_no, app_id, seller_id, amount_fen,
    receipt_fen, refunded_fen, reserved_fen, state, in_doubt, superseded, refused, late, finished, qr_code, evidence, created_at,
    time_expire, presented_at, paid_at, settled_at, closed_at, heard_status, checks, version)
SELECT id, id, 1, 'ours', 'qr', '20260101A' || lpad(id::text, 15, '0'),
       CASE WHEN state <> 'closed' THEN '2026010122001' || lpad(id::text, 15, '0') END, '2021000000000001', '2088000000000001', fen,
       CASE WHEN state <> 'closed' THEN fen END, back, 0, CASE WHEN state <> 'closed' THEN 'paid' ELSE 'closed' END,
       false, false, false, false, false, 'https://qr.example/bax' || id,
       CASE WHEN state <> 'closed' THEN 'notice:' || md5(id::text) || md5('b' || id) ELSE '' END, at, at + interval '15 minutes',
       at, CASE WHEN state <> 'closed' THEN at + interval '1 minute' END,
       CASE WHEN state <> 'closed' THEN at + interval '1 minute' END,
       CASE WHEN state = 'closed' THEN at + interval '17 minutes' END, '', 1, 3
FROM story;
INSERT INTO payments_inboundmessage (kind, fingerprint, app_id, out_trade_no, seal_id, body, verdict, received_at, last_at)
SELECT 'notice', md5(id::text) || md5('b' || id), '2021000000000001', '20260101A' || lpad(id::text, 15, '0'), gen_random_uuid(),
       decode(repeat(md5(id::text), 20), 'hex'), 'pays_order', at + interval '1 minute', at + interval '1 minute'
FROM story WHERE state <> 'closed';
INSERT INTO payments_refund (id, transaction_id, out_request_no, amount_fen, origin, state, in_doubt, refused, reason_code, reason,
    requester, approver, lines, evidence, created_at, approved_at, called_at, ended_at, checks, version)
SELECT id, id, 'R20260101' || lpad(id::text, 15, '0'), back, 'staff', 'succeeded', false, '', '', 'wrong', 'staff:1', 'staff:2',
       '{}', 'call:' || md5('r' || id)::uuid, at + interval '1 hour', at + interval '1 hour', at + interval '1 hour',
       at + interval '61 minutes', 1, 3
FROM story WHERE back > 0;
INSERT INTO payments_gatewaycall (id, account_id, transaction_id, method, purpose, number, amount_fen, outcome, code, started_at, ended_at)
SELECT md5(kind || id)::uuid, 1, id, 'alipay.trade.' || purpose, purpose, number, fen, 'done', '10000', started, started + interval '1 second'
FROM (
    SELECT id, 'p' AS kind, 'precreate' AS purpose, '20260101A' || lpad(id::text, 15, '0') AS number, fen, at AS started FROM story
    UNION ALL
    SELECT id, 'r', 'refund', 'R20260101' || lpad(id::text, 15, '0'), back, at + interval '1 hour' FROM story WHERE back > 0
) calls;
INSERT INTO payments_transfer (transaction_id, refund_id, cause, debit, credit, fen, evidence, posted_at)
SELECT id, NULL, 'capture', 'alipay_receivable', 'sales', fen, 'notice', at + interval '1 minute' FROM story WHERE state <> 'closed'
UNION ALL
SELECT id, id, 'refund', 'refunds', 'alipay_receivable', back, 'call', at + interval '61 minutes' FROM story WHERE back > 0;
INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor, cause, at)
SELECT kind, id, action, state, actor, cause, at FROM (
    SELECT 1 AS step, 'order' AS kind, id, 'placed' AS action, 'awaiting_payment' AS state, 'buyer' AS actor, '' AS cause, at FROM story
    UNION ALL SELECT 2, 'transaction', id, 'created', 'created', 'buyer', '', at FROM story
    UNION ALL SELECT 3, 'transaction', id, 'presented', 'presented', 'gateway', '', at FROM story
    UNION ALL SELECT 4, 'transaction', id, CASE state WHEN 'closed' THEN 'closed' ELSE 'paid' END,
              CASE state WHEN 'closed' THEN 'closed' ELSE 'paid' END, 'notice', 'notice', at + interval '1 minute' FROM story
    UNION ALL SELECT 5, 'order', id, CASE state WHEN 'closed' THEN 'closed' ELSE 'paid' END,
              CASE state WHEN 'closed' THEN 'closed' ELSE 'paid' END, 'notice', 'notice', at + interval '1 minute' FROM story
    UNION ALL SELECT 6, 'refund', id, 'requested', 'requested', 'staff:1', '', at + interval '1 hour' FROM story WHERE back > 0
    UNION ALL SELECT 7, 'refund', id, 'approved', 'approved', 'staff:2', '', at + interval '1 hour' FROM story WHERE back > 0
    UNION ALL SELECT 8, 'refund', id, 'sent', 'sent', 'refunds', '', at + interval '1 hour' FROM story WHERE back > 0
    UNION ALL SELECT 9, 'refund', id, 'succeeded', 'succeeded', 'refunds', 'call', at + interval '61 minutes' FROM story WHERE back > 0
    UNION ALL SELECT 10, 'order', id, state, state, 'refunds', 'call', at + interval '61 minutes' FROM story WHERE back > 0
) events ORDER BY step, id;
INSERT INTO payments_outboxmessage (topic, dedupe_key, payload, attempts, created_at, due_at, delivered_at)
SELECT 'order.paid', 'paid:' || id, jsonb_build_object('order_id', id, 'transaction_id', id), 1, at, at, at FROM story
WHERE state <> 'closed';
INSERT INTO checkout_stock (variant_id, on_hand, held) VALUES (1, 100, 0);
INSERT INTO checkout_stockhold (order_id, variant_id, quantity, state, held_at, ended_at)
SELECT id, 1, 1, CASE state WHEN 'closed' THEN 'released' ELSE 'taken' END, at, at + interval '17 minutes' FROM story;
INSERT INTO checkout_delivery (order_id, seal_id, name, mobile, region, address, state, carrier, created_at, sent_at)
SELECT id, gen_random_uuid(), sealed, sealed, sealed, sealed, CASE state WHEN 'closed' THEN 'waiting' ELSE 'sent' END, '', at,
       CASE WHEN state <> 'closed' THEN at + interval '1 day' END
FROM story, LATERAL (SELECT decode(repeat(md5(story.id::text), 3), 'hex')) AS words(sealed);
SELECT setval('payments_order_id_seq', :orders), setval('payments_transaction_id_seq', :orders), setval('payments_refund_id_seq', :orders);
COMMIT;
