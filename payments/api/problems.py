"""Every refusal of the API as a problem document (RFC 9457): a stable code for programs, words for people.

Codes are part of the contract: they are added, never renamed. docs/api.md shows this table.
"""

import json
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response

from payments.errors import PaymentsError

logger = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"

# code: status, title
CODES: dict[str, tuple[int, Any]] = {
    "malformed": (400, _("The request can't be read.")),
    "wrong_fields": (400, _("Some fields are not as they must be.")),
    "key_missing": (400, _("This request needs an Idempotency-Key.")),
    "not_signed_in": (401, _("A valid API key or session is needed.")),
    "forbidden": (403, _("This key or person may not do that.")),
    "csrf": (403, _("The form token is missing or too old.")),
    "person_needed": (403, _("Only a person in a session of their own can do that.")),
    "fresh_factor_needed": (403, _("The second factor must be proved anew.")),
    "same_person": (403, _("Who asks for a refund can't decide about it.")),
    "not_found": (404, _("There is no such thing here.")),
    "method_not_allowed": (405, _("This address does not take this method.")),
    "not_acceptable": (406, _("Answers are JSON only.")),
    "in_progress": (409, _("The same request is being worked on.")),
    "not_payable": (409, _("The order can't be paid or changed in this state.")),
    "too_little_time": (409, _("Too little time is left on the order.")),
    "not_closed": (409, _("Alipay has not said for certain that it is closed.")),
    "already_decided": (409, _("It is decided already, or has lapsed.")),
    "refund_refused": (409, _("That much can't be refunded.")),
    "prices_moved": (409, _("The total is another one now.")),
    "goods_gone": (409, _("Some goods are sold out or withdrawn.")),
    "order_exists": (409, _("An unpaid order was made of this cart already.")),
    "too_many_unpaid": (409, _("As many unpaid orders of this program hold goods as may at a time.")),
    "cart_empty": (409, _("The cart is empty.")),
    "cart_full": (409, _("The cart takes no more lines.")),
    "details_missing": (409, _("Contact and address are missing.")),
    "day_not_closable": (409, _("The day is closed already, or can't be closed yet.")),
    "too_many_webhooks": (409, _("As many webhooks as can be are told already.")),
    "changed_meanwhile": (412, _("It is not as you have seen it any more.")),
    "too_large": (413, _("The request is too large.")),
    "unsupported_media_type": (415, _("Requests are JSON only.")),
    "key_reused": (422, _("This Idempotency-Key was used for another request.")),
    "order_refused": (422, _("An order like this can't be placed.")),
    "condition_missing": (428, _("This change needs If-Match with the ETag you have seen.")),
    "too_many_requests": (429, _("Too many requests.")),
    "fault": (500, _("A fault of ours. Nothing more is known; repeat with the same key.")),
    "unavailable": (503, _("Not to be had at this moment.")),
}  # fmt: skip


class Problem(exceptions.APIException):
    """A refusal with one of the codes. `detail` says more in the reader's language; `more` are members of its own."""

    def __init__(self, code: str, detail: str = "", *, retry_after_s: int = 0, **more: Any) -> None:
        self.status_code, title = CODES[code]
        super().__init__(detail or title, code)
        self.code, self.more = code, more
        if retry_after_s:
            self.wait = retry_after_s


def answer(exception: Exception, context: dict[str, Any]) -> Response:
    """What the framework asks for every exception: the problem it is. Faults are logged, never shown."""
    problem = _problem(exception)
    if problem.status_code >= 500:
        logger.error("api_fault", code=problem.code, exc_info=exception)
    response = Response(document(problem), status=problem.status_code, content_type=MEDIA_TYPE)
    if getattr(exception, "auth_header", None):
        response["WWW-Authenticate"] = str(getattr(exception, "auth_header"))  # noqa: B009  # set by the framework
    if getattr(problem, "wait", None):
        response["Retry-After"] = str(int(problem.wait))
    return response


def plain(request: HttpRequest, code: str, *, retry_after_s: int = 0) -> HttpResponse:
    """A problem where no view of the API speaks: the Host is forged, the house is closed. Needs neither session nor database."""
    with translation.override(translation.get_language_from_request(request)):
        problem = Problem(code)
        body = json.dumps(document(problem), ensure_ascii=False)
    response = HttpResponse(body, status=problem.status_code, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    if retry_after_s:
        response["Retry-After"] = str(retry_after_s)
    return response


def document(problem: Problem) -> dict[str, Any]:
    """The members of RFC 9457, the code, the log's reference, and what the problem adds."""
    title = str(CODES[problem.code][1])
    members = {"type": f"urn:jiezhang:problem:{problem.code}", "title": title, "status": problem.status_code}
    detail = {"detail": str(problem.detail)} if str(problem.detail) != title else {}
    ref = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    return {**members, **detail, "code": problem.code, "ref": ref, **problem.more}


def _problem(exception: Exception) -> Problem:
    if isinstance(exception, Problem):
        return exception
    if isinstance(exception, exceptions.ValidationError):
        return Problem("wrong_fields", errors=list(_faults(exception.detail, "")))
    if isinstance(exception, exceptions.Throttled):
        return Problem("too_many_requests", retry_after_s=int(getattr(exception, "wait", None) or 1))
    for kind, code in KINDS:
        if isinstance(exception, kind):
            return Problem(code, retry_after_s=2 if code == "unavailable" else 0)
    return Problem("fault")


KINDS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.ParseError, "malformed"),
    (exceptions.NotAuthenticated, "not_signed_in"),
    (exceptions.AuthenticationFailed, "not_signed_in"),
    (exceptions.PermissionDenied, "forbidden"),
    (PermissionDenied, "forbidden"),
    (exceptions.NotFound, "not_found"),
    (Http404, "not_found"),
    (exceptions.MethodNotAllowed, "method_not_allowed"),
    (exceptions.NotAcceptable, "not_acceptable"),
    (exceptions.UnsupportedMediaType, "unsupported_media_type"),
    (RequestDataTooBig, "too_large"),
    (SuspiciousOperation, "malformed"),
    (OperationalError, "unavailable"),
)


def _faults(detail: Any, pointer: str) -> Any:
    """Each faulty field as a JSON pointer into the request, its code and words."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _faults(inner, pointer if name == "non_field_errors" else f"{pointer}/{name}")
    elif isinstance(detail, list) and any(isinstance(each, dict) for each in detail):
        for at, inner in enumerate(detail):
            yield from _faults(inner, f"{pointer}/{at}")
    elif isinstance(detail, list):
        for inner in detail:
            yield from _faults(inner, pointer)
    else:
        yield {"pointer": pointer, "code": str(detail.code), "detail": gettext(str(detail))}


def told(refusal: PaymentsError, code: str) -> Problem:
    """A refusal of a service under its code; its own English words come along for the log of the caller."""
    return Problem(code, why=str(refusal))
