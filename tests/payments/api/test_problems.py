"""Whatever is asked wrongly is answered by a problem document with a stable code, in the reader's language."""

import json
import re
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.test import Client, override_settings

from checkout.api.urls import urlpatterns as shop
from config.problems import broken, forbidden
from payments.api.problems import CODES
from payments.api.urls import urlpatterns as money
from payments.models import IdempotencyRecord, Order
from tests.payments.api.conftest import ORDER, code_of

pytestmark = pytest.mark.django_db


NOWHERE = (
    "",
    "orders/",
    "orders/12",
    "orders/20261122000000000",
    "x",
    "orders/２０２６１１２２００００００００",
    "../v2/orders",
)


def test_an_address_that_is_none_is_not_found_by_any_method():
    for path in NOWHERE:
        for method in ("get", "post", "put", "delete", "patch", "options"):
            answer = getattr(Client(), method)(f"/api/v1/{path}")
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), (method, path)


@pytest.mark.rows("X12")
def test_every_address_takes_its_own_methods_and_names_them(shop):
    """Every pair of address and method: refused as 405 with Allow, or something else than a fault."""
    for path in addresses():
        for method in ("get", "post", "put", "patch", "delete", "options", "trace"):
            answer = getattr(shop.browser, method)(path, HTTP_AUTHORIZATION=f"Bearer {shop.key}")
            assert answer.status_code < 500, (method, path)
            if answer.status_code == 405 and path != "/api/v1/docs":
                assert code_of(answer) == "method_not_allowed"
                assert method.upper() not in answer["Allow"].split(", ")


def addresses() -> list[str]:
    """Every address of the API, with numbers that nothing has."""
    return [
        "/api/v1/" + re.sub(r"\(\?P<\w+>[^)]*\)", "2026112200000000", str(each.pattern).lstrip("^").rstrip("$"))
        for each in (*money, *shop)
    ]


@pytest.mark.rows("X12")
def test_every_address_that_takes_a_body_takes_json_and_nothing_else(shop):
    """Refused as no JSON; others, before that, because a key may not do it at all or the address takes no such method."""

    def refused(method, path, kind):
        said = {"HTTP_AUTHORIZATION": f"Bearer {shop.key}", "HTTP_IDEMPOTENCY_KEY": "k"}
        return shop.browser.generic(method, path, b"title=tea", content_type=kind, **said)

    takes = []
    for method, path in product(("POST", "PUT", "PATCH"), addresses()):
        first = refused(method, path, NO_JSON[0]).status_code
        assert first in (403, 405, 415), (method, path, first)
        takes += [(method, path)] if first == 415 else []
    assert len(takes) == 15
    for (method, path), kind in product(takes, NO_JSON):
        assert code_of(refused(method, path, kind)) == "unsupported_media_type", (method, path, kind)
    assert IdempotencyRecord.objects.count() == 0


NO_JSON = (
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "text/plain", "image/png",
    "application/jsonp", "nothing",
)  # fmt: skip


BODIES = (
    b"", b"{", b"[]", b"1", b'"x"', b"null", b'{"a": NaN}', b'{"title": "a", "title": "b"}', b"\xff\xfe", b"[" * 100_000,
    b'{"a":' * 50_000, b'{"a": ' + b"9" * 5000 + b"}", rb'{"title": "\ud800"}', rb'{"\udfff": 1}',
)  # fmt: skip


def test_a_body_that_is_no_json_object_is_malformed(shop, merchant):
    for body in BODIES:
        answer = shop.post("orders", body)
        assert (answer.status_code, code_of(answer)) == (400, "malformed" if body else "wrong_fields"), body[:40]
    assert Order.objects.count() == 0


@pytest.mark.rows("X12")
def test_another_content_type_is_named_as_such(shop):
    for kind in (
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/xml",
    ):
        answer = shop.browser.generic(
            "POST", "/api/v1/orders", b"title=x", content_type=kind, HTTP_AUTHORIZATION=f"Bearer {shop.key}",
            HTTP_IDEMPOTENCY_KEY="k",
        )  # fmt: skip
        assert (answer.status_code, code_of(answer)) == (415, "unsupported_media_type"), kind


