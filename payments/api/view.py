"""What every address of the API shares: who asks, how often, in which form; answers that can be asked for again cheaply."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from django.conf import settings
from django.template.response import SimpleTemplateResponse
from django.utils.cache import get_conditional_response, set_response_etag
from django.utils.http import parse_etags, quote_etag
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from payments.api.callers import ByKey, ByStaffSession, Caller, HasScope, shown_key
from payments.api.parsing import StrictJson
from payments.api.problems import Problem
from payments.services import throttle
from payments.services.throttle import Allowance, Try, client_address


class JsonOnly(DefaultContentNegotiation):
    """What nearly everybody accepts is not compared word by word."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        if request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", JSONRenderer.media_type):
            return renderers[0], renderers[0].media_type
        chosen: tuple[Any, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen


class ApiView(APIView):
    """read, write: the scope that GET needs, and any other method.

    persons_right  the right it takes instead, of a person in a session
    if_match       whether PUT and PATCH must say with If-Match what they change; else they may
    looks_while_it_acts  whether POST may begin with a key that was looked at some seconds ago, for the statement that acts
                         looks at it; where it comes to nothing, `look_now` goes before any answer
    """

    read: str | None = None
    write: str | None = None
    persons_right: str | None = None
    if_match = False
    looks_while_it_acts = False
    authentication_classes: tuple[type[BaseAuthentication], ...] = (ByKey, ByStaffSession)
    permission_classes: tuple[type[BasePermission], ...] = (HasScope,)
    parser_classes = (StrictJson,)
    content_negotiation_class = JsonOnly
    metadata_class = None
    http_method_names: Sequence[str] = (
        "get",
        "head",
        "post",
        "put",
        "patch",
    )  # no OPTIONS: the description says all of it
    allowance: tuple[Try, Allowance] | None = None

    @property
    def caller(self) -> Caller:
        assert isinstance(self.request.auth, Caller), "HasScope lets nobody else in"
        return self.request.auth

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Counted before a key is looked at, so that guessing is slow: the address, and with it the key that is shown."""
        key = shown_key(request.META)
        address = Try("api-address", client_address(request.META), settings.API_MOST_PER_ADDRESS)
        of_key = [] if key is None else [self._caller_counts(hashlib.sha256(key.encode()).hexdigest())]
        told, *of_caller = self._counted(address, *of_key)
        self.allowance = told
        super().initial(request, *args, **kwargs)
        if isinstance(request.auth, Caller):
            (self.allowance,) = of_caller or self._counted(self._caller_counts(request.auth.name))

    def look_now(self) -> None:
        """Have the key looked at, if nobody has for this request. Raises what says that it may not do this."""
        if self.caller.recalled is None:
            return
        shown = shown_key(self.request.META)
        assert shown is not None, "a caller is recalled by the key that is shown"
        self.request.user, self.request.auth = ByKey().looked_at(self.request, shown)
        self.check_permissions(self.request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final: Any = super().finalize_response(request, response, *args, **kwargs)
        if self.allowance is not None:
            counted, left = self.allowance
            what = counted.what.removeprefix("api-")
            final["RateLimit-Policy"] = f'"{what}";q={counted.most};w=60'
            final["RateLimit"] = f'"{what}";r={left.left};t={left.reset_s}'
        if not final.has_header("Cache-Control"):
            final["Cache-Control"] = "private, no-cache"
        if request.method != "GET":
            return final
        if not isinstance(final, SimpleTemplateResponse):
            return _conditional(request, final)
        final.add_post_render_callback(lambda rendered: _conditional(request, rendered))
        return final

    def see_that_it_is(self, told: Callable[[], Any]) -> None:
        """Refuse a change of what is not any more as its If-Match says. `told`: the body a GET would have, under a lock."""
        wanted = self.request.headers.get("If-Match", "")
        if not wanted and self.if_match:
            raise Problem("condition_missing")
        if wanted and wanted != "*" and _etag(told()) not in parse_etags(wanted):
            raise Problem("changed_meanwhile")

    def _caller_counts(self, who: str) -> Try:
        return Try("api-key", who, settings.API_MOST_PER_KEY)

    def _counted(self, *tries: Try) -> list[tuple[Try, Allowance]]:
        counted = list(zip(tries, throttle.count(tries, per_s=60), strict=True))
        for each in counted:
            if each[1].refused:
                self.allowance = each
                raise Problem("too_many_requests", retry_after_s=each[1].reset_s)
        return counted


def _conditional(request: Request, rendered: Any) -> Any:
    """304 without a body for who has it already."""
    if "no-store" in rendered["Cache-Control"]:
        return rendered
    set_response_etag(rendered)
    return get_conditional_response(request, etag=rendered.get("ETag"), response=rendered)


def _etag(told: Any) -> str:
    """As the framework makes it of an answer's bytes."""
    return quote_etag(hashlib.md5(JSONRenderer().render(told), usedforsecurity=False).hexdigest())


class Nowhere(ApiView):
    """Whatever is no address of the API: a problem document too."""

    permission_classes = ()
    authentication_classes = ()
    http_method_names = ()
    schema = None  # not part of the published description

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise Problem("not_found")  # by any method
