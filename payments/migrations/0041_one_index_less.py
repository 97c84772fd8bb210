# Why:    lines of an order are found by order_line_once, which begins with the order: a second index only cost writing.
# Locks:  the lines' table, for a moment.
# Back:   the index again.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('payments', '0040_webhooks_of_programs')]

    operations = [
        migrations.AlterField(
            model_name='orderline',
            name='order',
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='payments.order'
            ),
        ),
    ]