def test_another_form_of_answer_is_named_as_such(shop):
    assert code_of(shop.get("orders", HTTP_ACCEPT="text/html")) == "not_acceptable"


def test_a_body_beyond_the_bound_is_too_large(shop, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = shop.post("orders", json.dumps({**ORDER, "reference": "x" * 1000}))

    assert (answer.status_code, code_of(answer)) == (413, "too_large")


NO_COUNTS: tuple[Any, ...] = (0, -1, 0.5, 10**9, "2", [], None)
NO_FEN: tuple[Any, ...] = (-1, 0.5, 10**12, "1", None, {})
FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "/title"), ({"title": "x" * 257}, "/title"), ({"title": "a\x00b"}, "/title"), ({"lines": []}, "/lines"),
    ({"lines": [{}]}, "/lines/0/title"), ({"lines": "x"}, "/lines"), ({"lines": ORDER["lines"] * 101}, "/lines"),
    ({"currency": "USD"}, "/currency"), ({"email": "x"}, "/email"), ({"shipping_fen": -1}, "/shipping_fen"),
    ({"shipping_fen": "8"}, "/shipping_fen"), ({"shipping_fen": 1.0}, "/shipping_fen"), ({"language": "fr"}, "/language"),
    ({"shipping_fen": True}, "/shipping_fen"), ({"shipping_fen": 10**30}, "/shipping_fen"), ({"total_fen": 1}, "/total_fen"),
    ({"state": "paid"}, "/state"), ({"paid_at": "2026-01-01"}, "/paid_at"), ({"out_trade_no": "1"}, "/out_trade_no"),
    *(({"lines": [{"title": "x", "unit_price_fen": 1, "quantity": each}]}, "/lines/0/quantity")
      for each in NO_COUNTS),
    *(({"lines": [{"title": "x", "unit_price_fen": each}]}, "/lines/0/unit_price_fen")
      for each in NO_FEN),
]  # fmt: skip


@pytest.mark.rows("C01", "C02", "C03", "C04")
def test_each_wrong_field_is_pointed_at_and_no_order_is_made(shop, merchant):
    for change, pointer in FIELDS:
        answer = shop.post("orders", {**ORDER, **change})
        assert (answer.status_code, code_of(answer)) == (400, "wrong_fields"), change
        assert pointer in [each["pointer"] for each in answer.json()["errors"]], change
    assert Order.objects.count() == 0


QUERIES = (
    "limit=0", "limit=201", "limit=x", "limit=5&limit=6", "cursor=c0", "cursor=9", "cursor=c" + "9" * 19, "cursor=%00", "state=x",
    "placed_from=x", "placed_from=9999-12-31T23:59:59%2B99:99", "reference=%00", "reference=" + "x" * 65,
)  # fmt: skip


def test_a_wrong_query_is_told(shop):
    for query in QUERIES:
        answer = shop.get(f"orders?{query}")
        assert (answer.status_code, code_of(answer)) == (400, "wrong_fields"), query


@pytest.mark.rows("X11")
def test_sql_in_any_parameter_is_a_text_like_any_other(shop, merchant):
    shop.post("orders", ORDER)
    for text in (
        "' OR 1=1 --",
        "1; DROP TABLE payments_order",
        "') UNION SELECT token FROM payments_order --",
        "%27%3B",
        "\\",
    ):
        for name in ("reference", "state", "cursor", "limit", "placed_from"):
            answer = shop.get("orders", data={name: text})
            assert answer.status_code in (200, 400), (name, text)
            assert answer.status_code == 400 or answer.json()["items"] == []
        for path in (f"orders/{text}", f"payments/{text}", f"refunds/{text}/approve"):
            assert shop.get(path).status_code in (404, 405)
        lines = [{**ORDER["lines"][0], "sku": text[:40]}]
        placed = shop.post("orders", {"title": text, "reference": text, "lines": lines}, key=quote(text)).json()
        assert (placed["title"], placed["reference"], placed["lines"][0]["sku"]) == (text, text, text[:40])
    assert Order.objects.count() == 6


