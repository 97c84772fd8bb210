"""Alipay's own doors: notice and message, which decide, and the return, which never does."""

from collections.abc import Callable
from functools import wraps

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from payments.alipay.notices import LONGEST_BODY
from payments.errors import BadSignature, MalformedNotice
from payments.models import Order
from payments.services.receive_notice import receive_notice
from payments.services.receive_return import receive_return
from payments.views.browsers import has_started, say_elsewhere
from payments.views.pay import SeeOther
from payments.views.private import private

logger = structlog.get_logger(__name__)
FORM = "application/x-www-form-urlencoded"


def _says(text: str, status: int = 200) -> HttpResponse:
    """A bare word whose length is told, since no middleware runs on this path: never chunked."""
    return HttpResponse(text, status=status, content_type="text/plain", headers={"Content-Length": str(len(text))})


def database_trouble_is_temporary(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """When the database can't say, nothing was decided: 503, and Alipay repeats."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except (OperationalError, InterfaceError):
            logger.exception("notice_postponed")
            return _says("fail", 503)

    return answer


@csrf_exempt  # Alipay has no cookie of ours; the signature stands in its place
@require_POST
@database_trouble_is_temporary
def notify(request: HttpRequest) -> HttpResponse:
    """Alipay's own word that something happened, also to the application's gateway: signed and answered alike.

    It repeats until it reads the bare text "success".
    """
    if request.content_type != FORM:
        return _says("fail", 415)
    if int(request.META.get("CONTENT_LENGTH") or 0) > LONGEST_BODY:
        return _says("fail", 413)
    try:
        receive_notice(request.body)  # the raw bytes: request.POST would consume them
    except (BadSignature, MalformedNotice, UnreadablePostError):
        return _says("fail", 400)
    return _says("success")


@private
@require_GET
def come_back(request: HttpRequest, token: str) -> HttpResponse:
    """The buyer's browser comes back. Anyone can type this address, so it only makes us ask, and drops what it carries."""
    order = get_object_or_404(Order, token=token)
    receive_return(order, request.META.get("QUERY_STRING", "").encode("latin-1"))
    response = SeeOther(reverse("payments:pay", args=[token]))
    return response if has_started(request, order.pk) else say_elsewhere(response)
