# Every table of payments, as designed in docs/decisions. Nothing to lock and nothing to go back to: there was no data.

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.db.models.functions.text
import payments.fields
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Duty',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='name')),
                ('due_at', models.DateTimeField(verbose_name='due')),
                ('leased_until', models.DateTimeField(blank=True, null=True, verbose_name='held until')),
                ('version', models.BigIntegerField(default=0, verbose_name='version')),
                ('last_done_period', models.CharField(blank=True, default='', max_length=20, verbose_name='last done for')),
            ],
            options={
                'verbose_name': 'duty',
                'verbose_name_plural': 'duties',
            },
        ),
        migrations.CreateModel(
            name='MerchantAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('app_id', models.CharField(max_length=32, unique=True, verbose_name='app_id')),
                ('seller_id', models.CharField(max_length=32, verbose_name='seller_id')),
                ('name', models.CharField(max_length=80, verbose_name='name buyers see at Alipay')),
                ('mode', models.CharField(choices=[('key', 'keys'), ('certificate', 'certificates')], default='key', max_length=16, verbose_name='mode')),
                ('gateway_url', models.URLField(max_length=255, verbose_name='gateway')),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='connected')),
            ],
            options={
                'verbose_name': 'Alipay account',
                'verbose_name_plural': 'Alipay accounts',
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(max_length=254, unique=True, verbose_name='e-mail')),
                ('name', models.CharField(blank=True, max_length=80, verbose_name='name')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last signed in')),
                ('is_staff', models.BooleanField(default=False, verbose_name='may enter the staff pages')),
                ('is_active', models.BooleanField(default=True, verbose_name='may sign in')),
                ('is_superuser', models.BooleanField(default=False, verbose_name='has every right')),
                ('joined_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='joined')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'person',
                'verbose_name_plural': 'people',
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject_kind', models.CharField(max_length=32, verbose_name='kind')),
                ('subject_id', models.BigIntegerField(verbose_name='record')),
                ('action', models.CharField(max_length=40, verbose_name='action')),
                ('state', models.CharField(blank=True, db_default='', max_length=20, verbose_name='state from here on')),
                ('actor', models.CharField(max_length=80, verbose_name='who')),
                ('cause', models.CharField(blank=True, db_default='', max_length=100, verbose_name='cause')),
                ('detail', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, verbose_name='detail')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='when')),
            ],
            options={
                'verbose_name': 'audit event',
                'verbose_name_plural': 'audit events',
                'indexes': [models.Index(fields=['subject_kind', 'subject_id'], name='audit_by_subject')],
            },
        ),
        migrations.CreateModel(
            name='Case',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refused_call', 'Alipay refuses our calls'), ('stuck', 'no certain answer for too long'), ('buyer_asks', 'buyer asks for help')], max_length=20, verbose_name='kind')),
                ('subject', models.CharField(max_length=100, verbose_name='about')),
                ('severity', models.CharField(choices=[('high', 'high'), ('normal', 'normal')], max_length=8, verbose_name='severity')),
                ('state', models.CharField(choices=[('open', 'open'), ('assigned', 'assigned'), ('resolved', 'resolved'), ('written_off', 'written off')], db_default='open', max_length=12, verbose_name='state')),
                ('amount_fen', models.BigIntegerField(blank=True, null=True, verbose_name='at stake (fen)')),
                ('evidence', models.CharField(blank=True, db_default='', max_length=80, verbose_name='evidence')),
                ('facts', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, verbose_name='facts')),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='opened')),
                ('due_at', models.DateTimeField(verbose_name='due')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('note', models.TextField(blank=True, db_default='', verbose_name='note')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'case',
                'verbose_name_plural': 'cases',
            },
        ),
        migrations.CreateModel(
            name='CaseEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('action', models.CharField(max_length=40, verbose_name='action')),
                ('actor', models.CharField(max_length=80, verbose_name='who')),
                ('note', models.TextField(blank=True, db_default='', verbose_name='note')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='when')),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='payments.case')),
            ],
            options={
                'verbose_name': 'case event',
                'verbose_name_plural': 'case events',
            },
        ),
        migrations.CreateModel(
            name='IdempotencyRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('caller', models.CharField(max_length=80, verbose_name='caller')),
                ('key', models.CharField(max_length=120, verbose_name='key')),
                ('request_hash', models.CharField(max_length=64, verbose_name='hash of the request')),
                ('answer', models.JSONField(verbose_name='answer')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'kept answer',
                'verbose_name_plural': 'kept answers',
                'constraints': [models.UniqueConstraint(fields=('caller', 'key'), name='one_answer_per_key')],
            },
        ),
        migrations.CreateModel(
            name='InboundMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('notice', 'notice'), ('return', 'return')], db_default='notice', max_length=8, verbose_name='kind')),
                ('fingerprint', models.CharField(max_length=64, null=True, verbose_name='fingerprint')),
                ('app_id', models.CharField(blank=True, db_default='', max_length=32, verbose_name='app_id')),
                ('out_trade_no', models.CharField(blank=True, db_default='', max_length=64, verbose_name='out_trade_no')),
                ('seal_id', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('body', payments.fields.SealedField(verbose_name='as received')),
                ('verdict', models.CharField(choices=[('unjudged', 'not judged yet'), ('pays_order', 'paid its order'), ('surplus', 'money beyond the order'), ('moved', 'moved the transaction'), ('duplicate', 'known already'), ('case', 'opened a case'), ('refused', 'refused'), ('asked', 'made us ask')], db_default='unjudged', max_length=12, verbose_name='verdict')),
                ('reason', models.CharField(blank=True, db_default='', max_length=200, verbose_name='reason')),
                ('deliveries', models.IntegerField(db_default=1, verbose_name='deliveries')),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='received')),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last received')),
            ],
            options={
                'verbose_name': 'message',
                'verbose_name_plural': 'messages',
                'indexes': [models.Index(fields=['out_trade_no'], name='message_by_number'), models.Index(condition=models.Q(('verdict', 'refused')), fields=['received_at'], name='message_refused_by_age')],
                'constraints': [models.UniqueConstraint(fields=('fingerprint',), name='message_once')],
            },
        ),
        migrations.CreateModel(
            name='AlipayKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('app_private', 'ours: signs requests'), ('alipay_public', "Alipay's: verifies answers and notices")], max_length=16, verbose_name='kind')),
                ('seal_id', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('key', payments.fields.SealedField(verbose_name='key')),
                ('valid_from', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='valid from')),
                ('valid_until', models.DateTimeField(blank=True, null=True, verbose_name='valid until')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='payments.merchantaccount')),
            ],
            options={
                'verbose_name': 'key',
                'verbose_name_plural': 'keys',
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=32, verbose_name='number')),
                ('token', models.CharField(max_length=64, verbose_name='token')),
                ('title', models.CharField(max_length=256, verbose_name='what for')),
                ('goods_fen', models.BigIntegerField(verbose_name='goods (fen)')),
                ('shipping_fen', models.BigIntegerField(default=0, verbose_name='delivery (fen)')),
                ('discount_fen', models.BigIntegerField(default=0, verbose_name='discount (fen)')),
                ('total_fen', models.BigIntegerField(verbose_name='total (fen)')),
                ('state', models.CharField(choices=[('awaiting_payment', 'awaiting payment'), ('paid', 'paid'), ('partly_refunded', 'partly refunded'), ('refunded', 'refunded'), ('closed', 'closed')], default='awaiting_payment', max_length=20, verbose_name='state')),
                ('language', models.CharField(choices=[('zh-hans', 'Simplified Chinese'), ('en', 'English')], max_length=10, verbose_name='language')),
                ('seal_id', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('contact_email', payments.fields.SealedField(blank=True, null=True, verbose_name='e-mail for the receipt')),
                ('extensions', models.SmallIntegerField(default=0, verbose_name='extensions')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='placed')),
                ('expires_at', models.DateTimeField(verbose_name='kept until')),
                ('paid_at', models.DateTimeField(blank=True, null=True, verbose_name='paid')),
                ('closed_at', models.DateTimeField(blank=True, null=True, verbose_name='closed')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='payments.merchantaccount')),
            ],
            options={
                'verbose_name': 'order',
                'verbose_name_plural': 'orders',
            },
        ),
        migrations.CreateModel(
            name='OrderLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(verbose_name='position')),
                ('title', models.CharField(max_length=256, verbose_name='title')),
                ('unit_price_fen', models.BigIntegerField(verbose_name='unit price (fen)')),
                ('quantity', models.PositiveIntegerField(verbose_name='quantity')),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='payments.order')),
            ],
            options={
                'verbose_name': 'order line',
                'verbose_name_plural': 'order lines',
            },
        ),
        migrations.CreateModel(
            name='OutboxMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=40, verbose_name='topic')),
                ('dedupe_key', models.CharField(max_length=120, verbose_name='once per')),
                ('payload', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, verbose_name='payload')),
                ('attempts', models.IntegerField(db_default=0, verbose_name='attempts')),
                ('last_error', models.CharField(blank=True, db_default='', max_length=200, verbose_name='last error')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created')),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='due')),
                ('delivered_at', models.DateTimeField(blank=True, null=True, verbose_name='delivered')),
            ],
            options={
                'verbose_name': 'follow-up',
                'verbose_name_plural': 'follow-ups',
                'indexes': [models.Index(condition=models.Q(('delivered_at', None)), fields=['due_at'], name='outbox_due')],
                'constraints': [models.UniqueConstraint(fields=('dedupe_key',), name='follow_up_once')],
            },
        ),
        migrations.CreateModel(
            name='Transaction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('origin', models.CharField(choices=[('ours', 'ours'), ('stray', 'stray')], default='ours', max_length=8, verbose_name='origin')),
                ('scene', models.CharField(choices=[('qr', 'QR code'), ('page', 'Alipay web page'), ('wap', 'Alipay on a phone')], max_length=8, verbose_name='way to pay')),
                ('out_trade_no', models.CharField(max_length=64, verbose_name='out_trade_no')),
                ('trade_no', models.CharField(blank=True, max_length=64, null=True, verbose_name='trade_no')),
                ('app_id', models.CharField(max_length=32, verbose_name='app_id')),
                ('seller_id', models.CharField(max_length=32, verbose_name='seller_id')),
                ('amount_fen', models.BigIntegerField(verbose_name='amount (fen)')),
                ('receipt_fen', models.BigIntegerField(blank=True, null=True, verbose_name='received before fees (fen)')),
                ('state', models.CharField(choices=[('created', 'created'), ('presented', 'presented'), ('paid', 'paid'), ('closed', 'closed')], default='created', max_length=10, verbose_name='state')),
                ('in_doubt', models.BooleanField(default=False, verbose_name='in doubt')),
                ('superseded', models.BooleanField(default=False, verbose_name='superseded')),
                ('refused', models.BooleanField(default=False, verbose_name='refused by Alipay')),
                ('late', models.BooleanField(default=False, verbose_name='paid after closing')),
                ('finished', models.BooleanField(default=False, verbose_name='no longer refundable')),
                ('qr_code', models.CharField(blank=True, default='', max_length=1024, verbose_name='text of the QR code')),
                ('evidence', models.CharField(blank=True, default='', max_length=80, verbose_name='evidence')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='created')),
                ('time_expire', models.DateTimeField(verbose_name='payable until')),
                ('presented_at', models.DateTimeField(blank=True, null=True, verbose_name='presented')),
                ('scanned_at', models.DateTimeField(blank=True, null=True, verbose_name='scanned')),
                ('paid_at', models.DateTimeField(blank=True, null=True, verbose_name='paid')),
                ('settled_at', models.DateTimeField(blank=True, null=True, verbose_name='settled')),
                ('closed_at', models.DateTimeField(blank=True, null=True, verbose_name='closed')),
                ('next_check_at', models.DateTimeField(blank=True, null=True, verbose_name='next check')),
                ('close_due_at', models.DateTimeField(blank=True, null=True, verbose_name='close from')),
                ('asked_at', models.DateTimeField(blank=True, null=True, verbose_name='last asked')),
                ('wanted_at', models.DateTimeField(blank=True, null=True, verbose_name='buyer wants to know since')),
                ('heard_at', models.DateTimeField(blank=True, null=True, verbose_name='last heard')),
                ('heard_status', models.CharField(blank=True, default='', max_length=20, verbose_name='heard')),
                ('checks', models.IntegerField(default=0, verbose_name='checks')),
                ('version', models.BigIntegerField(default=0, verbose_name='version')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='payments.merchantaccount')),
                ('order', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='transactions', to='payments.order')),
            ],
            options={
                'verbose_name': 'transaction',
                'verbose_name_plural': 'transactions',
            },
        ),
        migrations.AddField(
            model_name='order',
            name='paid_by',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pays_order', to='payments.transaction'),
        ),
        migrations.CreateModel(
            name='GatewayCall',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('method', models.CharField(max_length=60, verbose_name='method')),
                ('purpose', models.CharField(max_length=20, verbose_name='purpose')),
                ('number', models.CharField(blank=True, db_default='', max_length=64, verbose_name='number')),
                ('amount_fen', models.BigIntegerField(blank=True, null=True, verbose_name='amount (fen)')),
                ('request_hash', models.CharField(blank=True, db_default='', max_length=64, verbose_name='hash of the request')),
                ('outcome', models.CharField(choices=[('intended', 'intended'), ('done', 'done'), ('certainly_not', 'certainly not'), ('unknown', 'unknown')], default='intended', max_length=14, verbose_name='outcome')),
                ('code', models.CharField(blank=True, db_default='', max_length=80, verbose_name='code')),
                ('why', models.CharField(blank=True, db_default='', max_length=200, verbose_name='why')),
                ('learned', models.JSONField(db_default=models.Value([], models.JSONField()), default=list, verbose_name='learned')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='payments.merchantaccount')),
                ('transaction', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='payments.transaction')),
            ],
            options={
                'verbose_name': 'gateway call',
                'verbose_name_plural': 'gateway calls',
            },
        ),
        migrations.CreateModel(
            name='Transfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cause', models.CharField(choices=[('capture', 'payment')], max_length=16, verbose_name='cause')),
                ('debit', models.CharField(choices=[('alipay_receivable', 'at Alipay'), ('bank', 'bank'), ('fees', 'fees'), ('merchant_discount', 'merchant discount'), ('sales', 'sales'), ('refunds', 'refunds'), ('money_in_cases', 'money in cases'), ('compensation', 'compensation'), ('store_credit', 'store credit')], max_length=20, verbose_name='debit')),
                ('credit', models.CharField(choices=[('alipay_receivable', 'at Alipay'), ('bank', 'bank'), ('fees', 'fees'), ('merchant_discount', 'merchant discount'), ('sales', 'sales'), ('refunds', 'refunds'), ('money_in_cases', 'money in cases'), ('compensation', 'compensation'), ('store_credit', 'store credit')], max_length=20, verbose_name='credit')),
                ('fen', models.BigIntegerField(verbose_name='amount (fen)')),
                ('evidence', models.CharField(max_length=80, verbose_name='evidence')),
                ('posted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='posted')),
                ('transaction', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='payments.transaction')),
            ],
            options={
                'verbose_name': 'transfer',
                'verbose_name_plural': 'transfers',
            },
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='one_account_per_address'),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('state__in', ('open', 'assigned'))), fields=['due_at'], name='case_open_by_due'),
        ),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ('open', 'assigned'))), fields=('kind', 'subject'), name='one_open_case_per_subject'),
        ),
        migrations.AddConstraint(
            model_name='alipaykey',
            constraint=models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gt', models.F('valid_from')), _connector='OR'), name='key_window_has_a_length'),
        ),
        migrations.AddConstraint(
            model_name='orderline',
            constraint=models.UniqueConstraint(fields=('order', 'position'), name='order_line_once'),
        ),
        migrations.AddConstraint(
            model_name='orderline',
            constraint=models.CheckConstraint(condition=models.Q(('unit_price_fen__gte', 0), ('quantity__gt', 0)), name='order_line_not_negative'),
        ),
        migrations.AddIndex(
            model_name='transaction',
            index=models.Index(condition=models.Q(('next_check_at__isnull', False)), fields=['next_check_at'], name='transaction_due_check'),
        ),
        migrations.AddIndex(
            model_name='transaction',
            index=models.Index(condition=models.Q(('close_due_at__isnull', False)), fields=['close_due_at'], name='transaction_due_close'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.UniqueConstraint(condition=models.Q(('origin', 'ours')), fields=('out_trade_no',), name='out_trade_no_once'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.UniqueConstraint(fields=('trade_no',), name='trade_no_once'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL('amount_fen > 0 AND receipt_fen >= 0 AND receipt_fen <= amount_fen', [], output_field=models.BooleanField()), name='transaction_amounts'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(settled_at IS NULL) = (state <> 'paid')", [], output_field=models.BooleanField()), name='transaction_paid_when_settled'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("settled_at IS NULL OR num_nulls(trade_no, receipt_fen, paid_at, nullif(evidence, '')) = 0", [], output_field=models.BooleanField()), name='transaction_settled_on_evidence'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL('NOT late OR settled_at IS NOT NULL', [], output_field=models.BooleanField()), name='transaction_late_only_if_paid'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("order_id IS NOT NULL OR origin = 'stray'", [], output_field=models.BooleanField()), name='transaction_has_an_order'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('state', 'awaiting_payment')), fields=['expires_at'], name='order_awaiting_by_expiry'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(fields=('number',), name='order_number_once'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(fields=('token',), name='order_token_once'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL('least(goods_fen, shipping_fen, discount_fen, total_fen - 1) >= 0', [], output_field=models.BooleanField()), name='order_amounts_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL('total_fen = goods_fen + shipping_fen - discount_fen', [], output_field=models.BooleanField()), name='order_total_is_the_sum'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=django.db.models.expressions.RawSQL("(paid_by_id IS NULL) = (left(state, 1) < 'd')", [], output_field=models.BooleanField()), name='order_paid_by_a_transaction'),
        ),
        migrations.AddIndex(
            model_name='gatewaycall',
            index=models.Index(fields=['-started_at'], name='call_by_age'),
        ),
        migrations.AddIndex(
            model_name='gatewaycall',
            index=models.Index(condition=models.Q(('outcome', 'intended')), fields=['started_at'], name='call_without_an_end'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=models.Q(('fen__gt', 0)), name='transfer_moves_something'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.CheckConstraint(condition=models.Q(('debit', models.F('credit')), _negated=True), name='transfer_between_two_accounts'),
        ),
        migrations.AddConstraint(
            model_name='transfer',
            constraint=models.UniqueConstraint(condition=models.Q(('cause', 'capture')), fields=('transaction', 'debit'), name='capture_posted_once'),
        ),
    ]
