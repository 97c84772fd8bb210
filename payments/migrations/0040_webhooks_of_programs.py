# Why:    a program's webhooks are its own: it sees no others, and they hear of its orders alone. Those from before are the house's.
# Locks:  payments_webhookendpoint, a few rows: ACCESS EXCLUSIVE for the new column and its key. Scopes only get other words.
# Back:   the column is dropped; every webhook hears of every order again.

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0039_transfers_of_a_payment'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhookendpoint',
            name='client',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='payments.apiclient', verbose_name='API client'),
        ),
        migrations.AlterField(
            model_name='apiclient',
            name='scopes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('catalogue:read', 'see goods, prices and stock'), ('carts:write', 'fill carts and order them'), ('orders:read', 'see its own orders, payments and refunds'), ('orders:all', 'see every order of this house'), ('orders:write', 'place and cancel orders'), ('payments:write', 'start, check and close payments'), ('refunds:write', 'ask for refunds, in the name of who made the key'), ('ledger:read', 'see the ledger'), ('cases:read', 'see cases'), ('bills:read', 'see bill days and what differs'), ('webhooks:read', 'see its own webhooks and what was delivered'), ('webhooks:write', 'add and change webhooks, and send again')], max_length=20), size=None, verbose_name='may'),
        ),
    ]
