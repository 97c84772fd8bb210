from django.urls import path, re_path

from payments.api import bill_days, books, docs, orders, payments, refunds, webhooks

ORDER = r"^orders/(?P<number>[0-9]{16})"
PAYMENT = r"^payments/(?P<number>[0-9A-Za-z_-]{1,64})"
BILL_DAY = r"^bill-days/(?P<number>[1-9][0-9]{0,17})"
WEBHOOK = r"^webhooks/(?P<number>[1-9][0-9]{0,17})"
DELIVERY = r"^deliveries/(?P<number>[1-9][0-9]{0,17})"
REFUND = r"^refunds/(?P<number>[0-9A-Za-z_-]{1,64})"

app_name = "api"
urlpatterns = [
    path("schema", docs.Schema.as_view(), name="schema"),
    path("docs", docs.page, name="docs"),
    path("orders", orders.Orders.as_view(), name="orders"),
    re_path(f"{ORDER}$", orders.OneOrder.as_view(), name="order"),
    re_path(f"{ORDER}/cancel$", orders.CancelOrder.as_view(), name="cancel"),
    re_path(f"{ORDER}/payments$", payments.OrderPayments.as_view(), name="payments"),
    re_path(f"{ORDER}/refunds$", refunds.OrderRefunds.as_view(), name="order_refunds"),
    re_path(f"{PAYMENT}$", payments.OnePayment.as_view(), name="payment"),
    re_path(f"{PAYMENT}/check$", payments.CheckPayment.as_view(), name="check"),
    re_path(f"{PAYMENT}/close$", payments.ClosePayment.as_view(), name="close"),
    path("refunds", refunds.Refunds.as_view(), name="refunds"),
    re_path(f"{REFUND}$", refunds.OneRefund.as_view(), name="refund"),
    re_path(f"{REFUND}/approve$", refunds.ApproveRefund.as_view(), name="approve"),
    re_path(f"{REFUND}/reject$", refunds.RejectRefund.as_view(), name="reject"),
    path("ledger", books.Ledger.as_view(), name="ledger"),
    path("cases", books.Cases.as_view(), name="cases"),
    path("bill-days", bill_days.BillDays.as_view(), name="bill_days"),
    re_path(f"{BILL_DAY}$", bill_days.OneBillDay.as_view(), name="bill_day"),
    re_path(f"{BILL_DAY}/differences$", bill_days.Differences.as_view(), name="differences"),
    re_path(f"{BILL_DAY}/close$", bill_days.CloseBillDay.as_view(), name="close_bill_day"),
    path("webhooks", webhooks.Webhooks.as_view(), name="webhooks"),
    re_path(f"{WEBHOOK}$", webhooks.OneWebhook.as_view(), name="webhook"),
    re_path(f"{WEBHOOK}/rotate$", webhooks.RotateSecret.as_view(), name="rotate_webhook"),
    re_path(f"{WEBHOOK}/test$", webhooks.TestWebhook.as_view(), name="test_webhook"),
    re_path(f"{WEBHOOK}/deliveries$", webhooks.Deliveries.as_view(), name="deliveries"),
    re_path(f"{DELIVERY}$", webhooks.OneDelivery.as_view(), name="delivery"),
    re_path(f"{DELIVERY}/replay$", webhooks.ReplayDelivery.as_view(), name="replay_delivery"),
]
