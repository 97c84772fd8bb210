"""What happens to every request, before and after its view."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, resolve, reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from checkout.views.doors import client_address, too_often
from config.problems import API, closed
from payments.api.view import ApiView
from payments.services.throttle import seconds_to_wait
from payments.views.alipay import notify

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
    """While MAINTENANCE_UNTIL is set every address says so, without session or database. Notices are taken all the same."""

    def answer(request: HttpRequest) -> HttpResponse:
        open_here = not settings.MAINTENANCE_UNTIL or request.path_info in ALWAYS_OPEN
        return get_response(request) if open_here else closed(request)

    return answer


def answer_programs(get_response: GetResponse) -> GetResponse:
    """Programs with a key need no session, form token, messages or page policy; without those they wait a third less."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.resolver_match = _asked_by_a_program(request)
        return _answered_by_its_view(request) if request.resolver_match else get_response(request)

    return answer


def _asked_by_a_program(request: HttpRequest) -> ResolverMatch | None:
    if not request.path_info.startswith(API) or not request.META.get("HTTP_AUTHORIZATION", "").startswith("Bearer "):
        return None
    match = resolve(request.path_info)  # whatever begins so leads somewhere, if only to "not found"
    return match if issubclass(getattr(match.func, "cls", object), ApiView) else None


def _answered_by_its_view(request: HttpRequest) -> HttpResponse:
    """In the language asked for, from a Host of ours, with its length told: all that a program needs of the common layers."""
    match = request.resolver_match
    assert match is not None, "resolved by answer_programs"
    request.get_host()  # raises DisallowedHost
    language = translation.get_language_from_request(request)
    translation.activate(language)
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    response = response.render() if isinstance(response, SimpleTemplateResponse) else response
    response["Content-Language"] = language
    response["Content-Length"] = str(len(response.content))
    patch_vary_headers(response, ["Accept-Language"])
    return response


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
