# Why:    lines of bills: a table cut by file, so that a whole bill comes in by COPY and stands or falls in one commit. The
#         application has no right to make tables: two functions of the owner do it, for a file that waits to be read. And
#         the moves of days, files and differences are refused by the database like all others (0013).
# Locks:  a new, empty table. Later, a bill attaches its partition under SHARE UPDATE EXCLUSIVE, which stops nobody's reads.
# Back:   drop the table and functions; the lines can be read again from the files.

import django.db.models.deletion
from django.db import migrations, models

TABLE = """
CREATE TABLE payments_statementline (
    file_id bigint NOT NULL,
    line_no integer NOT NULL,
    nth integer NOT NULL DEFAULT 1,
    number text NOT NULL, trade_no text NOT NULL, out_trade_no text NOT NULL, request_no text NOT NULL, word text NOT NULL,
    happened_at timestamptz NOT NULL,
    amount numeric NOT NULL, receipt numeric, fee numeric, balance numeric,
    kind text NOT NULL GENERATED ALWAYS AS (CASE word
        WHEN '交易' THEN 'payment' WHEN '退款' THEN 'refund'
        WHEN '在线支付' THEN 'payment' WHEN '交易付款' THEN 'payment' WHEN '交易退款' THEN 'refund'
        WHEN '收费' THEN 'fee' WHEN '退费' THEN 'fee_back' WHEN '提现' THEN 'payout' WHEN '转账' THEN 'transfer'
        ELSE 'other' END) STORED,
    key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (CASE WHEN number <> '' THEN number
        ELSE trade_no || '/' || word || '/' || request_no END) STORED,
    fen bigint NOT NULL GENERATED ALWAYS AS ((amount * 100)::bigint) STORED,
    receipt_fen bigint GENERATED ALWAYS AS ((receipt * 100)::bigint) STORED,
    fee_fen bigint GENERATED ALWAYS AS ((fee * 100)::bigint) STORED,
    balance_fen bigint GENERATED ALWAYS AS ((balance * 100)::bigint) STORED,
    CONSTRAINT statement_line_in_whole_fen CHECK (scale(amount) <= 2 AND coalesce(scale(receipt), 0) <= 2
        AND coalesce(scale(fee), 0) <= 2 AND coalesce(scale(balance), 0) <= 2),
    PRIMARY KEY (file_id, key, nth)
) PARTITION BY LIST (file_id);
"""

# Called before and after the COPY, in its transaction. The names of parts come from the file's id alone.
FUNCTIONS = """
CREATE FUNCTION payments_bill_partition(the_file bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE part text := 'payments_statementline_' || the_file;
BEGIN
    PERFORM 1 FROM payments_billfile WHERE id = the_file AND state = 'kept';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'bill % does not wait to be read', the_file USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE payments_statementline INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS,'
                   ' CHECK (file_id = %s))', part, the_file);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO %I', part, session_user);
    RETURN part;
END $$;
CREATE FUNCTION payments_bill_attach(the_file bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE part text := 'payments_statementline_' || the_file;
BEGIN
    BEGIN
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (file_id, key, nth)', part);
    EXCEPTION WHEN unique_violation THEN  -- lines that stand twice are numbered, and count for nothing but the totals
        EXECUTE format('UPDATE %I l SET nth = d.nth FROM (SELECT ctid AS place, row_number() OVER (PARTITION BY key'
                       ' ORDER BY line_no) AS nth FROM %I) d WHERE l.ctid = d.place AND d.nth > 1', part, part);
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (file_id, key, nth)', part);
    END;
    EXECUTE format('CREATE TRIGGER statementline_stays BEFORE UPDATE OR DELETE ON %I FOR EACH STATEMENT'
                   ' EXECUTE FUNCTION payments_refuse(''a bill stays as it was read'')', part);
    EXECUTE format('ALTER TABLE payments_statementline ATTACH PARTITION %I FOR VALUES IN (%s)', part, the_file);
    IF session_user <> current_user THEN
        EXECUTE format('REVOKE INSERT ON %I FROM %I', part, session_user);
    END IF;
END $$;
CREATE TRIGGER statementline_stays BEFORE UPDATE OR DELETE ON payments_statementline FOR EACH STATEMENT
EXECUTE FUNCTION payments_refuse('a bill stays as it was read');
"""

