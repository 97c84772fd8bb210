# Why:    a line's amounts were kept as yuan, and fen made of them by the database, four times a line: a third of what it
#         took to bring a bill in. They are read once, by the reader, which refuses a third decimal; lines hold fen alone.
#         An index that begins with the file begins with what is the same in all of its lines: sorted twice as fast without.
#         And a few thousand lines tell the planner as much about a file as thirty thousand.
# Locks:  the lines' table and its partitions, while their index is made anew; nothing else is rewritten.
# Back:   yuan, their check and the index again, each partition rewritten.

from django.db import migrations

AMOUNTS = {"amount": "fen", "receipt": "receipt_fen", "fee": "fee_fen", "balance": "balance_fen"}
TO_FEN = [
    "ALTER TABLE payments_statementline DROP CONSTRAINT statement_line_in_whole_fen, "
    + ", ".join(f"ALTER COLUMN {fen} DROP EXPRESSION" for fen in AMOUNTS.values()),
    "ALTER TABLE payments_statementline " + ", ".join(f"DROP COLUMN {yuan}" for yuan in AMOUNTS),
]
TO_YUAN = [
    "ALTER TABLE payments_statementline " + ", ".join(f"ADD COLUMN {yuan} numeric" for yuan in AMOUNTS),
    "ALTER TABLE payments_statementline "
    + ", ".join(f"ALTER COLUMN {yuan} TYPE numeric USING ({fen} / 100.0)::numeric(15, 2)" for yuan, fen in AMOUNTS.items()),
    "ALTER TABLE payments_statementline " + ", ".join(f"DROP COLUMN {fen}" for fen in AMOUNTS.values()),
    "ALTER TABLE payments_statementline "
    + ", ".join(
        f"ADD COLUMN {fen} bigint {'NOT NULL' if fen == 'fen' else ''} GENERATED ALWAYS AS (({yuan} * 100)::bigint) STORED"
        for yuan, fen in AMOUNTS.items()
    ),
    "ALTER TABLE payments_statementline ALTER COLUMN amount SET NOT NULL, ADD CONSTRAINT statement_line_in_whole_fen"
    " CHECK (scale(amount) <= 2 AND coalesce(scale(receipt), 0) <= 2 AND coalesce(scale(fee), 0) <= 2"
    " AND coalesce(scale(balance), 0) <= 2)",
]
KEY_OF = (
    "ALTER TABLE payments_statementline DROP CONSTRAINT payments_statementline_pkey,"
    " ADD CONSTRAINT payments_statementline_pkey PRIMARY KEY ({})"
)
BY_KEY, BY_FILE = "key, nth, file_id", "file_id, key, nth"
ATTACH = """
CREATE OR REPLACE FUNCTION payments_bill_attach(the_file bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp {settings} AS $$
DECLARE part text := 'payments_statementline_' || the_file;
BEGIN
    BEGIN
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY ({key})', part);
    EXCEPTION WHEN unique_violation THEN  -- lines that stand twice are numbered, and count for nothing but the totals
        EXECUTE format('UPDATE %I l SET nth = d.nth FROM (SELECT ctid AS place, row_number() OVER (PARTITION BY key'
                       ' ORDER BY line_no) AS nth FROM %I) d WHERE l.ctid = d.place AND d.nth > 1', part, part);
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY ({key})', part);
    END;
    EXECUTE format('ANALYZE %I (file_id, nth, kind, word, trade_no, request_no, fee_fen)', part);
    EXECUTE format('CREATE TRIGGER statementline_stays BEFORE UPDATE OR DELETE ON %I FOR EACH STATEMENT'
                   ' EXECUTE FUNCTION payments_refuse(''a bill stays as it was read'')', part);
    EXECUTE format('ALTER TABLE payments_statementline ATTACH PARTITION %I FOR VALUES IN (%s)', part, the_file);
    IF session_user <> current_user THEN
        EXECUTE format('REVOKE INSERT ON %I FROM %I', part, session_user);
    END IF;
END $$;
"""
QUICK = "SET default_statistics_target = 10"


class Migration(migrations.Migration):

    dependencies = [('payments', '0037_closed_days')]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(TO_FEN, TO_YUAN),
                migrations.RunSQL(KEY_OF.format(BY_KEY), KEY_OF.format(BY_FILE)),
                migrations.RunSQL(ATTACH.format(settings=QUICK, key=BY_KEY), ATTACH.format(settings="", key=BY_FILE)),
            ],
            state_operations=[migrations.RemoveField(model_name='statementline', name=yuan) for yuan in AMOUNTS],
        ),
    ]
