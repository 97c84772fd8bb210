"""Who may ask: keys in force, from where they may come, within their scopes; staff in a session of their own."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client

from payments.models import ApiClient, ApiKey, AuditEvent, IdempotencyRecord, Order, User
from payments.models.clock import database_now
from payments.services import api_keys
from payments.services.api_keys import make_key, revoke, rotate
from tests.conftest import enter
from tests.payments.api.conftest import ORDER, Shop, code_of

pytestmark = pytest.mark.django_db


def test_a_key_is_stored_as_a_digest_only(shop):
    row = ApiKey.objects.get()

    assert re.fullmatch(r"jz_[0-9a-z]{12}_[\w-]{43}", shop.key)
    assert row.name in shop.key
    assert shop.key.rpartition("_")[2] not in str(ApiKey.objects.values())
    assert len(row.digest) == 64


def test_without_a_key_in_force_nothing_is_told(shop):
    for said in [
        "",
        "Bearer",
        "Bearer x",
        "Bearer jz_x_y",
        "Basic eDp5",
        "Bearer jz_" + "0" * 12 + "_x",
        "Bearer \xe9",
    ]:
        answer = Client().get("/api/v1/orders", HTTP_AUTHORIZATION=said)
        assert (answer.status_code, code_of(answer)) == (401, "not_signed_in")
        assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_key_with_one_letter_altered_is_none(shop):
    shop.key = shop.key[:-1] + ("A" if shop.key[-1] != "A" else "B")

    assert code_of(shop.get("orders")) == "not_signed_in"


def test_old_and_new_key_work_beside_each_other_for_the_overlap_and_no_longer(shop, owner):
    old, new = shop.key, rotate(shop.client, person=owner, overlap=timedelta(hours=1))
    assert shop.get("orders").status_code == 200
    shop.key = new
    assert shop.get("orders").status_code == 200

    ApiKey.objects.filter(name=old.split("_")[1]).update(ends_at=database_now() - timedelta(seconds=1))

    shop.key = old
    assert shop.get("orders").status_code == 401
    shop.key = new
    assert shop.get("orders").status_code == 200


def test_rotating_twice_never_lengthens_the_life_of_a_key(shop, owner):
    rotate(shop.client, person=owner, overlap=timedelta(hours=1))
    ends = ApiKey.objects.order_by("pk")[0].ends_at
    rotate(shop.client, person=owner, overlap=timedelta(hours=24))

    assert ApiKey.objects.order_by("pk")[0].ends_at == ends


def test_a_revoked_key_works_no_more_and_the_trail_says_who_ended_it(shop, owner):
    assert revoke(ApiKey.objects.get(), person=owner)
    assert not revoke(ApiKey.objects.get(), person=owner), "once"

    assert shop.get("orders").status_code == 401
    told = list(AuditEvent.objects.about(shop.client).values_list("action", "actor"))
    assert told == [(each, f"staff:{owner.pk}") for each in ("api_client_added", "api_key_made", "api_key_revoked")]


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 401), ("203.0.113.9", 200), ("203.0.114.9", 401), ("2001:db8::7", 200), ("nowhere", 401)],
)
def test_a_key_with_a_list_of_addresses_works_from_nowhere_else(connect, address, status):
    shop = connect("far", addresses=("203.0.113.0/24", "2001:db8::/64"))

    assert shop.get("orders", REMOTE_ADDR=address).status_code == status


def test_the_address_a_proxy_writes_counts_where_the_settings_name_its_header(connect, settings):
    settings.CLIENT_ADDRESS_HEADER = "HTTP_X_REAL_IP"
    shop = connect("far", addresses=("203.0.113.0/24",))

    assert shop.get("orders", HTTP_X_REAL_IP="203.0.113.9").status_code == 200
    assert shop.get("orders", HTTP_X_REAL_IP="203.0.114.9").status_code == 401


def test_last_use_is_written_once_a_minute(shop, django_assert_num_queries):
    shop.get("orders")
    first = ApiKey.objects.get().used_at
    assert first is not None
    shop.get("orders")
    assert ApiKey.objects.get().used_at == first

    ApiKey.objects.update(used_at=first - timedelta(minutes=2))
    shop.get("orders")
    assert ApiKey.objects.filter(used_at__gt=first).exists()


def test_a_session_without_the_second_factor_is_no_session_here(owner):
    browser = Client()
    browser.force_login(owner)

    assert code_of(browser.get("/api/v1/orders")) == "not_signed_in"


def test_a_shoppers_session_opens_nothing_here(db):
    browser = Client()
    browser.force_login(User.objects.create_user("buyer@example.com", "x"))

    assert code_of(browser.get("/api/v1/orders")) == "not_signed_in"


def test_a_write_in_a_session_needs_the_form_token(owner, order):
    browser = enter(Client(enforce_csrf_checks=True), owner)
    path = f"/api/v1/orders/{order.number}/refunds"

    answer = browser.post(path, {}, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k")

    assert (answer.status_code, code_of(answer)) == (403, "csrf")


def test_staff_place_no_orders_by_session(member):
    answer = member("owner").post("/api/v1/orders", ORDER, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k")

    assert code_of(answer) == "forbidden"


def test_one_key_too_many_requests_is_told_to_wait_and_others_are_not(shop, connect, settings):
    settings.API_MOST_PER_KEY = 3
    other: Shop = connect("other")
    answers = [shop.get("orders") for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each["RateLimit"].split(";")[1] for each in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert answers[0]["RateLimit-Policy"] == '"key";q=3;w=60'
    assert code_of(answers[3]) == "too_many_requests"
    assert 1 <= int(answers[3]["Retry-After"]) <= 60
    assert other.get("orders").status_code == 200


def test_guessing_keys_is_slowed_down_by_address_before_any_key_is_looked_at(shop, settings, django_assert_num_queries):
    settings.API_MOST_PER_ADDRESS = 2
    for _ in range(2):
        assert Client().get("/api/v1/orders", HTTP_AUTHORIZATION="Bearer jz_x_y").status_code == 401

    with django_assert_num_queries(0):
        answer = Client().get("/api/v1/orders", HTTP_AUTHORIZATION="Bearer jz_x_y")
    assert answer.status_code == 429
    assert answer["RateLimit-Policy"] == '"address";q=2;w=60'
    assert Client().get("/api/v1/orders", REMOTE_ADDR="127.0.0.2").status_code == 401


def test_who_knows_only_a_keys_name_cannot_spend_its_requests(shop, settings):
    settings.API_MOST_PER_KEY = 2
    for at in range(4):
        said = f"Bearer {shop.key.rpartition('_')[0]}_{at}"
        assert Client().get("/api/v1/orders", HTTP_AUTHORIZATION=said).status_code == 401

    assert [shop.get("orders").status_code for _ in range(3)] == [200, 200, 429]


def test_a_person_in_a_session_is_counted_too(member, settings):
    settings.API_MOST_PER_KEY = 2
    browser = member("owner")

    assert [browser.get("/api/v1/orders").status_code for _ in range(3)] == [200, 200, 429]
    assert member("owner").get("/api/v1/orders").status_code == 200, "each by itself"


def test_a_demo_may_keep_a_key_of_its_own(shop, owner):
    kept = make_key(shop.client, person=owner, text="jz_" + "d" * 12 + "_" + "k" * 43)
    shop.key = kept

    assert shop.get("orders").status_code == 200


# --- a key that this process saw some seconds ago -------------------------------------------------------------------


@pytest.fixture
def known(shop, merchant) -> Shop:
    """A shop whose key was looked at a moment ago, so that its next order is placed by one statement alone."""
    assert shop.post("orders", ORDER).status_code == 201
    return shop


def test_an_order_under_a_key_that_was_just_seen_is_one_statement(known, django_assert_num_queries):
    with django_assert_num_queries(1):
        answer = known.post("orders", ORDER)

    assert answer.status_code == 201
    order = Order.objects.get(number=answer.json()["number"])
    assert (order.client, order.lines.count()) == (known.client, 1)
    assert abs(order.created_at - database_now()) < timedelta(seconds=1)


ENDS = {
    "revoked": lambda: ApiKey.objects.update(ends_at=database_now()),
    "other addresses": lambda: ApiClient.objects.update(addresses=["203.0.113.0/24"]),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("body", [ORDER, {}, {**ORDER, "discount_fen": 88_80}], ids=["good", "wrong", "free"])
def test_a_key_that_ends_is_refused_at_once_whatever_it_asks(known, end, body):
    end()

    for said in ("fresh", ""):
        answer = known.post("orders", body, key=said)
        assert (answer.status_code, code_of(answer)) == (401, "not_signed_in")
    assert Order.objects.count() == 1
    assert IdempotencyRecord.objects.count() == 1


def test_a_scope_that_is_taken_away_is_gone_at_once_and_one_that_is_given_is_there(known):
    ApiClient.objects.update(scopes=["orders:read"])
    assert code_of(known.post("orders", ORDER)) == "forbidden"
    assert Order.objects.count() == 1

    ApiClient.objects.update(scopes=["orders:write"])
    assert known.post("orders", ORDER).status_code == 201


def test_a_time_reckoned_wrongly_is_asked_for_again(known, monkeypatch):
    """As after a machine's sleep, or when the database's clock was put right."""
    name = known.key.split("_")[1]
    seen, at = api_keys._seen[name]
    monkeypatch.setitem(api_keys._seen, name, (replace(seen, now=seen.now - timedelta(minutes=5)), at))

    order = Order.objects.get(number=known.post("orders", ORDER).json()["number"])

    assert abs(order.created_at - database_now()) < timedelta(seconds=1)


def test_a_key_seen_long_ago_is_looked_at_again(known, monkeypatch):
    name = known.key.split("_")[1]
    seen, at = api_keys._seen[name]
    monkeypatch.setitem(api_keys._seen, name, (seen, at - api_keys.RECALLED_S - 1))

    assert api_keys.recall(known.key, address="127.0.0.1") is None
    assert known.post("orders", ORDER).status_code == 201


def test_only_placing_an_order_begins_with_a_key_seen_before(known):
    revoke(ApiKey.objects.get(), person=User.objects.get())

    for answer in (known.get("orders"), known.post("webhooks", {"url": "https://shop.example/hook"})):
        assert answer.status_code == 401
