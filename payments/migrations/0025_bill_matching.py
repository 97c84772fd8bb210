# Why:    a day's payments and refunds are found by a small index over their times, which costs the hot path next to nothing;
#         a file's partition knows its file, and numbers longer than any of Alipay's are refused.
# Locks:  none that blocks writes: the indexes are built CONCURRENTLY, hence atomic = False.
# Back:   drop the indexes; the function of 0020 comes back.

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


PARTITION = """
CREATE OR REPLACE FUNCTION payments_bill_partition(the_file bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE part text := 'payments_statementline_' || the_file;
BEGIN
    PERFORM 1 FROM payments_billfile WHERE id = the_file AND state = 'kept';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'bill % does not wait to be read', the_file USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE payments_statementline INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS,'
                   ' CHECK (file_id = %s), CONSTRAINT statement_line_numbers_fit CHECK (octet_length(key) <= 200'
                   ' AND octet_length(trade_no) <= 64 AND octet_length(out_trade_no) <= 64))', part, the_file);
    EXECUTE format('ALTER TABLE %I ALTER COLUMN file_id SET DEFAULT %s', part, the_file);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO %I', part, session_user);
    RETURN part;
END $$;
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('payments', '0024_factor_reset'),
    ]

    operations = [
        migrations.RunSQL(PARTITION, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='case',
            name='kind',
            field=models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refund_refused', 'Alipay refuses a refund'), ('external_refund', "refund made in Alipay's console"), ('deposit_back', "the buyer's bank returned a refund"), ('refused_call', 'Alipay refuses our calls'), ('not_alipay', 'answer not signed by Alipay'), ('gateway_down', "Alipay can't be reached"), ('certificate', 'certificate runs out'), ('stuck', 'no certain answer for too long'), ('goods_gone', 'paid, but the goods are gone'), ('books', 'the books contradict themselves'), ('buyer_asks', 'buyer asks for help'), ('bill_missing', "a day's bill does not come"), ('bill_refused', "a bill we can't take"), ('bill_changed', 'another bill for a day that has one'), ('payment_not_in_bill', 'paid here, not in the bill'), ('refund_not_in_bill', 'refunded here, not in the bill'), ('payment_not_here', 'paid in the bill, not here'), ('refund_not_here', 'refunded in the bill, not here'), ('unknown_refund', "refund of a payment we don't know"), ('outside_refund', 'refund made elsewhere, booked from the bill'), ('bill_amount', 'amount in the bill differs'), ('bill_refund_amount', 'refunded amount in the bill differs'), ('bill_receipt', 'amount received differs'), ('bill_number', 'another number for the same trade'), ('bill_fee', 'fee differs from the agreed rate'), ('bill_day', 'on another day here than in the bill'), ('bill_duplicate', 'stands twice in the bill'), ('bill_word', "kind of line we don't know"), ('flow_without_trade', 'movement of the account without a trade'), ('trade_without_flow', 'trade without a movement of the account'), ('flow_amount', 'movement of the account differs from the trade'), ('flow_fee', 'fee taken from the account differs'), ('flow_balance', 'balance of the account does not follow')], max_length=24, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='difference',
            name='kind',
            field=models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refund_refused', 'Alipay refuses a refund'), ('external_refund', "refund made in Alipay's console"), ('deposit_back', "the buyer's bank returned a refund"), ('refused_call', 'Alipay refuses our calls'), ('not_alipay', 'answer not signed by Alipay'), ('gateway_down', "Alipay can't be reached"), ('certificate', 'certificate runs out'), ('stuck', 'no certain answer for too long'), ('goods_gone', 'paid, but the goods are gone'), ('books', 'the books contradict themselves'), ('buyer_asks', 'buyer asks for help'), ('bill_missing', "a day's bill does not come"), ('bill_refused', "a bill we can't take"), ('bill_changed', 'another bill for a day that has one'), ('payment_not_in_bill', 'paid here, not in the bill'), ('refund_not_in_bill', 'refunded here, not in the bill'), ('payment_not_here', 'paid in the bill, not here'), ('refund_not_here', 'refunded in the bill, not here'), ('unknown_refund', "refund of a payment we don't know"), ('outside_refund', 'refund made elsewhere, booked from the bill'), ('bill_amount', 'amount in the bill differs'), ('bill_refund_amount', 'refunded amount in the bill differs'), ('bill_receipt', 'amount received differs'), ('bill_number', 'another number for the same trade'), ('bill_fee', 'fee differs from the agreed rate'), ('bill_day', 'on another day here than in the bill'), ('bill_duplicate', 'stands twice in the bill'), ('bill_word', "kind of line we don't know"), ('flow_without_trade', 'movement of the account without a trade'), ('trade_without_flow', 'trade without a movement of the account'), ('flow_amount', 'movement of the account differs from the trade'), ('flow_fee', 'fee taken from the account differs'), ('flow_balance', 'balance of the account does not follow')], max_length=24, verbose_name='kind'),
        ),
        AddIndexConcurrently(
            model_name='refund',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['ended_at'], name='refund_by_ended_at', pages_per_range=32),
        ),
        AddIndexConcurrently(
            model_name='transaction',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['paid_at'], name='transaction_by_paid_at', pages_per_range=32),
        ),
    ]
