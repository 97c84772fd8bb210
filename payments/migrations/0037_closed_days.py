# Why:    a closed day stays as it was closed: its sums and its result never change, whatever comes later. And a day whose
#         work breaks off has a kind of case of its own.
# Locks:  payments_billday for a moment; the kinds are words of the application only.
# Back:   drop the trigger.

from django.db import migrations, models


CREATE = (
    "CREATE TRIGGER billday_closed_stays AFTER UPDATE ON payments_billday FOR EACH ROW WHEN (OLD.state = 'closed' AND"
    " (OLD.ours_count, OLD.theirs_count, OLD.ours_fen, OLD.theirs_fen, OLD.fee_fen, OLD.result_hash, OLD.closed_at, OLD.closed_by)"
    " IS DISTINCT FROM"
    " (NEW.ours_count, NEW.theirs_count, NEW.ours_fen, NEW.theirs_fen, NEW.fee_fen, NEW.result_hash, NEW.closed_at, NEW.closed_by))"
    " EXECUTE FUNCTION payments_refuse('a closed day stays as it was closed')"
)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0036_corrections'),
    ]

    operations = [
        migrations.AlterField(
            model_name='case',
            name='kind',
            field=models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refund_refused', 'Alipay refuses a refund'), ('external_refund', "refund made in Alipay's console"), ('deposit_back', "the buyer's bank returned a refund"), ('refused_call', 'Alipay refuses our calls'), ('not_alipay', 'answer not signed by Alipay'), ('gateway_down', "Alipay can't be reached"), ('certificate', 'certificate runs out'), ('stuck', 'no certain answer for too long'), ('goods_gone', 'paid, but the goods are gone'), ('books', 'the books contradict themselves'), ('buyer_asks', 'buyer asks for help'), ('bill_missing', "a day's bill does not come"), ('bill_refused', "a bill we can't take"), ('bill_changed', 'another bill for a day that has one'), ('bill_broke', "a day's books can't be done"), ('payment_not_in_bill', 'paid here, not in the bill'), ('refund_not_in_bill', 'refunded here, not in the bill'), ('payment_not_here', 'paid in the bill, not here'), ('refund_not_here', 'refunded in the bill, not here'), ('unknown_refund', "refund of a payment we don't know"), ('outside_refund', 'refund made elsewhere, booked from the bill'), ('bill_amount', 'amount in the bill differs'), ('bill_refund_amount', 'refunded amount in the bill differs'), ('bill_receipt', 'amount received differs'), ('bill_number', 'another number for the same trade'), ('bill_fee', 'fee differs from the agreed rate'), ('bill_day', 'on another day here than in the bill'), ('bill_duplicate', 'stands twice in the bill'), ('bill_word', "kind of line we don't know"), ('flow_without_trade', 'movement of the account without a trade'), ('trade_without_flow', 'trade without a movement of the account'), ('flow_amount', 'movement of the account differs from the trade'), ('flow_fee', 'fee taken from the account differs'), ('flow_balance', 'balance of the account does not follow'), ('webhook_dead', 'a webhook does not take what we tell')], max_length=24, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='difference',
            name='kind',
            field=models.CharField(choices=[('surplus', 'money beyond the order'), ('unknown_number', 'payment with an unknown number'), ('other_app', 'message for another application'), ('other_seller', 'money for another seller'), ('other_amount', 'amount differs'), ('other_trade', 'another trade for the same number'), ('unreadable', "message we can't read"), ('closed_after_paid', 'closed at Alipay after payment'), ('refund_notice', 'refund reported by Alipay'), ('refund_refused', 'Alipay refuses a refund'), ('external_refund', "refund made in Alipay's console"), ('deposit_back', "the buyer's bank returned a refund"), ('refused_call', 'Alipay refuses our calls'), ('not_alipay', 'answer not signed by Alipay'), ('gateway_down', "Alipay can't be reached"), ('certificate', 'certificate runs out'), ('stuck', 'no certain answer for too long'), ('goods_gone', 'paid, but the goods are gone'), ('books', 'the books contradict themselves'), ('buyer_asks', 'buyer asks for help'), ('bill_missing', "a day's bill does not come"), ('bill_refused', "a bill we can't take"), ('bill_changed', 'another bill for a day that has one'), ('bill_broke', "a day's books can't be done"), ('payment_not_in_bill', 'paid here, not in the bill'), ('refund_not_in_bill', 'refunded here, not in the bill'), ('payment_not_here', 'paid in the bill, not here'), ('refund_not_here', 'refunded in the bill, not here'), ('unknown_refund', "refund of a payment we don't know"), ('outside_refund', 'refund made elsewhere, booked from the bill'), ('bill_amount', 'amount in the bill differs'), ('bill_refund_amount', 'refunded amount in the bill differs'), ('bill_receipt', 'amount received differs'), ('bill_number', 'another number for the same trade'), ('bill_fee', 'fee differs from the agreed rate'), ('bill_day', 'on another day here than in the bill'), ('bill_duplicate', 'stands twice in the bill'), ('bill_word', "kind of line we don't know"), ('flow_without_trade', 'movement of the account without a trade'), ('trade_without_flow', 'trade without a movement of the account'), ('flow_amount', 'movement of the account differs from the trade'), ('flow_fee', 'fee taken from the account differs'), ('flow_balance', 'balance of the account does not follow'), ('webhook_dead', 'a webhook does not take what we tell')], max_length=24, verbose_name='kind'),
        ),
        migrations.RunSQL(CREATE, "DROP TRIGGER billday_closed_stays ON payments_billday"),
    ]
