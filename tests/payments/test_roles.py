"""Every role against every page of the staff's: what the tables in docs/roles.md grant opens, the rest does not."""

import re
from collections.abc import Iterator
from datetime import date
from fnmatch import fnmatch
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends.cache import SessionStore
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.backends.django import Template
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from checkout.models import Delivery, Question
from checkout.sample_shop import seed_shop
from config.local.places import ROOT
from payments.models import (
    ApiClient,
    ApiKey,
    BillDay,
    BillFile,
    Case,
    CodeApp,
    GatewayCall,
    Order,
    Refund,
    RefundBatch,
    User,
)
from payments.models.clock import database_now
from payments.models.roles import ROLES
from payments.models.sealing import seal_events
from payments.money import Money
from payments.services.approve_refund import ask_as_buyer
from payments.services.check_books import check_books
from payments.services.receive_notice import receive_notice
from payments.services.second_factor import mark_proved
from payments.services.webhooks import add_endpoint, send_test

PAGE = (ROOT / "docs/roles.md").read_text()
NOBODY, STAFF, BEFORE = "nobody", "staff", "staff before the second factor"
OUTSIDERS = ("a stranger", "a shopper")
UNPROVED = "an owner, second factor not proved"
PERSONAS = [*OUTSIDERS, UNPROVED, "staff without a role", *ROLES, "superuser"]
DOOR = ("/account/sign-in/", "/admin/login/", "/admin/second-factor/")
LAST = "logout"  # it ends the session


class Route(NamedTuple):
    """One address of the staff pages: its name (or what stands for one) and the parts it takes."""

    name: str
    app: str
    model: str
    parts: tuple[str, ...]


def staff_routes() -> Iterator[Route]:
    """All that lies under /admin/, as the resolver has it."""
    for path, pattern in _walk(get_resolver().url_patterns):
        if path.startswith("admin/"):
            app, model = [*path.split("/")[1:3], "", ""][:2]
            name = pattern.name or (f"{app}_{model}_object" if path.endswith("<path:object_id>/") else "anything_else")
            yield Route(name, app, model, tuple(pattern.pattern.regex.groupindex))


def _walk(patterns: list[Any], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, before + str(each.pattern))
        else:
            yield before + str(each.pattern), each


ROUTES = sorted(staff_routes(), key=lambda route: route.name == LAST)
ROWS = [
    (re.findall("`([^`]+)`", cells[0]), cells[1:])
    for line in PAGE.split("## Pages")[1].splitlines()
    if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("| ").split(" | ")])
]


def needs(route: Route, method: str) -> str | list[str]:
    """What the table asks for: one of the words, or a list of rights."""
    row = next((cells for names, cells in ROWS if any(fnmatch(route.name, name) for name in names)), None)
    assert row, f"docs/roles.md has no row for {route.name}: say there who may open it"
    cell = row[method == "POST"]
    if cell in (NOBODY, STAFF, BEFORE):
        return cell
    own = [right.replace("*", route.model) for right in re.findall("`([^`]+)`", cell)]
    return [right if "." in right else f"{route.app}.{right}" for right in own]


def may(persona: str, route: Route, method: str) -> bool:
    asked = needs(route, method)
    if asked == NOBODY or persona in OUTSIDERS:
        return False
    if persona == UNPROVED or isinstance(asked, str):
        return asked == BEFORE or (asked == STAFF and persona != UNPROVED)
    return persona == "superuser" or set(asked) <= set(ROLES.get(persona, ()))


@pytest.fixture
def records(order, unsettled, says) -> dict[str, Any]:
    """One record of everything, by "app.model"."""
    receive_notice(says.notice(unsettled))
    unsettled.refresh_from_db()
    GatewayCall.objects.create(account=order.account, transaction=unsettled, method="m", purpose="refund", number="n")
    Case.objects.open_once(Case.Kind.STUCK, f"transaction:{unsettled.pk}", evidence="x")
    ask_as_buyer(unsettled, Money(1), reason=Refund.Reason.DAMAGED, lines={"1": 1})
    check_books()
    seal_events(until_id=2**62, most=100, now=database_now())
    seed_shop()
    Delivery.objects.create(order=order, name="林", mobile="13800000000", region="杭州", address="1")
    Question.objects.create(order=order, text="?", email="lin@example.com")
    colleague = User.objects.create_user("colleague@example.com", "x", is_staff=True)
    RefundBatch.objects.create(
        requested_by=colleague, scope=RefundBatch.Scope.values[0], reason_code="damaged", orders=1, total_fen=1
    )
    program = ApiClient.objects.create(name="shop", scopes=[])
    ApiKey.objects.create(pk=program.pk, client=program, name="k", digest="d", made_by=colleague)
    day = BillDay.objects.create(account=order.account, day=date(2026, 11, 22))
    BillFile.objects.create(
        pk=day.pk, day=day, kind="trade", source="fetched", actor="fetch", size=3, sha256="0" * 64,
        state=BillFile.State.IMPORTED, ended_at=database_now(), lines=0, in_count=0, out_count=0, in_fen=0, out_fen=0, fee_fen=0,
    )  # fmt: skip
    send_test(add_endpoint(url="https://shop.example/", kinds=[], description="", actor="staff:1"), actor="staff:1")
    found = {model._meta.label_lower: model._default_manager.first() for model in admin.site._registry}
    return found | {"payments.user": colleague}