# name, table, columns, the rule that is broken, words: as in 0013
SINGLE = [
    ("billday_moves", "payments_billday", "state",
     "OLD.state <> NEW.state AND OLD.state || ' ' || NEW.state NOT IN ('expected fetching', 'fetching expected',"
     " 'fetching imported', 'expected imported', 'imported matched', 'matched closed', 'matched imported')",
     "not a legal move of a bill day"),
    ("billday_is_frozen", "payments_billday", "account_id, day", "(OLD.account_id, OLD.day) IS DISTINCT FROM (NEW.account_id, NEW.day)",
     "a bill day stays the day it is"),
    ("billday_version_rises", "payments_billday", "version", "NEW.version < OLD.version", "a version never falls"),
    ("billfile_moves", "payments_billfile", "state",
     "OLD.state <> NEW.state AND OLD.state || ' ' || NEW.state NOT IN ('kept imported', 'kept refused', 'refused kept')",
     "not a legal move of a bill file; what was read was read"),
    ("billfile_is_frozen", "payments_billfile", "day_id, kind, source, actor, size, sha256, lines, lines_sha256, in_count,"
     " out_count, in_fen, out_fen, fee_fen",
     "(OLD.day_id, OLD.kind, OLD.source, OLD.actor, OLD.size, OLD.sha256) IS DISTINCT FROM"
     " (NEW.day_id, NEW.kind, NEW.source, NEW.actor, NEW.size, NEW.sha256) OR (OLD.state = 'imported' AND"
     " (OLD.lines, OLD.lines_sha256, OLD.in_count, OLD.out_count, OLD.in_fen, OLD.out_fen, OLD.fee_fen) IS DISTINCT FROM"
     " (NEW.lines, NEW.lines_sha256, NEW.in_count, NEW.out_count, NEW.in_fen, NEW.out_fen, NEW.fee_fen))",
     "a bill file stays as it came and was read"),
    ("difference_moves", "payments_difference", "state",
     "OLD.state <> NEW.state AND OLD.state || ' ' || NEW.state NOT IN ('waiting explained', 'waiting case', 'case explained')",
     "not a legal move of a difference"),
    ("difference_is_frozen", "payments_difference", "day_id, kind, key, fen, field, ours, theirs",
     "(OLD.day_id, OLD.kind, OLD.key, OLD.fen, OLD.field, OLD.ours, OLD.theirs) IS DISTINCT FROM"
     " (NEW.day_id, NEW.kind, NEW.key, NEW.fen, NEW.field, NEW.ours, NEW.theirs)",
     "what was found was found"),
]  # fmt: skip


def _single(name: str, table: str, columns: str, broken: str, words: str) -> str:
    return (
        f"CREATE TRIGGER {name} AFTER UPDATE OF {columns} ON {table} FOR EACH ROW WHEN ({broken}) "
        f"EXECUTE FUNCTION payments_refuse('{words}');"
    )


PARTS = (
    "CREATE TRIGGER billpart_only_grows BEFORE UPDATE OR DELETE ON payments_billpart FOR EACH STATEMENT "
    "EXECUTE FUNCTION payments_refuse('it is only ever added to');"
)
CREATE = [TABLE, FUNCTIONS, *(_single(*each) for each in SINGLE), PARTS]
DROP = [
    "DROP TRIGGER billpart_only_grows ON payments_billpart",
    *(f"DROP TRIGGER {name} ON {table}" for name, table, *_ in SINGLE),
    "DROP FUNCTION payments_bill_attach(bigint)",
    "DROP FUNCTION payments_bill_partition(bigint)",
    "DROP TABLE payments_statementline",
]


class Migration(migrations.Migration):

    dependencies = [('payments', '0019_bills')]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CREATE, DROP)],
            state_operations=[
                migrations.CreateModel(
                    name='StatementLine',
                    fields=[
                        ('pk', models.CompositePrimaryKey('file', 'key', 'nth', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('file', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='statement_lines', to='payments.billfile')),
                        ('line_no', models.IntegerField(verbose_name='line')),
                        ('nth', models.IntegerField(db_default=1, verbose_name='which of those with this key')),
                        ('number', models.TextField(verbose_name='number of the movement')),
                        ('trade_no', models.TextField(verbose_name='trade_no')),
                        ('out_trade_no', models.TextField(verbose_name='out_trade_no')),
                        ('request_no', models.TextField(verbose_name='out_request_no')),
                        ('word', models.TextField(verbose_name='kind, as Alipay says it')),
                        ('happened_at', models.DateTimeField(verbose_name='happened')),
                        ('amount', models.DecimalField(decimal_places=2, max_digits=15, verbose_name='amount (yuan)')),
                        ('receipt', models.DecimalField(decimal_places=2, max_digits=15, null=True, verbose_name='received (yuan)')),
                        ('fee', models.DecimalField(decimal_places=2, max_digits=15, null=True, verbose_name='fee (yuan)')),
                        ('balance', models.DecimalField(decimal_places=2, max_digits=15, null=True, verbose_name='balance after it (yuan)')),
                        ('key', models.TextField(verbose_name='key')),
                        ('kind', models.TextField(choices=[('payment', 'payment'), ('refund', 'refund'), ('fee', 'fee'), ('fee_back', 'fee returned'), ('payout', 'payout to the bank'), ('transfer', 'transfer'), ('other', 'something else')], verbose_name='kind')),
                        ('fen', models.BigIntegerField(verbose_name='amount (fen)')),
                        ('receipt_fen', models.BigIntegerField(null=True, verbose_name='received (fen)')),
                        ('fee_fen', models.BigIntegerField(null=True, verbose_name='fee (fen)')),
                        ('balance_fen', models.BigIntegerField(null=True, verbose_name='balance after it (fen)')),
                    ],
                    options={
                        'verbose_name': 'bill line',
                        'verbose_name_plural': 'bill lines',
                    },
                ),
            ],
        ),
    ]
