-- An order with its lines and the event of its placing, under the account that is active: one statement, all of it or nothing.
-- With a key, the answer to its request is kept too. No row comes back where number or key is taken, no account is active, or
-- the API key that is shown is not any more as it is shown, or the order's time, reckoned by it, is not the time it is.
WITH account AS (
    SELECT id FROM payments_merchantaccount
    WHERE is_active AND NOT EXISTS (SELECT FROM payments_order WHERE number = %(order)s::jsonb ->> 'number')
      AND (%(shown)s::jsonb IS NULL OR EXISTS (
          SELECT FROM jsonb_to_record(%(shown)s::jsonb) AS s(pk bigint, scopes varchar[], addresses varchar[])
          JOIN payments_apikey k ON k.id = s.pk AND (k.ends_at IS NULL OR k.ends_at > clock_timestamp())
          JOIN payments_apiclient c ON c.id = k.client_id AND c.scopes = s.scopes AND c.addresses = s.addresses
          WHERE (%(order)s::jsonb ->> 'created_at')::timestamptz
                BETWEEN clock_timestamp() - interval '1 second' AND clock_timestamp() + interval '1 second'))
    ORDER BY id LIMIT 1
),
key AS (
    INSERT INTO payments_idempotencyrecord (caller, key, request_hash, answer, seal_id, status, body)
    SELECT k.caller, k.key, k.request_hash, '{}', k.seal_id, k.status, %(body)s::bytea
    FROM account, jsonb_to_record(%(kept)s::jsonb) AS k(caller text, key text, request_hash text, seal_id uuid, status smallint)
    WHERE k.key IS NOT NULL
    ON CONFLICT (caller, key) DO NOTHING
    RETURNING id
),
placed AS (
    INSERT INTO payments_order (
        number, token, client_id, reference, account_id, title, goods_fen, shipping_fen, discount_fen, total_fen, content_hash,
        state, language, seal_id, contact_email, extensions, created_at, expires_at
    )
    SELECT o.number, o.token, o.client_id, o.reference, account.id, o.title, o.goods_fen, o.shipping_fen, o.discount_fen,
           o.total_fen, o.content_hash, o.state, o.language, o.seal_id, %(contact_email)s::bytea, 0, o.created_at, o.expires_at
    FROM account, jsonb_to_record(%(order)s::jsonb) AS o(
        number text, token text, client_id bigint, reference text, title text, goods_fen bigint, shipping_fen bigint,
        discount_fen bigint, total_fen bigint, content_hash text, state text, language text, seal_id uuid, created_at timestamptz,
        expires_at timestamptz
    )
    WHERE %(kept)s::jsonb IS NULL OR EXISTS (SELECT FROM key)
    RETURNING id, account_id, state
),
lines AS (
    INSERT INTO payments_orderline (order_id, position, title, sku, unit_price_fen, quantity)
    SELECT placed.id, l.position, l.title, l.sku, l.unit_price_fen, l.quantity
    FROM placed, jsonb_to_recordset(%(lines)s::jsonb) AS l(
        position smallint, title text, sku text, unit_price_fen bigint, quantity integer
    )
),
noted AS (
    INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor, cause, detail)
    SELECT 'order', placed.id, 'placed', placed.state, %(actor)s::text, '', '{}' FROM placed
)
SELECT id, account_id FROM placed
