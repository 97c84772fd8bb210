# Why:    a shorter run of the invariants begins where orders, attempts and refunds ended then, and reads none of them whole.
# Locks:  ACCESS EXCLUSIVE on payments_bookscheck, for a moment; defaults of the database, nothing is rewritten. Checks kept
#         earlier have 0: the next shorter run reads those tables from their beginning, once. Back: drop the columns.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0020_statement_lines'),
    ]

    operations = [
        migrations.AddField(
            model_name='bookscheck',
            name='last_order_id',
            field=models.BigIntegerField(db_default=0, verbose_name='last order'),
        ),
        migrations.AddField(
            model_name='bookscheck',
            name='last_refund_id',
            field=models.BigIntegerField(db_default=0, verbose_name='last refund'),
        ),
        migrations.AddField(
            model_name='bookscheck',
            name='last_transaction_id',
            field=models.BigIntegerField(db_default=0, verbose_name='last attempt to pay'),
        ),
    ]
