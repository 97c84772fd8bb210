"""Pages for what goes wrong before a view can speak for itself.

500 and 503 ask neither the database nor the session: when they are shown, no more than the settings may be there.
"""

from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from payments.services.problem_pages import static_page

NEVER_REPEATED = frozenset({"csrfmiddlewaretoken", "password", "credential"})
MOST_FIELDS = 40
MAINTENANCE_RETRY_S = 300


def form_too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose token does not fit. Sent by a page of ours, it is offered once more, filled; by another's, not."""
    sent = request.POST.lists() if _is_ours(request) else ()
    typed = [(name, value) for name, values in sent if name not in NEVER_REPEATED for value in values][:MOST_FIELDS]
    return _problem(request, "form_too_old", 403, {"typed": typed, "again": request.get_full_path()})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_staffs(request):
        words = gettext("The form is not the one this page sent. Nothing was changed.")
        return _at_the_desk(request, 400, gettext("That request does not fit"), words)
    return _problem(request, "400", 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_staffs(request):
        words = gettext("An owner of the shop can give you the role it needs.")
        return _at_the_desk(request, 403, gettext("Your roles don't include this page"), words)
    return _problem(request, "403", 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_staffs(request):
        words = gettext("The address may be wrong, or there is no such record.")
        return _at_the_desk(request, 404, gettext("No such page"), words)
    return _problem(request, "404", 404)


def broken(request: HttpRequest) -> HttpResponse:
    """A fault of ours. The log has the same reference."""
    return HttpResponse(static_page("500", ref=reference()), status=500)


def closed(request: HttpRequest) -> HttpResponse:
    """Closed for maintenance, as the settings say."""
    page = HttpResponse(static_page("503", until=settings.MAINTENANCE_UNTIL), status=503)
    page["Retry-After"] = str(MAINTENANCE_RETRY_S)
    page["Cache-Control"] = "no-store"
    return page


def reference() -> str:
    """What the log calls this request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _problem(request: HttpRequest, name: str, status: int, more: dict[str, object] | None = None) -> HttpResponse:
    return render(request, f"problems/{name}.html", {"ref": reference(), **(more or {})}, status=status)


def _is_staffs(request: HttpRequest) -> bool:
    """Whether a member of staff was on the way to one of their pages; a shopper is told what shoppers are told."""
    user = getattr(request, "user", None)
    return user is not None and user.is_staff and request.path.startswith(reverse("admin:index"))


def _at_the_desk(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    seen = {**admin.site.each_context(request), "title": title, "words": words, "code": status, "ref": reference()}
    return render(request, "problems/staff.html", seen, status=status)


def _is_ours(request: HttpRequest) -> bool:
    """Whether the browser says that a page of this very host sent the form."""
    sender = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return bool(sender) and urlsplit(sender).netloc == request.get_host()
