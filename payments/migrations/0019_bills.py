# Why:    bills of Alipay: a row for every day, the files that came (sealed, in parts), and where they differ from our books.
# Locks:  new tables; payments_case.kind grows from 20 to 24 letters and payments_transfer gets two columns with constant
#         defaults and three constraints: ACCESS EXCLUSIVE for a moment, the checks scan the table once.
# Back:   drop the tables and columns; the files are lost, Alipay keeps its own for six years.

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0018_counter'),
    ]

    operations = [
        migrations.CreateModel(
            name='BillPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.IntegerField(default=0, verbose_name='position')),
                ('seal_id', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('sealed', models.BinaryField(verbose_name='sealed bytes')),
            ],
            options={
                'verbose_name': 'part of a bill file',
                'verbose_name_plural': 'parts of a bill file',
            },
        ),
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refund_refused', 'Alipay refuses a refund'), ('external_refund', "refund made in Alipay's console"), ('deposit_back', "the buyer's bank returned a refund"), ('refused_call', 'Alipay refuses our calls'), ('not_alipay', 'answer not signed by Alipay'), ('gateway_down', "Alipay can't be reached"), ('certificate', 'certificate runs out'), ('stuck', 'no certain answer for too long'), ('goods_gone', 'paid, but the goods are gone'), ('books', 'the books contradict themselves'), ('buyer_asks', 'buyer asks for help'), ('bill_missing', "a day's bill does not come"), ('bill_refused', "a bill we can't take"), ('bill_changed', 'another bill for a day that has one'), ('payment_not_in_bill', 'paid here, not in the bill'), ('refund_not_in_bill', 'refunded here, not in the bill'), ('payment_not_here', 'paid in the bill, not here'), ('refund_not_here', 'refunded in the bill, not here'), ('unknown_refund', "refund of a payment we don't know"), ('outside_refund', 'refund made elsewhere, booked from the bill'), ('bill_amount', 'amount in the bill differs'), ('bill_refund_amount', 'refunded amount in the bill differs'), ('bill_receipt', 'amount received differs'), ('bill_number', 'another number for the same trade'), ('bill_fee', 'fee differs from the agreed rate'), ('bill_duplicate', 'stands twice in the bill'), ('bill_word', "kind of line we don't know"), ('flow_without_trade', 'movement of the account without a trade'), ('trade_without_flow', 'trade without a movement of the account'), ('flow_amount', 'movement of the account differs from the trade'), ('flow_fee', 'fee taken from the account differs'), ('flow_balance', 'balance of the account does not follow')], max_length=24, verbose_name='kind')),
                ('key', models.CharField(max_length=200, verbose_name='about')),
                ('state', models.CharField(choices=[('waiting', "waits for the next day's bill"), ('explained', "explained by another day's bill"), ('case', 'a case')], max_length=10, verbose_name='state')),
                ('line_no', models.IntegerField(blank=True, null=True, verbose_name='line')),
                ('trade_no', models.CharField(blank=True, default='', max_length=64, verbose_name='trade_no')),
                ('out_trade_no', models.CharField(blank=True, default='', max_length=64, verbose_name='out_trade_no')),
                ('out_request_no', models.CharField(blank=True, default='', max_length=64, verbose_name='out_request_no')),
                ('field', models.CharField(max_length=40, verbose_name='what differs')),
                ('ours', models.CharField(blank=True, default='', max_length=100, verbose_name='here')),
                ('theirs', models.CharField(blank=True, default='', max_length=100, verbose_name='in the bill')),
                ('fen', models.BigIntegerField(default=0, verbose_name='more in the bill (fen)')),
                ('waits_until', models.DateTimeField(blank=True, null=True, verbose_name='waits until')),
                ('explanation', models.CharField(blank=True, default='', max_length=80, verbose_name='explained by')),
                ('found_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='found')),
            ],
            options={
                'verbose_name': 'difference',
                'verbose_name_plural': 'differences',
            },
        ),
        migrations.AddField(
            model_name='transfer',
            name='channel',
            field=models.CharField(blank=True, db_default='', max_length=8, verbose_name='channel'),
        ),
        migrations.AlterField(
            model_name='case',
            name='kind',
            field=models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refund_refused', 'Alipay refuses a refund'), ('external_refund', "refund made in Alipay's console"), ('deposit_back', "the buyer's bank returned a refund"), ('refused_call', 'Alipay refuses our calls'), ('not_alipay', 'answer not signed by Alipay'), ('gateway_down', "Alipay can't be reached"), ('certificate', 'certificate runs out'), ('stuck', 'no certain answer for too long'), ('goods_gone', 'paid, but the goods are gone'), ('books', 'the books contradict themselves'), ('buyer_asks', 'buyer asks for help'), ('bill_missing', "a day's bill does not come"), ('bill_refused', "a bill we can't take"), ('bill_changed', 'another bill for a day that has one'), ('payment_not_in_bill', 'paid here, not in the bill'), ('refund_not_in_bill', 'refunded here, not in the bill'), ('payment_not_here', 'paid in the bill, not here'), ('refund_not_here', 'refunded in the bill, not here'), ('unknown_refund', "refund of a payment we don't know"), ('outside_refund', 'refund made elsewhere, booked from the bill'), ('bill_amount', 'amount in the bill differs'), ('bill_refund_amount', 'refunded amount in the bill differs'), ('bill_receipt', 'amount received differs'), ('bill_number', 'another number for the same trade'), ('bill_fee', 'fee differs from the agreed rate'), ('bill_duplicate', 'stands twice in the bill'), ('bill_word', "kind of line we don't know"), ('flow_without_trade', 'movement of the account without a trade'), ('trade_without_flow', 'trade without a movement of the account'), ('flow_amount', 'movement of the account differs from the trade'), ('flow_fee', 'fee taken from the account differs'), ('flow_balance', 'balance of the account does not follow')], max_length=24, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='transfer',
            name='cause',
            field=models.CharField(choices=[('capture', 'payment'), ('refund', 'refund'), ('assign', 'late money honoured'), ('write_off', 'case written off'), ('fee', 'fees of a bill'), ('payout', 'payout to the bank')], max_length=16, verbose_name='cause'),
        ),
        migrations.AlterField(
            model_name='transfer',
            name='transaction',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='payments.transaction'),
        ),
        migrations.CreateModel(
            name='BillDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='day in Shanghai')),
                ('state', models.CharField(choices=[('expected', 'expected'), ('fetching', 'being fetched'), ('imported', 'read'), ('matched', 'compared'), ('closed', 'closed')], default='expected', max_length=10, verbose_name='state')),
                ('content', models.CharField(choices=[('unknown', 'not asked yet'), ('missing', 'Alipay has no bill'), ('empty', 'no business that day'), ('lines', 'with lines')], default='unknown', max_length=8, verbose_name='what Alipay has')),
                ('due_at', models.DateTimeField(blank=True, null=True, verbose_name='due')),
                ('leased_until', models.DateTimeField(blank=True, null=True, verbose_name='held until')),
                ('version', models.BigIntegerField(default=0, verbose_name='version')),
                ('tries', models.IntegerField(default=0, verbose_name='asked so often')),
                ('last_error', models.CharField(blank=True, default='', max_length=200, verbose_name='why it did not come')),
                ('ours_count', models.IntegerField(blank=True, null=True, verbose_name='payments and refunds here')),
                ('theirs_count', models.IntegerField(blank=True, null=True, verbose_name='payments and refunds in the bill')),
                ('ours_fen', models.BigIntegerField(blank=True, null=True, verbose_name='here (fen)')),
                ('theirs_fen', models.BigIntegerField(blank=True, null=True, verbose_name='in the bill (fen)')),
                ('fee_fen', models.BigIntegerField(blank=True, null=True, verbose_name='fees in the bill (fen)')),
                ('result_hash', models.CharField(blank=True, default='', max_length=64, verbose_name='hash of the result')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created')),
                ('imported_at', models.DateTimeField(blank=True, null=True, verbose_name='read at')),
                ('matched_at', models.DateTimeField(blank=True, null=True, verbose_name='compared at')),
                ('closed_at', models.DateTimeField(blank=True, null=True, verbose_name='closed at')),
                ('closed_by', models.CharField(blank=True, default='', max_length=80, verbose_name='closed by')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='payments.merchantaccount')),
            ],
            options={
                'verbose_name': 'bill day',
                'verbose_name_plural': 'bill days',
                'permissions': (('upload_bill', 'Can upload a bill'), ('close_bill_day', 'Can close a bill day')),
            },
        ),
        migrations.CreateModel(
            name='BillFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('trade', 'payments and refunds'), ('signcustomer', 'movements of the account')], max_length=16, verbose_name='kind')),
                ('source', models.CharField(choices=[('fetched', 'fetched from Alipay'), ('uploaded', 'uploaded by hand')], max_length=8, verbose_name='came by')),
                ('actor', models.CharField(max_length=80, verbose_name='by')),
                ('state', models.CharField(choices=[('kept', 'kept, not read yet'), ('imported', 'read'), ('refused', 'refused')], default='kept', max_length=8, verbose_name='state')),
                ('size', models.BigIntegerField(verbose_name='bytes')),
                ('sha256', models.CharField(max_length=64, verbose_name='SHA-256')),
                ('tries', models.IntegerField(default=0, verbose_name='reading begun so often')),
                ('reason', models.CharField(blank=True, default='', max_length=300, verbose_name='reason')),
                ('line_no', models.IntegerField(default=0, verbose_name='at line')),
                ('lines', models.IntegerField(blank=True, null=True, verbose_name='lines')),
                ('lines_sha256', models.CharField(blank=True, default='', max_length=64, verbose_name='SHA-256 of the lines')),
                ('in_count', models.IntegerField(blank=True, null=True, verbose_name='payments, or incomes')),
                ('out_count', models.IntegerField(blank=True, null=True, verbose_name='refunds, or expenses')),
                ('in_fen', models.BigIntegerField(blank=True, null=True, verbose_name='paid, or came in (fen)')),
                ('out_fen', models.BigIntegerField(blank=True, null=True, verbose_name='refunded, or went out (fen)')),
                ('fee_fen', models.BigIntegerField(blank=True, null=True, verbose_name='fees (fen)')),
                ('columns', models.JSONField(blank=True, default=list, verbose_name='columns')),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='received')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='read or refused at')),
                ('day', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='payments.billday')),
            ],
            options={
                'verbose_name': 'bill file',
                'verbose_name_plural': 'bill files',
            },
        ),
        migrations.AddField(
            model_name='transfer',
            name='bill_file',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='payments.billfile'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(fields=('bill_file', 'channel', 'cause', 'debit'), name='bill_posted_once'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL('num_nonnulls(transaction_id, bill_file_id) = 1', [], output_field=models.BooleanField()), name='transfer_of_a_payment_or_a_bill'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(bill_file_id IS NOT NULL) = (cause IN ('fee', 'payout'))", [], output_field=models.BooleanField()), name='transfer_bill_named'),
        ),
        migrations.AddField(
            model_name='billpart',
            name='file',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='payments.billfile'),
        ),
        migrations.AddField(
            model_name='difference',
            name='case',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='differences', to='payments.case'),
        ),
        migrations.AddField(
            model_name='difference',
            name='day',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='differences', to='payments.billday'),
        ),
        migrations.AddField(
            model_name='difference',
            name='file',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='payments.billfile'),
        ),
        migrations.AddField(
            model_name='difference',
            name='refund',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to='payments.refund'),
        ),
        migrations.AddField(
            model_name='difference',
            name='transaction',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='payments.transaction'),
        ),
        migrations.AddIndex(
            model_name='billday',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='bill_day_due'),
        ),
        migrations.AddConstraint(
            model_name='billday',
            constraint=models.UniqueConstraint(fields=('account', 'day'), name='bill_day_once'),
        ),
        migrations.AddConstraint(
            model_name='billday',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(imported_at IS NULL) = (state IN ('expected', 'fetching'))", [], output_field=models.BooleanField()), name='bill_day_read_when_it_is'),
        ),
        migrations.AddConstraint(
            model_name='billday',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("state NOT IN ('matched', 'closed') OR (num_nulls(matched_at, ours_fen, theirs_fen) = 0 AND result_hash <> '')", [], output_field=models.BooleanField()), name='bill_day_compared_when_it_is'),
        ),
        migrations.AddConstraint(
            model_name='billday',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(state = 'closed') = (closed_at IS NOT NULL AND closed_by <> '')", [], output_field=models.BooleanField()), name='bill_day_closed_by_someone'),
        ),
        migrations.AddConstraint(
            model_name='billday',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("imported_at IS NULL OR content IN ('empty', 'lines')", [], output_field=models.BooleanField()), name='bill_day_content_when_read'),
        ),
        migrations.AddConstraint(
            model_name='billfile',
            constraint=models.UniqueConstraint(fields=('day', 'kind', 'sha256'), name='bill_file_once'),
        ),
        migrations.AddConstraint(
            model_name='billfile',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'imported')), fields=('day', 'kind'), name='one_bill_per_day_and_kind'),
        ),
        migrations.AddConstraint(
            model_name='billfile',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(state = 'imported') = (num_nulls(lines, in_count, out_count, in_fen, out_fen, fee_fen) = 0)", [], output_field=models.BooleanField()), name='bill_file_read_whole'),
        ),
        migrations.AddConstraint(
            model_name='billfile',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(state = 'refused') = (reason <> '')", [], output_field=models.BooleanField()), name='bill_file_refused_with_reason'),
        ),
        migrations.AddConstraint(
            model_name='billfile',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(ended_at IS NULL) = (state = 'kept')", [], output_field=models.BooleanField()), name='bill_file_ended_when_it_is'),
        ),
        migrations.AddConstraint(
            model_name='billpart',
            constraint=models.UniqueConstraint(fields=('file', 'position'), name='bill_part_once'),
        ),
        migrations.AddIndex(
            model_name='difference',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['waits_until'], name='difference_waiting'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.UniqueConstraint(fields=('day', 'kind', 'key'), name='difference_once'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(state = 'waiting') = (waits_until IS NOT NULL AND explanation = '')", [], output_field=models.BooleanField()), name='difference_waits_for_something'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(state = 'explained') = (explanation <> '')", [], output_field=models.BooleanField()), name='difference_explained_by_something'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("state <> 'case' OR case_id IS NOT NULL", [], output_field=models.BooleanField()), name='difference_has_its_case'),
        ),
    ]
