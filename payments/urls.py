from django.urls import path, re_path

from payments.views import alipay, pay

app_name = "payments"
urlpatterns = [
    path("pay/<str:token>/", pay.page, name="pay"),
    path("pay/<str:token>/state", pay.state, name="state"),
    path("pay/<str:token>/status", pay.status, name="status"),
    path("pay/<str:token>/check", pay.check, name="check"),
    path("pay/<str:token>/keep", pay.keep, name="keep"),
    re_path(r"^pay/(?P<token>[^/]+)/start/(?P<scene>qr|page|wap)$", pay.start, name="start"),
    path("pay/<str:token>/code.png", pay.picture, name="picture"),
    path("alipay/notify", alipay.notify, name="notify"),
    path("alipay/message", alipay.notify, name="message"),
    path("alipay/return/<str:token>/", alipay.come_back, name="return"),
]
