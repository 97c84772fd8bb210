# Why:    what must always hold is refused by the database too, whoever asks: numbers and amounts that are set once, moves
#         outside the graph of payments/models/states.py, counters that are not the sums of their refunds, records of
#         what happened that were changed. Single-row rules are AFTER triggers whose WHEN clause is the rule: where it is
#         kept they cost a comparison, and the hot path (settle.sql) runs none of their functions but one.
# Locks:  CREATE TRIGGER takes SHARE ROW EXCLUSIVE on its table, for a moment, once per table; lock_timeout stands in the
#         connection. Orders placed earlier get their content hash first, in one statement.
# Back:   drop the triggers and functions; no data is lost.

from django.db import migrations

REFUSE = """
CREATE FUNCTION payments_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused by %: %', TG_NAME, TG_ARGV[0]
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END $$;
"""

BACKFILL = """
UPDATE payments_order o SET content_hash = encode(sha256(convert_to(json_build_array(
    o.goods_fen, o.shipping_fen, o.discount_fen, o.total_fen, (
        SELECT json_agg(json_build_array(position, title, sku, unit_price_fen, quantity) ORDER BY position)
        FROM payments_orderline l WHERE l.order_id = o.id))::text, 'UTF8')), 'hex')
WHERE content_hash = '';
"""

