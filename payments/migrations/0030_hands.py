# Why:    who edits an account that waits vouches for nothing that others did to it (docs/decisions/0018).
# Locks:  the small table of people, for a column with a constant default and one read of it. Back: drop the column.

import django.contrib.postgres.fields
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('payments', '0029_words_of_numbers'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='user',
            name='person_confirmed_by_another',
        ),
        migrations.AddField(
            model_name='user',
            name='hands',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), db_default=[], default=list, editable=False, size=None),
        ),
        migrations.RunSQL(
            "UPDATE payments_user SET hands = ARRAY[changed_by_id] WHERE changed_by_id IS NOT NULL", migrations.RunSQL.noop
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL('confirmed_by_id <> ALL(hands) AND confirmed_by_id <> id', [], output_field=models.BooleanField()), name='person_confirmed_by_another'),
        ),
    ]
