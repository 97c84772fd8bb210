"""Every address there is, from the map itself: any method, any kind of body, SQL in every part; never a fault of ours."""

import json
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter

from checkout.models import Cart, Stock
from payments.models import Order, User
from tests.conftest import enter

pytestmark = pytest.mark.django_db
OFTEN, SELDOM = ("GET", "POST"), ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
KINDS = {
    "application/x-www-form-urlencoded": b"a=1&a=%00&%ff=%ff", "multipart/form-data; boundary=x": b"--x\r\n\r\nno end",
    "application/json": b'{"a": [', "application/xml": b"<a>", "text/plain; charset=no-such": b"\xff\xfe", "": b"x",
}  # fmt: skip
SQL = ("' OR '1'='1' --", "1); SELECT pg_sleep(9); --", "0 UNION SELECT digest FROM payments_apikey")
WORDS = """
q p o e all id after next order state limit cursor reference placed_from category kind seller_id day_from active key token email
password code way variant quantity total_fen number name mobile region address note language subject title amount auth_code action
_selected_action out_trade_no trade_no month account reason why url kinds scopes
"""
NAMES = WORDS.split()
ENDS_THE_SESSION = ("logout", "sign-out")


class Route:
    """One address: its text parts may be anything, its numbers are numbers."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def filled(self, text: str) -> str:
        return "/" + "".join(part if isinstance(part, str) else part(text) for part in self.parts)


def routes() -> Iterator[Route]:
    """The whole map, without the addresses that end a session."""
    for parts in _walk(get_resolver().url_patterns, []):
        route = Route(parts)
        if not any(word in route.filled("x") for word in ENDS_THE_SESSION):
            yield route


def _walk(patterns: list[Any], before: list[Any]) -> Iterator[list[Any]]:
    for each in patterns:
        here = [*before, *_parts(each.pattern)]
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, here)
        else:
            assert isinstance(each, URLPattern)
            yield here


def _parts(pattern: Any) -> list[Any]:
    """A pattern as texts and what fills its gaps: a number, or any text, quoted."""
    numbers = {name for name, kind in pattern.converters.items() if isinstance(kind, IntConverter)}
    found: list[Any] = []
    for candidate, names in pattern.regex and _possibilities(pattern):
        at = 0
        for name in names:
            gap = f"%({name})s"
            start = candidate.index(gap, at)
            found += [candidate[at:start], (lambda _text: "999999") if name in numbers else quote]
            at = start + len(gap)
        found.append(candidate[at:])
    return found


def _possibilities(pattern: Any) -> list[tuple[str, list[str]]]:
    from django.utils.regex_helper import normalize  # noqa: PLC0415  # what `reverse` reads patterns with

    return normalize(pattern.regex.pattern)[:1]


@pytest.fixture(autouse=True)
def _nobody_has_asked_yet(settings) -> None:
    cache.clear()
    settings.API_MOST_PER_ADDRESS = settings.API_MOST_PER_KEY = 10**6


@pytest.fixture
def staff(order) -> Client:
    return enter(Client(raise_request_exception=False), User.objects.create_superuser("owner@example.com", "x"))


ROUTES = list(routes())


def test_the_map_is_seen_whole():
    addresses = {route.filled("x") for route in ROUTES}

    assert len(addresses) > 150
    assert {
        "/checkout/pay/",
        "/alipay/notify",
        "/api/v1/orders",
        "/admin/payments/order/",
        "/pay/x/status",
    } <= addresses


@pytest.mark.rows("X12")
def test_any_method_and_any_kind_of_body_are_answered_without_a_fault(staff):
    """What is seldom is taken in turns, by the hundreds of addresses."""
    stranger, turns, kinds = Client(raise_request_exception=False), cycle(SELDOM), cycle(KINDS)
    faults = []
    for route in ROUTES:
        path = route.filled("1")
        answers = [(method, staff.generic(method, path)) for method in (*OFTEN, next(turns), next(turns))]
        kind = next(kinds)
        answers.append((kind, stranger.generic("POST", path, KINDS[kind], content_type=kind)))
        faults += [(path, how, answer.status_code) for how, answer in answers if answer.status_code >= 500]
    assert faults == []
    assert Order.objects.count() == 1


@pytest.mark.rows("X11")
def test_sql_in_every_part_of_every_address_is_a_text_like_any_other(staff):
    before, texts = list(Order.objects.values()), cycle(SQL)
    faults, slow = [], []
    for route in ROUTES:
        text, started = next(texts), time.monotonic()
        path, asked = route.filled(text), dict.fromkeys(NAMES, text)
        body = json.dumps(asked) if path.startswith("/api/") else asked
        kind = {"content_type": "application/json"} if path.startswith("/api/") else {}
        answers = [staff.get(path, asked), staff.post(path, body, HTTP_IDEMPOTENCY_KEY=quote(text), **kind)]
        faults += [(path, answer.status_code) for answer in answers if answer.status_code >= 500]
        slow += [path] if time.monotonic() - started > 8 else []  # it would have slept for nine seconds
    assert (faults, slow) == ([], [])
    assert list(Order.objects.values()) == before
    assert (Cart.objects.count(), Stock.objects.count()) == (0, 0)
