# Why:    a refund made in Alipay's console may have one number in Alipay's answers and another, or none, in its bill. Both names
#         lead to one record, so that it is never booked twice.
# Locks:  payments_refund gets a column with a constant default: ACCESS EXCLUSIVE for a moment; the partial index and the check
#         scan the table once.
# Back:   drop the column.

import django.db.models.expressions
from django.db import migrations, models


CREATE = (
    "CREATE TRIGGER refund_other_number_stays AFTER UPDATE OF other_no ON payments_refund FOR EACH ROW"
    " WHEN (OLD.other_no <> '' AND NEW.other_no <> OLD.other_no)"
    " EXECUTE FUNCTION payments_refuse('the other number of a refund is set once')"
)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0032_stopped_batches'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='other_no',
            field=models.CharField(blank=True, db_default='', default='', max_length=64, verbose_name='its other number'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(condition=models.Q(('other_no', ''), _negated=True), fields=('other_no', 'transaction'), name='refund_other_number_once'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("other_no = '' OR origin = 'external'", [], output_field=models.BooleanField()), name='refund_other_number_is_of_the_console'),
        ),
        migrations.RunSQL(CREATE, "DROP TRIGGER refund_other_number_stays ON payments_refund"),
    ]
