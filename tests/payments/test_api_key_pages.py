"""The owner's pages about programs: connect, change, a new key beside the old, an end. The key is shown once."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from payments.models import ApiClient, ApiKey, AuditEvent, User
from payments.models.clock import database_now
from payments.models.roles import ROLES
from payments.services.second_factor import PROVED_AT
from tests.conftest import enter

pytestmark = pytest.mark.django_db
ADD = "/admin/payments/apiclient/add/"
SHOP = {"name": "茶铺分店", "scopes": ["orders:read", "orders:write"], "addresses": "203.0.113.7/24\n2001:db8::1"}


def browser_of(role: str) -> Client:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    person = User.objects.create_user(f"{role}@example.com".replace(" ", "."), "x", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return enter(Client(), person)


@pytest.fixture
def owner() -> Client:
    return browser_of("owner")


def shown(page) -> str:
    found = re.search(r"jz_\w{12}_[\w-]{43}", page.content.decode())
    assert found
    return found[0]


def asks(key: str) -> int:
    return Client().get("/api/v1/orders", HTTP_AUTHORIZATION=f"Bearer {key}", REMOTE_ADDR="203.0.113.9").status_code


def test_an_owner_connects_a_program_and_sees_its_key_once(owner):
    key = shown(owner.post(ADD, SHOP))
    client = ApiClient.objects.get()

    assert (client.scopes, client.addresses) == (SHOP["scopes"], ["203.0.113.0/24", "2001:db8::1/128"])
    assert asks(key) == 200
    page = owner.get(f"/admin/payments/apiclient/{client.pk}/change/").content.decode()
    assert key not in page
    assert key.split("_")[1] in page


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"addresses": "far away"}])
def test_what_was_typed_wrongly_is_told_and_nothing_is_made(owner, wrong):
    assert owner.post(ADD, {**SHOP, **wrong}).status_code == 400
    assert ApiClient.objects.count() == 0


def test_a_name_is_given_once(owner):
    owner.post(ADD, SHOP)

    assert owner.post(ADD, SHOP).status_code == 400
    assert ApiKey.objects.count() == 1


def test_a_new_key_leaves_the_old_one_its_time_and_revoking_ends_it_at_once(owner):
    old = shown(owner.post(ADD, SHOP))
    at = f"/admin/payments/apiclient/{ApiClient.objects.get().pk}"
    assert owner.get(f"{at}/rotate/").status_code == 200
    new = shown(owner.post(f"{at}/rotate/", {"hours": 24}))
    assert [asks(old), asks(new)] == [200, 200]

    first = ApiKey.objects.order_by("pk")[0]
    owner.post(f"/admin/payments/apiclient/key/{first.pk}/revoke/")

    assert [asks(old), asks(new)] == [401, 200]
    assert AuditEvent.objects.filter(action="api_key_revoked").count() == 1
    assert "停用" in owner.get(f"{at}/change/").content.decode()


def test_what_it_may_do_changes_from_the_next_request_on(owner):
    key = shown(owner.post(ADD, SHOP))
    at = f"/admin/payments/apiclient/{ApiClient.objects.get().pk}"
    assert owner.get(f"{at}/change-scopes/").status_code == 200
    owner.post(f"{at}/change-scopes/", {"scopes": ["ledger:read"], "addresses": ""})

    assert asks(key) == 403
    assert ApiClient.objects.get().addresses == []


@pytest.mark.rows("M01")
def test_nobody_but_owners_makes_or_ends_keys(owner):
    owner.post(ADD, SHOP)
    client, key = ApiClient.objects.get(), ApiKey.objects.get()
    for role in ROLES:
        if role == "owner":
            continue
        browser = browser_of(role)
        assert browser.post(ADD, {**SHOP, "name": "x"}).status_code == 403, role
        assert browser.post(f"/admin/payments/apiclient/{client.pk}/rotate/", {"hours": 0}).status_code == 403, role
        assert browser.post(f"/admin/payments/apiclient/key/{key.pk}/revoke/").status_code == 403, role
        assert browser.get(f"/admin/payments/apiclient/{client.pk}/change/").status_code == 403, role
    assert ApiKey.objects.in_force(database_now()).count() == 1


def test_keys_are_made_with_the_second_factor_proved_minutes_ago(owner):
    session = owner.session
    session[PROVED_AT] = (database_now() - timedelta(minutes=11)).timestamp()
    session.save()

    answer = owner.post(ADD, SHOP)

    assert (answer.status_code, "second-factor" in answer["Location"]) == (302, True)
    assert ApiClient.objects.count() == 0
