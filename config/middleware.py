"""What happens to every request, before and after its view."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from checkout.views.doors import client_address, too_often
from payments.services.throttle import seconds_to_wait
from payments.views.alipay import notify
from payments.views.problems import closed

logger = structlog.get_logger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponse]
ALWAYS_OPEN = frozenset({"/healthz", "/readyz"})
GUESSES, GUESSES_PER_S = 120, 600  # a page left open on a link that is no more asks forty times in this time
QUIET = frozenset({"payments:status", "healthz", "readyz", None})  # asked every second, or no view of ours


def answer_alipay_first(get_response: GetResponse) -> GetResponse:
    """Notices need no session, language or login; skipping those makes room for a fifth more of them."""
    paths = frozenset({reverse("payments:notify"), reverse("payments:message")})

    def answer(request: HttpRequest) -> HttpResponse:
        return notify(request) if request.path_info in paths else get_response(request)

    return answer


def close_for_maintenance(get_response: GetResponse) -> GetResponse:
    """While MAINTENANCE_UNTIL is set every page says so, without session or database. Notices are taken all the same."""

    def answer(request: HttpRequest) -> HttpResponse:
        open_here = not settings.MAINTENANCE_UNTIL or request.path_info in ALWAYS_OPEN
        return get_response(request) if open_here else closed(request)

    return answer


def slow_down_guessing(get_response: GetResponse) -> GetResponse:
    """Who opens many links that lead nowhere is told to wait. Links that are right work all the same, from any address:
    many people may share one, and a payment under way is not affected."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        match = request.resolver_match
        if response.status_code != 404 or match is None or "token" not in match.kwargs:
            return response
        wait = seconds_to_wait("token", client_address(request), most=GUESSES, per_s=GUESSES_PER_S)
        return too_often(request, wait) if wait else response

    return answer


def log_requests(get_response: GetResponse) -> GetResponse:
    """One line per page: the view's name, never the address, which carries order tokens."""

    def answer(request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=uuid.uuid4().hex[:12])
        started = time.perf_counter()
        response = get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else None
        if view not in QUIET or response.status_code >= 500:
            spent = round((time.perf_counter() - started) * 1000, 1)
            logger.info("request", method=request.method, view=view, status=response.status_code, ms=spent)
        return response

    return answer
