# Why:    a file's lines are compared seconds after they came, before PostgreSQL has any idea how many there are: it took a
#         million for five hundred, and looked up the payment of each by itself. They are counted when they are attached.
# Locks:  replaces a function.
# Back:   the function as it was.

from django.db import migrations

COUNT = "    EXECUTE format('ANALYZE %I (file_id, nth, kind, word, trade_no, request_no, fee_fen)', part);\n"
ATTACH = """
CREATE OR REPLACE FUNCTION payments_bill_attach(the_file bigint) RETURNS void
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
@COUNT@    EXECUTE format('CREATE TRIGGER statementline_stays BEFORE UPDATE OR DELETE ON %I FOR EACH STATEMENT'
                   ' EXECUTE FUNCTION payments_refuse(''a bill stays as it was read'')', part);
    EXECUTE format('ALTER TABLE payments_statementline ATTACH PARTITION %I FOR VALUES IN (%s)', part, the_file);
    IF session_user <> current_user THEN
        EXECUTE format('REVOKE INSERT ON %I FROM %I', part, session_user);
    END IF;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [('payments', '0034_told_days_and_scopes')]

    operations = [migrations.RunSQL(ATTACH.replace("@COUNT@", COUNT), ATTACH.replace("@COUNT@", ""))]
