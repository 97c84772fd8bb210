# Why:    sessions of a person whose second factor was reset must end: the lost device may still be signed in.
# Locks:  a nullable column without default: a moment, no rewrite of the table. Back: drop the column.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0023_api_clients'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='factor_reset_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='second factor reset'),
        ),
    ]