def test_problems_speak_the_readers_language_and_keep_their_code(shop):
    zh, en = (shop.get("orders/2026112200000000", HTTP_ACCEPT_LANGUAGE=each).json() for each in ("zh-CN", "en"))

    assert (zh["title"], en["title"]) == ("这里没有这一项。", "There is no such thing here.")
    assert zh["code"] == en["code"] == "not_found"


def test_a_database_out_of_reach_is_503_with_when_to_come_back(shop, monkeypatch):
    def broken(*_args, **_more):
        raise OperationalError("gone")

    monkeypatch.setattr("payments.api.orders.visible", broken)
    answer = shop.get("orders")

    assert (answer.status_code, code_of(answer), answer["Retry-After"]) == (503, "unavailable", "2")


def test_a_fault_of_ours_is_a_problem_too_and_shows_nothing_of_us(shop, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError("secret words")

    monkeypatch.setattr("payments.api.orders.visible", broken)
    answer = shop.get("orders")

    assert (answer.status_code, code_of(answer)) == (500, "fault")
    assert b"secret words" not in answer.content


def test_what_is_refused_before_any_view_is_a_problem_too(shop, settings):
    """With a key and without: the two ways through the middleware."""
    keyed: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {shop.key}"}
    for who in (keyed, {}):
        forged = Client().get("/api/v1/orders", HTTP_HOST="evil.example", **who)
        assert (forged.status_code, code_of(forged)) == (400, "malformed")
    with override_settings(MAINTENANCE_UNTIL="15:00"):
        for who in (keyed, {}):
            closed = Client().get("/api/v1/orders", HTTP_ACCEPT_LANGUAGE="en", **who)
            assert (closed.status_code, code_of(closed), closed["Retry-After"]) == (503, "unavailable", "300")
            assert closed.json()["title"] == "Not to be had at this moment."
        assert Client().get("/")["Content-Type"].startswith("text/html")


def test_a_fault_outside_of_the_views_is_a_problem_under_the_api_and_a_page_elsewhere(rf):
    assert code_of_plain(broken(rf.get("/api/v1/orders"))) == (500, "fault")
    assert code_of_plain(forbidden(rf.get("/api/v1/orders"), PermissionError())) == (403, "forbidden")
    assert broken(rf.get("/pay/x"))["Content-Type"].startswith("text/html")


def code_of_plain(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, json.loads(response.content)["code"]


def test_with_a_key_only_what_a_program_needs_is_done(shop, django_assert_num_queries, merchant):
    """Neither session nor policy; language and length all the same; pages that show a key are pages as ever."""
    number = shop.post("orders", ORDER).json()["number"]
    with django_assert_num_queries(2):  # the key, the order
        answer = shop.get(f"orders/{number}", HTTP_ACCEPT_LANGUAGE="en")

    assert "Content-Security-Policy" not in answer
    assert (answer["Content-Language"], int(answer["Content-Length"])) == ("en", len(answer.content))
    assert "Accept-Language" in answer["Vary"]
    assert shop.get("docs").status_code == shop.get("schema").status_code == 200
    assert "Content-Security-Policy" in shop.get("docs")


def test_codes_are_stable(db):
    """A code is never renamed or given another status: programs depend on it. New ones are added here."""
    assert {code: status for code, (status, _title) in CODES.items()} == {
        "malformed": 400, "wrong_fields": 400, "key_missing": 400, "not_signed_in": 401, "forbidden": 403, "csrf": 403,
        "person_needed": 403, "fresh_factor_needed": 403, "same_person": 403, "not_found": 404, "method_not_allowed": 405,
        "not_acceptable": 406, "in_progress": 409, "not_payable": 409, "too_little_time": 409, "not_closed": 409,
        "already_decided": 409, "refund_refused": 409, "prices_moved": 409, "goods_gone": 409, "order_exists": 409,
            "too_many_unpaid": 409,
        "cart_empty": 409, "cart_full": 409, "details_missing": 409, "day_not_closable": 409, "too_many_webhooks": 409,
        "changed_meanwhile": 412, "too_large": 413,
        "unsupported_media_type": 415, "key_reused": 422, "order_refused": 422,
        "condition_missing": 428, "too_many_requests": 429, "fault": 500,
        "unavailable": 503,
    }  # fmt: skip