# name, table, columns (empty: any), the rule that is broken, words
SINGLE = [
    ("order_is_frozen", "payments_order", "number, account_id, goods_fen, shipping_fen, discount_fen, total_fen, content_hash",
     "(OLD.number, OLD.account_id, OLD.goods_fen, OLD.shipping_fen, OLD.discount_fen, OLD.total_fen, OLD.content_hash)"
     " IS DISTINCT FROM"
     " (NEW.number, NEW.account_id, NEW.goods_fen, NEW.shipping_fen, NEW.discount_fen, NEW.total_fen, NEW.content_hash)",
     "an order stays as it was placed"),
    ("order_moves", "payments_order", "state",
     "OLD.state <> NEW.state AND OLD.state || ' ' || NEW.state NOT IN ('awaiting_payment paid', 'awaiting_payment closed',"
     " 'closed awaiting_payment', 'paid partly_refunded', 'paid refunded', 'partly_refunded refunded')",
     "not a legal move of an order"),
    ("transaction_is_frozen", "payments_transaction",
     "out_trade_no, trade_no, app_id, seller_id, amount_fen, order_id, account_id, origin, evidence, settled_at",
     "(OLD.out_trade_no, OLD.app_id, OLD.seller_id, OLD.amount_fen, OLD.account_id, OLD.origin) IS DISTINCT FROM"
     " (NEW.out_trade_no, NEW.app_id, NEW.seller_id, NEW.amount_fen, NEW.account_id, NEW.origin)"
     " OR OLD.trade_no <> NEW.trade_no OR (OLD.trade_no IS NOT NULL AND NEW.trade_no IS NULL)"
     " OR (OLD.order_id IS NOT NULL AND OLD.order_id IS DISTINCT FROM NEW.order_id)"
     " OR (OLD.settled_at IS NOT NULL AND (OLD.evidence, OLD.settled_at) IS DISTINCT FROM (NEW.evidence, NEW.settled_at))",
     "numbers, amount and evidence of a payment are set once"),
    ("transaction_moves", "payments_transaction", "state",
     "OLD.state <> NEW.state AND (OLD.state = 'paid' OR NEW.state = 'created' OR OLD.state || ' ' || NEW.state = 'closed presented')",
     "not a legal move of a transaction; paid stays paid"),
    ("transaction_version_rises", "payments_transaction", "version", "NEW.version < OLD.version", "a version never falls"),
    ("transaction_refunded_rises", "payments_transaction", "refunded_fen", "NEW.refunded_fen < OLD.refunded_fen",
     "what went back went back"),
    ("refund_is_frozen", "payments_refund", "transaction_id, out_request_no, amount_fen, origin, requester, evidence, ended_at",
     "(OLD.transaction_id, OLD.out_request_no, OLD.amount_fen, OLD.origin, OLD.requester) IS DISTINCT FROM"
     " (NEW.transaction_id, NEW.out_request_no, NEW.amount_fen, NEW.origin, NEW.requester)"
     " OR (OLD.ended_at IS NOT NULL AND (OLD.evidence, OLD.ended_at) IS DISTINCT FROM (NEW.evidence, NEW.ended_at))",
     "number, amount and evidence of a refund are set once"),
    ("refund_moves", "payments_refund", "state",
     "OLD.state <> NEW.state AND OLD.state || ' ' || NEW.state NOT IN ('requested approved', 'requested rejected',"
     " 'requested lapsed', 'approved sent', 'approved succeeded', 'approved failed', 'approved lapsed', 'sent succeeded',"
     " 'sent failed')",
     "not a legal move of a refund; what is over stays over"),
    ("refund_version_rises", "payments_refund", "version", "NEW.version < OLD.version", "a version never falls"),
    ("duty_version_rises", "payments_duty", "version", "NEW.version < OLD.version", "a version never falls"),
    ("call_is_over", "payments_gatewaycall", "outcome, code, why, learned, ended_at",
     "OLD.outcome IN ('done', 'certainly_not') AND (OLD.outcome, OLD.code, OLD.why, OLD.learned, OLD.ended_at)"
     " IS DISTINCT FROM (NEW.outcome, NEW.code, NEW.why, NEW.learned, NEW.ended_at)",
     "a call with a certain answer stays as it is"),
    ("call_is_frozen", "payments_gatewaycall", "method, purpose, number, amount_fen, transaction_id, request_hash",
     "(OLD.method, OLD.purpose, OLD.number, OLD.amount_fen, OLD.transaction_id, OLD.request_hash)"
     " IS DISTINCT FROM"
     " (NEW.method, NEW.purpose, NEW.number, NEW.amount_fen, NEW.transaction_id, NEW.request_hash)",
     "what was sent was sent"),
    ("message_is_frozen", "payments_inboundmessage", "fingerprint, app_id, out_trade_no",
     "(OLD.fingerprint, OLD.app_id, OLD.out_trade_no) IS DISTINCT FROM (NEW.fingerprint, NEW.app_id, NEW.out_trade_no)",
     "what was received was received"),
    ("case_moves", "payments_case", "state",
     "OLD.state <> NEW.state AND (OLD.state IN ('resolved', 'written_off'))", "a case that is over stays over"),
    ("case_ends_with_a_note", "payments_case", "state, ended_at, note",
     "(NEW.ended_at IS NULL) <> (NEW.state IN ('open', 'assigned')) OR (NEW.ended_at IS NOT NULL AND NEW.note = '')",
     "who ends a case says when and why"),
]  # fmt: skip

APPEND_ONLY = [
    "payments_auditevent", "payments_auditseal", "payments_transfer", "payments_orderline", "payments_caseevent",
    "payments_bookscheck",
]  # fmt: skip

PAID_BY = """
CREATE FUNCTION payments_paid_by_its_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.paid_by_id IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM payments_transaction t WHERE t.id = NEW.paid_by_id AND t.order_id = NEW.id AND t.state = 'paid'
    ) THEN
        RAISE EXCEPTION 'refused by %: one paid transaction of the order pays it, for good', TG_NAME
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_paid_by_its_own AFTER UPDATE OF paid_by_id ON payments_order FOR EACH ROW
WHEN (OLD.paid_by_id IS DISTINCT FROM NEW.paid_by_id) EXECUTE FUNCTION payments_paid_by_its_own();
"""

