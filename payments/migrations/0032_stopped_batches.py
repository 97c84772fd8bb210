# Why:    a bulk refund can be stopped: by who asked for it, or by a colleague who does not agree to the whole. Who, when and
#         why stand with it.
# Locks:  columns without default or with a constant one: a moment, no rewrite. A foreign key to payments_user takes
#         SHARE ROW EXCLUSIVE there for a moment; new checks read the small table of bulk refunds once.
# Back:   drop the columns and put the trigger of 0022 back; refunds that were taken back stand for themselves.

import importlib

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


# name, table, columns, the rule that is broken, words; payments_refuse is 0013's
SINGLE = [
    ("refundbatch_moves", "payments_refundbatch", "state",
     "OLD.state <> NEW.state AND OLD.state || ' ' || NEW.state NOT IN ('draft asking', 'asking asked', 'asked approving',"
     " 'approving approved', 'approving asked', 'asking stopping', 'asked stopping', 'approving stopping',"
     " 'approved stopping', 'stopping stopped')",
     "not a legal move of a bulk refund"),
]  # fmt: skip
BEFORE = importlib.import_module("payments.migrations.0022_bulk_refunds")


def replace(name: str, table: str, *rest: str) -> str:
    return f"DROP TRIGGER {name} ON {table};" + BEFORE.create(name, table, *rest)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0031_scenes_of_programs'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='refundbatch',
            name='refund_batch_approved_by_one',
        ),
        migrations.RemoveConstraint(
            model_name='refundbatch',
            name='refund_batch_due_at_work',
        ),
        migrations.AddField(
            model_name='refundbatch',
            name='stop_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='why it was stopped'),
        ),
        migrations.AddField(
            model_name='refundbatch',
            name='stopped_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='stopped'),
        ),
        migrations.AddField(
            model_name='refundbatch',
            name='stopped_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='stopped by'),
        ),
        migrations.AlterField(
            model_name='refundbatch',
            name='state',
            field=models.CharField(choices=[('draft', 'not confirmed'), ('asking', 'asking'), ('asked', 'asked for'), ('approving', 'approving'), ('approved', 'approved as a whole'), ('stopping', 'stopping'), ('stopped', 'stopped')], default='draft', max_length=10, verbose_name='state'),
        ),
        migrations.AlterField(
            model_name='refundbatchitem',
            name='why',
            field=models.CharField(blank=True, choices=[('not_paid', 'nothing was paid'), ('over', 'Alipay takes no more refunds of it'), ('on_its_way', 'what is left is on its way back or waits for a decision'), ('all_back', 'all of it went back already'), ('goods_back', 'these goods went back already, or are on their way'), ('other_goods', 'none of these goods in it'), ('moved', 'somebody refunded meanwhile'), ('not_allowed', 'who confirmed may no longer ask for refunds'), ('refused', 'no longer refundable'), ('stopped', 'the bulk refund was stopped before')], default='', max_length=12, verbose_name='why not'),
        ),
        migrations.AddConstraint(
            model_name='refundbatch',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("state IN ('stopping', 'stopped') OR (approved_by_id IS NULL) = (state NOT IN ('approving', 'approved'))", [], output_field=models.BooleanField()), name='refund_batch_approved_by_one'),
        ),
        migrations.AddConstraint(
            model_name='refundbatch',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(due_at IS NULL) = (state NOT IN ('asking', 'approving', 'stopping'))", [], output_field=models.BooleanField()), name='refund_batch_due_at_work'),
        ),
        migrations.AddConstraint(
            model_name='refundbatch',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("num_nulls(stopped_by_id, stopped_at, nullif(stop_reason, '')) = CASE WHEN state IN ('stopping', 'stopped') THEN 0 ELSE 3 END", [], output_field=models.BooleanField()), name='refund_batch_stopped_by_one_with_a_reason'),
        ),
        migrations.RunSQL(replace(*SINGLE[0]), replace(*BEFORE.SINGLE[0])),
    ]
