# Why:    nothing is sent before it is paid, or after all of its money went back (I-20), whoever writes it.
# Locks:  CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table, for a moment. Back: drop trigger and function.

from django.db import migrations

CREATE = """
CREATE FUNCTION checkout_sent_when_paid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sent_at IS NULL OR NOT EXISTS (
        SELECT 1 FROM payments_order o WHERE o.id = NEW.order_id AND o.state IN ('paid', 'partly_refunded')
    ) THEN
        RAISE EXCEPTION 'refused by %: only what is paid is sent, and it is said when', TG_NAME
            USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_sent_when_paid AFTER UPDATE OF state ON checkout_delivery FOR EACH ROW
WHEN (NEW.state IN ('sent', 'delivered') AND OLD.state NOT IN ('sent', 'delivered'))
EXECUTE FUNCTION checkout_sent_when_paid();
CREATE TRIGGER delivery_starts_unsent AFTER INSERT ON checkout_delivery FOR EACH ROW
WHEN (NEW.state IN ('sent', 'delivered')) EXECUTE FUNCTION checkout_sent_when_paid();
"""
DROP = "DROP FUNCTION checkout_sent_when_paid() CASCADE;"


class Migration(migrations.Migration):
    dependencies = [("checkout", "0003_sending"), ("payments", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
