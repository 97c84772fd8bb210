# Why:    what is held now is summed by item (I-23) and looked at (I-29) without reading every hold there ever was.
# Locks:  built concurrently: nobody waits. Back: drop the index.

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('checkout', '0004_sent_when_paid'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='stockhold',
            index=models.Index(condition=models.Q(('state', 'held')), fields=['variant'], name='hold_held_now'),
        ),
    ]
