# Why:    an order's page reads the transfers of its payments; without an index it read all there are.
# Locks:  writes to the ledger wait while the index is built: seconds a million.
# Back:   drop the index.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('payments', '0038_lines_in_fen')]

    operations = [
        migrations.AddIndex(
            model_name='transfer', index=models.Index(fields=['transaction'], name='transfer_by_transaction')
        ),
    ]
