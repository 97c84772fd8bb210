# Why:    an account that a colleague made or changed moves no money until another has confirmed it (docs/decisions/0018).
#         Those from before count as confirmed: nobody is recorded as having changed them.
# Locks:  nullable columns without default: a moment, no rewrite; keys and check read the small table of people once.
# Back:   drop the columns; no record of money is touched.

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('payments', '0027_webhook_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='changed_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='made or changed'),
        ),
        migrations.AddField(
            model_name='user',
            name='changed_by',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made or changed by'),
        ),
        migrations.AddField(
            model_name='user',
            name='confirmed_by',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='confirmed by'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confirmed_by', models.F('changed_by')), _negated=True), models.Q(('confirmed_by', models.F('pk')), _negated=True)), name='person_confirmed_by_another'),
        ),
    ]
