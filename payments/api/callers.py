"""Who asks: a program with a key, or a member of staff in a browser's session. What they may do is a set of scopes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.exceptions import PermissionDenied as Refused
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from payments.api.problems import Problem
from payments.errors import KeyRefused
from payments.models import User
from payments.models.api_client import KeyInForce, Scope
from payments.models.clock import database_now
from payments.services import second_factor
from payments.services.api_keys import recall, recognise
from payments.services.throttle import client_address

REALM = 'Bearer realm="jiezhang"'
# What a right of staff opens here. Placing orders and starting payments is for programs.
RIGHTS = {
    Scope.ORDERS_READ: "payments.view_order", Scope.ORDERS_ALL: "payments.view_order",
    Scope.REFUNDS_WRITE: "payments.request_refund", Scope.LEDGER_READ: "payments.view_transfer",
    Scope.CASES_READ: "payments.view_case", Scope.CATALOGUE_READ: "checkout.view_product",
    Scope.BILLS_READ: "payments.view_billday", Scope.WEBHOOKS_READ: "payments.view_webhookendpoint",
    Scope.WEBHOOKS_WRITE: "payments.change_webhookendpoint",
}  # fmt: skip


@dataclass(frozen=True)
class Caller:
    name: str  # in records and counts: "api:3", "staff:7"
    person_id: int
    scopes: frozenset[str]
    known_at: datetime  # the database's time when the key or session was looked at
    client_id: int | None = None  # of a program; None for a person in a session
    recalled: KeyInForce | None = (
        None  # a key nobody has looked at for this request: good for what looks at it while it acts
    )

    @cached_property
    def person(self) -> User:
        """Who answers for what is done: the one in the session, or who made the key."""
        return User.objects.get(pk=self.person_id)


def shown_key(meta: Mapping[str, Any]) -> str | None:
    """What a request shows as its key, in force or not; None where it shows none."""
    kind, _, text = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else None


class ByKey(BaseAuthentication):
    """Authorization: Bearer jz_…"""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller] | None:
        text = shown_key(request.META)
        if text is None:
            return None
        key = recall(text, address=client_address(request.META)) if self._may_recall(request) else None
        wanted = request.parser_context["view"].write
        return (AnonymousUser(), _caller(key)) if key and wanted in key.scopes else self.looked_at(request, text)

    def looked_at(self, request: Request, text: str) -> tuple[AnonymousUser, Caller]:
        """Who shows this key now. Raises AuthenticationFailed."""
        try:
            return AnonymousUser(), _caller(recognise(text, address=client_address(request.META)))
        except KeyRefused:
            raise AuthenticationFailed from None

    def _may_recall(self, request: Request) -> bool:
        """Only what has the database see the key again while it acts."""
        return request.method == "POST" and request.parser_context["view"].looks_while_it_acts

    def authenticate_header(self, request: Request) -> str:
        return REALM


def _caller(key: KeyInForce) -> Caller:
    recalled = key if key.recalled else None
    return Caller(f"api:{key.client_id}", key.made_by_id, frozenset(key.scopes), key.now, key.client_id, recalled)


class ByStaffSession(SessionAuthentication):
    """The session of the staff pages, with its second factor proved; writes need the form token (X-CSRFToken)."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        user = request._request.user
        if not (isinstance(user, User) and user.is_active and user.is_staff):
            return None
        now = database_now()
        if not second_factor.is_proved(request._request.session, now):
            return None
        try:
            self.enforce_csrf(request)
        except Refused:
            raise Problem("csrf") from None
        scopes = frozenset(scope for scope, right in RIGHTS.items() if user.has_perm(right))
        return user, Caller(f"staff:{user.pk}", user.pk, scopes, now)


class HasScope(BasePermission):
    """The view's scope for this method: `read` for GET, `write` for all others; or the right of a person, for no key has one."""

    def has_permission(self, request: Request, view: Any) -> bool:
        wanted = view.read if request.method in ("GET", "HEAD") else view.write
        if request.method not in view.allowed_methods:
            return True  # and is told so: 405 says nothing about rights
        if not isinstance(request.auth, Caller):
            return False
        if view.persons_right is None:
            return wanted in request.auth.scopes
        if request.auth.client_id is not None:
            raise Problem("person_needed")
        return request.auth.person.has_perm(view.persons_right)
