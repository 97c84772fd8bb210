"""The description of the API, for programs and for people. Everything is served from here; nothing asks a third party."""

import json
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from payments.api.view import ApiView


class Schema(ApiView):
    """OpenAPI 3.1, in English."""

    authentication_classes = ()
    permission_classes = ()
    schema = None  # it does not describe itself

    def get(self, request: Any) -> HttpResponse:
        return HttpResponse(_described(), content_type="application/json")


@lru_cache(maxsize=1)  # reading the code takes a good part of a second, and it does not change while a process runs
def _described() -> bytes:
    with translation.override("en"):
        found = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # it has no types
    return json.dumps(found, ensure_ascii=False, default=str).encode()


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The description to read and to try."""
    return render(request, "api/docs.html")
