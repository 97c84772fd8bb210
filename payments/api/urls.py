from django.urls import path, re_path

from payments.api import books, docs, orders, payments, refunds

ORDER = r"^orders/(?P<number>[0-9]{16})"
PAYMENT = r"^payments/(?P<number>[0-9A-Za-z_-]{1,64})"
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
]