# At the commit, when all of a refund's records are written. One function for the three tables it concerns.
SUMS = """
CREATE FUNCTION payments_refunds_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    attempt bigint := CASE TG_TABLE_NAME
        WHEN 'payments_refund' THEN (to_jsonb(NEW) ->> 'transaction_id')::bigint
        WHEN 'payments_order' THEN (to_jsonb(NEW) ->> 'paid_by_id')::bigint
        ELSE (to_jsonb(NEW) ->> 'id')::bigint END;
    wrong text;
BEGIN
    SELECT CASE
        WHEN t.refunded_fen <> r.back OR t.reserved_fen <> r.aside THEN 'the counters are not the sums of the refunds'
        WHEN t.state <> 'paid' AND r.back + r.aside > 0 THEN 'nothing was paid that could go back'
        WHEN o.state <> CASE WHEN t.refunded_fen = 0 THEN 'paid' WHEN t.refunded_fen = t.amount_fen THEN 'refunded'
             ELSE 'partly_refunded' END THEN 'the order does not say how much went back'
        END INTO wrong
    FROM payments_transaction t
    LEFT JOIN payments_order o ON o.paid_by_id = t.id
    CROSS JOIN (
        SELECT coalesce(sum(amount_fen) FILTER (WHERE state = 'succeeded'), 0) AS back,
               coalesce(sum(amount_fen) FILTER (WHERE state IN ('requested', 'approved', 'sent')), 0) AS aside
        FROM payments_refund WHERE transaction_id = attempt
    ) r WHERE t.id = attempt;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'refused by %: %', TG_NAME, wrong
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refund_adds_up AFTER INSERT OR UPDATE OF state, amount_fen, transaction_id ON payments_refund
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_refunds_add_up();
CREATE CONSTRAINT TRIGGER transaction_counters_add_up AFTER UPDATE OF refunded_fen, reserved_fen ON payments_transaction
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ((OLD.refunded_fen, OLD.reserved_fen) IS DISTINCT FROM (NEW.refunded_fen, NEW.reserved_fen))
EXECUTE FUNCTION payments_refunds_add_up();
CREATE CONSTRAINT TRIGGER order_follows_refunds AFTER UPDATE OF state ON payments_order
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.state <> NEW.state AND NEW.state IN ('partly_refunded', 'refunded')) EXECUTE FUNCTION payments_refunds_add_up();
"""

# A line that comes later changes what was ordered; at the commit, for lines are written after their order.
LINES = """
CREATE FUNCTION payments_lines_as_ordered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM payments_order o WHERE o.id = NEW.order_id
        AND o.content_hash <> encode(sha256(convert_to(json_build_array(
            o.goods_fen, o.shipping_fen, o.discount_fen, o.total_fen, (
                SELECT json_agg(json_build_array(position, title, sku, unit_price_fen, quantity) ORDER BY position)
                FROM payments_orderline l WHERE l.order_id = o.id))::text, 'UTF8')), 'hex')
    ) THEN
        RAISE EXCEPTION 'refused by %: an order keeps the lines it was placed with', TG_NAME
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER order_keeps_its_lines AFTER INSERT ON payments_orderline
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_lines_as_ordered();
"""


def _single(name: str, table: str, columns: str, broken: str, words: str) -> str:
    event = f"UPDATE OF {columns}" if columns else "UPDATE"
    return (
        f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({broken}) "
        f"EXECUTE FUNCTION payments_refuse('{words}');"
    )


def _append_only(table: str) -> str:
    return (
        f"CREATE TRIGGER {table.removeprefix('payments_')}_only_grows BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse('it is only ever added to');"
    )


CREATE = [REFUSE, BACKFILL, *(_single(*each) for each in SINGLE), *map(_append_only, APPEND_ONLY), PAID_BY, SUMS, LINES]
DROP = [
    f"DROP FUNCTION payments_{name}() CASCADE" for name in ("refuse", "paid_by_its_own", "refunds_add_up", "lines_as_ordered")
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0012_books")]
    operations = [migrations.RunSQL(CREATE, DROP)]
