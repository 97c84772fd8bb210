# Why:    what a bill has more or less than our books can be written off: a transfer of its own cause brings the ledger to the
#         bill, once per case. Two write-offs of one payment are told apart by their cases.
# Locks:  payments_transfer: ACCESS EXCLUSIVE while three unique indexes over few of its rows and one check are made anew.
# Back:   the old constraints come back, as long as nothing was corrected.

import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0035_lines_are_counted'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='transfer',
            name='written_off_once',
        ),
        migrations.RemoveConstraint(
            model_name='transfer',
            name='bill_posted_once',
        ),
        migrations.RemoveConstraint(
            model_name='transfer',
            name='transfer_bill_named',
        ),
        migrations.AlterField(
            model_name='transfer',
            name='cause',
            field=models.CharField(choices=[('capture', 'payment'), ('refund', 'refund'), ('assign', 'late money honoured'), ('write_off', 'case written off'), ('fee', 'fees of a bill'), ('payout', 'payout to the bank'), ('correct', 'corrected to what the bill says')], max_length=16, verbose_name='cause'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(condition=models.Q(('cause', 'write_off')), fields=('transaction', 'evidence'), name='written_off_once'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(condition=models.Q(('cause', 'correct')), fields=('evidence', 'debit'), name='corrected_once'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(condition=models.Q(('cause__in', ('fee', 'payout'))), fields=('bill_file', 'channel', 'cause', 'debit'), name='bill_posted_once'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("cause = 'correct' OR (bill_file_id IS NOT NULL) = (cause IN ('fee', 'payout'))", [], output_field=models.BooleanField()), name='transfer_bill_named'),
        ),
    ]
