"""What every address of the API shares: who asks, how often, in which form; answers that can be asked for again cheaply."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from django.conf import settings
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags, quote_etag
from django.views.decorators.http import conditional_page
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from payments.api.callers import ByKey, ByStaffSession, Caller, HasScope
from payments.api.parsing import StrictJson
from payments.api.problems import Problem
from payments.services import throttle
from payments.services.throttle import Allowance, client_address


@method_decorator(conditional_page, name="dispatch")
class ApiView(APIView):
    """read, write: the scope that GET needs, and any other method.

    persons_right  the right it takes instead, of a person in a session
    if_match       whether PUT and PATCH must say with If-Match what they change; else they may
    """

    read: str | None = None
    write: str | None = None
    persons_right: str | None = None
    if_match = False
    authentication_classes: tuple[type[BaseAuthentication], ...] = (ByKey, ByStaffSession)
    permission_classes: tuple[type[BasePermission], ...] = (HasScope,)
    parser_classes = (StrictJson,)
    metadata_class = None
    http_method_names: Sequence[str] = (
        "get",
        "head",
        "post",
        "put",
        "patch",
    )  # no OPTIONS: the description says all of it
    allowance: tuple[str, int, Allowance] | None = None

    @property
    def caller(self) -> Caller:
        assert isinstance(self.request.auth, Caller), "HasScope lets nobody else in"
        return self.request.auth

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Addresses are counted before a key is looked at, so that guessing is slow; then each caller by itself."""
        self._count("address", client_address(request.META), settings.API_MOST_PER_ADDRESS)
        super().initial(request, *args, **kwargs)
        if isinstance(request.auth, Caller):
            self._count("key", request.auth.name, settings.API_MOST_PER_KEY)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        if self.allowance is not None:
            what, most, left = self.allowance
            final["RateLimit-Policy"] = f'"{what}";q={most};w=60'
            final["RateLimit"] = f'"{what}";r={left.left};t={left.reset_s}'
        if not final.has_header("Cache-Control"):
            final["Cache-Control"] = "private, no-cache"
        return final

    def see_that_it_is(self, told: Callable[[], Any]) -> None:
        """Refuse a change of what is not any more as its If-Match says. `told`: the body a GET would have, under a lock."""
        wanted = self.request.headers.get("If-Match", "")
        if not wanted and self.if_match:
            raise Problem("condition_missing")
        if wanted and wanted != "*" and _etag(told()) not in parse_etags(wanted):
            raise Problem("changed_meanwhile")

    def _count(self, what: str, who: str, most: int) -> None:
        allowed = throttle.count(f"api-{what}", who, most=most, per_s=60)
        self.allowance = (what, most, allowed)
        if allowed.refused:
            raise Problem("too_many_requests", retry_after_s=allowed.reset_s)


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