class Desk:
    """A browser at one person's desk, without what costs time and refuses nobody: middleware, the session's store, pages."""

    def __init__(self, persona: str) -> None:
        self.person = AnonymousUser() if persona == "a stranger" else self._person(persona)
        self.session = SessionStore()
        if persona not in (*OUTSIDERS, UNPROVED):
            mark_proved(self.session, database_now())

    def _person(self, persona: str) -> User:
        person = User.objects.create_user("me@example.com", "x", is_staff=persona not in OUTSIDERS)
        person.is_superuser = persona == "superuser"
        person.groups.set(Group.objects.filter(name="owner" if persona == UNPROVED else persona))
        CodeApp.objects.create(user=person, key="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
        return person

    def opens(self, method: str, url: str) -> bool:
        """Whether the page answers at all: not refused, unknown or made for another method, and not sent to the door."""
        request = RequestFactory().generic(method, url)
        request.user, request.session = self.person, self.session
        request._messages = SessionStorage(request)  # type: ignore[attr-defined]  # as its middleware does
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # as Django's test client does
        view, args, kwargs = resolve(request.path)
        try:
            answer = view(request, *args, **kwargs)
        except (PermissionDenied, Http404):
            return False
        sent_to = answer.get("Location", "")
        return answer.status_code not in (403, 404, 405) and sent_to != "/admin/" and not sent_to.startswith(DOOR)


def address(route: Route, records: dict[str, Any]) -> str:
    record = records.get(f"{route.app}.{route.model}")
    known = {
        "content_type_id": ContentType.objects.get_for_model(Order).pk, "url": "no/such/page", "app_label": "payments",
        "what": "take",
    }  # fmt: skip
    if route.name == "view_on_site":
        record = records["payments.order"]
    parts = {part: known.get(part) or (record.pk if record else 1) for part in route.parts}
    if route.name == "anything_else":
        return "/admin/no/such/page/"
    if route.name.endswith("_object"):
        return f"/admin/{route.app}/{route.model}/{parts['object_id']}/"
    query = "?app_label=checkout&model_name=variant&field_name=product" if route.name == "autocomplete" else ""
    return reverse(f"admin:{route.name}", kwargs=parts) + query


@pytest.mark.rows("M01")
@pytest.mark.parametrize("persona", PERSONAS)
def test_every_address_opens_for_exactly_those_the_tables_name(records, monkeypatch, persona):
    monkeypatch.setattr(Template, "render", lambda self, context=None, request=None: "")  # who may, not how it looks
    desk = Desk(persona)
    wrong = [
        f"{method} {route.name}" for route in ROUTES for method in ("GET", "POST")
        if desk.opens(method, address(route, records)) != may(persona, route, method)
    ]  # fmt: skip

    assert wrong == []


def test_roles_that_ask_for_money_are_not_those_that_approve_it():
    both = {
        role for role, rights in ROLES.items() if {"payments.request_refund", "payments.approve_refund"} <= set(rights)
    }

    assert both == {"owner"}, "and even an owner can't approve their own: the database refuses it"


def test_the_table_in_the_docs_is_the_table_in_the_code():
    rights = sorted({right for each in ROLES.values() for right in each})
    for right in rights:
        marks = " | ".join("●" if right in ROLES[role] else " " for role in ROLES)
        assert f"| `{right}` | {marks} |" in PAGE, f"docs/roles.md lacks the row of {right}"


def test_no_row_of_the_docs_is_about_a_page_that_is_gone():
    names = {route.name for route in ROUTES}
    assert [name for row, _ in ROWS for name in row if not any(fnmatch(each, name) for each in names)] == []
