"""The floor of bench/api.py: bare views of the framework, one query to read, one insert to write. No other middleware than the one for lengths.

Served by `granian bench.api_floor:application`.
"""

import os
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # says how long answers are, which the load reads
settings.ROOT_URLCONF = __name__
django.setup()

from rest_framework import serializers  # noqa: E402  # after Django
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from payments.models import Order  # noqa: E402


class Row(serializers.Serializer[Any]):
    number = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField()
    total_fen = serializers.IntegerField()


class Read(APIView):
    def get(self, request: Request, number: str) -> Response:
        return Response(Row(Order.objects.get(number=number)).data)


class Asked(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=256)


class Write(APIView):
    def post(self, request: Request) -> Response:
        asked = Asked(data=request.data)
        asked.is_valid(raise_exception=True)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_row (title) VALUES (%s::text)", [asked.validated_data["title"]])
        return Response({"title": asked.validated_data["title"]}, status=201)


urlpatterns = [path("orders/<str:number>", Read.as_view()), path("orders", Write.as_view())]
application = WSGIHandler()
