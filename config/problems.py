"""What goes wrong before a view can speak for itself: a page for people, a problem document under /api/."""

from django.http import HttpRequest, HttpResponse

from payments.api.problems import plain
from payments.views import problems

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return plain(request, "malformed") if _of_a_program(request) else problems.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return plain(request, "forbidden") if _of_a_program(request) else problems.forbidden(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    return plain(request, "fault") if _of_a_program(request) else problems.broken(request)


def closed(request: HttpRequest) -> HttpResponse:
    """Closed for maintenance, as the settings say."""
    if not _of_a_program(request):
        return problems.closed(request)
    return plain(request, "unavailable", retry_after_s=problems.MAINTENANCE_RETRY_S)


def _of_a_program(request: HttpRequest) -> bool:
    return request.path_info.startswith(API)
