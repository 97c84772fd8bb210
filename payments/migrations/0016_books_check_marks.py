# Why:    a shorter run of the invariants begins where the tables that only grow ended then.
# Locks:  ACCESS EXCLUSIVE on payments_bookscheck, for a moment; defaults of the database, nothing is rewritten. Checks kept
#         earlier have 0: the next shorter run reads those tables from their beginning, once. Back: drop the columns.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0015_noted_messages'),
    ]

    operations = [
        migrations.AddField(
            model_name='bookscheck',
            name='last_follow_up_id',
            field=models.BigIntegerField(db_default=0, verbose_name='last follow-up'),
        ),
        migrations.AddField(
            model_name='bookscheck',
            name='last_line_id',
            field=models.BigIntegerField(db_default=0, verbose_name='last line of an order'),
        ),
        migrations.AddField(
            model_name='bookscheck',
            name='last_transfer_id',
            field=models.BigIntegerField(db_default=0, verbose_name='last transfer'),
        ),
    ]
