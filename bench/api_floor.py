"""The floor of bench/api.py: bare views of the framework, one query to read, one insert to write.

They tell the same fields of an order, without its lines; nobody is asked for a key, nothing is counted, kept or locked. The only
middleware is what says how long an answer is, which the load reads. Served by `granian bench.api_floor:application`.
"""

import os
from typing import Any, ClassVar

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import models
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
settings.ROOT_URLCONF = __name__
django.setup()

from rest_framework import serializers  # noqa: E402  # after Django
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from payments.models import Order  # noqa: E402


class Row(models.Model):
    """A table of bench/api.py's own."""

    title = models.CharField(max_length=256)
    total_fen = models.BigIntegerField()

    objects: ClassVar[models.Manager["Row"]] = models.Manager()

    class Meta:
        app_label, managed, db_table = "payments", False, "bench_row"

    def __str__(self) -> str:
        return self.title


class OrderTold(serializers.Serializer[Any]):
    number = serializers.CharField()
    reference = serializers.CharField()
    state = serializers.CharField()
    title = serializers.CharField()
    goods_fen = serializers.IntegerField()
    shipping_fen = serializers.IntegerField()
    discount_fen = serializers.IntegerField()
    total_fen = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)


class RowAsked(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=256)
    total_fen = serializers.IntegerField(min_value=0)


class Read(APIView):
    def get(self, request: Request, number: str) -> Response:
        return Response(OrderTold(Order.objects.get(number=number)).data)


class Write(APIView):
    def post(self, request: Request) -> Response:
        asked = RowAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        row = Row.objects.create(**asked.validated_data)
        return Response({"id": row.pk, "title": row.title, "total_fen": row.total_fen}, status=201)


urlpatterns = [path("orders/<str:number>", Read.as_view()), path("orders", Write.as_view())]
application = WSGIHandler()
