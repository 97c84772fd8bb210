"""The floor F1: a Django view that verifies a notice and stores it with one prepared statement and one commit.

Served by `granian bench.floor:application`; no middleware, no gates, no state, no ledger.
"""

import os

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
settings.MIDDLEWARE = []
settings.ROOT_URLCONF = __name__
django.setup()

from payments import gateway  # noqa: E402  # after Django
from payments.alipay.notices import read_form, verified  # noqa: E402

INSERT = "INSERT INTO bench_notice (out_trade_no, body) VALUES (%s::text, %s::bytea)"


@csrf_exempt
def notify(request: HttpRequest) -> HttpResponse:
    merchant = next(iter(gateway.merchants().values()))
    notice = verified(read_form(request.body), merchant.who.alipay_keys)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [notice.get("out_trade_no"), request.body])
    return HttpResponse("success", content_type="text/plain", headers={"Content-Length": "7"})


urlpatterns = [path("alipay/notify", notify)]
application = WSGIHandler()
