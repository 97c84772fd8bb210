"""Every key scope and every role against every address of the API: what the table in docs/api.md grants opens, the rest not."""

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from checkout.api.urls import urlpatterns as shop_routes
from checkout.models import Category, Product, Stock, Variant
from config.local.places import ROOT
from payments.api.urls import urlpatterns as money_routes
from payments.models import ApiClient, BillDay, IdempotencyRecord, Order, User, WebhookDelivery
from payments.models.api_client import Scope
from payments.models.clock import database_now
from payments.models.roles import ROLES
from payments.services.webhooks import add_endpoint, send_test
from tests.conftest import enter
from tests.payments.api.test_refunds import ask, paid  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST", "PUT", "PATCH")
NOBODY = "nobody"
TABLE = (ROOT / "docs/api.md").read_text().split("## Addresses and who may\n")[1].split("\n## ")[0]
# (address, method): the scope of a key, the right of a person
ROWS: dict[tuple[str, str], tuple[str, str]] = {
    (address, method): (scope.strip(" `"), right.strip(" `"))
    for address, method, scope, right in re.findall(r"^\| `(\S+)` \| (\w+) \|([^|]+)\|([^|]+)\|$", TABLE, re.MULTILINE)
}


def routes() -> list[tuple[str, str]]:
    """Every address and method there is, as the table writes them."""
    found = []
    for each in (*money_routes, *shop_routes):
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda part: part[1].upper(), str(each.pattern)).lstrip("^").rstrip("$")
        view: Any = getattr(each.callback, "view_class", None)
        found += [(path, method) for method in METHODS if hasattr(view, method.lower()) and path != "schema"]
    return found


@pytest.fixture
def places(shop, paid, receiver, request) -> dict[str, str]:  # noqa: F811
    """What the words of the table stand for: one thing of each kind, all of them there, and the program's own."""
    refund = ask(shop, paid, amount_fen=700_00).json()
    product = Product.objects.create(
        slug="tea", category=Category.objects.create(slug="tea"), name_zh="茶", name_en="Tea"
    )
    Stock.objects.create(variant=Variant.objects.create(product=product, sku="LJ-50", price_fen=1), on_hand=9)
    cart = shop.post("carts", {}).json()["token"]
    send_test(
        add_endpoint(url=receiver.url, kinds=[], description="", actor="api:1", client_id=shop.client.pk), actor="api:1"
    )
    delivery = WebhookDelivery.objects.get()
    account, now = Order.objects.get(number=paid).account, database_now()
    day = BillDay.objects.create(account=account, day=now.date() - timedelta(days=9))
    assert refund["state"] == "requested"
    return {
        "orders/NUMBER": f"orders/{paid}", "payments/NUMBER": f"payments/{refund['payment']}",
        "refunds/NUMBER": f"refunds/{refund['number']}", "bill-days/NUMBER": f"bill-days/{day.pk}",
        "webhooks/NUMBER": f"webhooks/{delivery.endpoint_id}", "deliveries/NUMBER": f"deliveries/{delivery.pk}",
        "products/SLUG": "products/tea", "carts/TOKEN": f"carts/{cart}", "SKU": "LJ-50",
    }  # fmt: skip


class Asker:
    """Sends one request to each address, as a key or a session."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places, self.fresh = places, itertools.count()

    def __call__(self, browser: Client, address: str, method: str, key: str = "") -> int:
        """The status. Bodies are empty: what is allowed goes on to say what it lacks, or that nothing is left to do."""
        for word, real in self.places.items():
            address = address.replace(word, real)
        more: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {key}"} if key else {}
        more |= {} if method == "GET" else {"data": "{}", "content_type": "application/json"}
        answer = browser.generic(method, f"/api/v1/{address}", HTTP_IDEMPOTENCY_KEY=f"r{next(self.fresh)}", **more)
        assert answer.status_code < 500, (method, address, answer.content)
        return int(answer.status_code)


@pytest.fixture
def asked(places, settings) -> Asker:
    settings.API_MOST_PER_KEY = settings.API_MOST_PER_ADDRESS = 10**6
    return Asker(places)


OPEN = (200, 201, 202, 204, 400, 409, 428)


def test_the_table_names_every_address_and_no_other():
    assert sorted(ROWS) == sorted(routes())
    assert {scope for scope, _right in ROWS.values()} - {NOBODY} == set(Scope.values) - {Scope.ORDERS_ALL}


@pytest.mark.rows("O02")
def test_each_scope_of_a_key_opens_what_the_table_says_and_nothing_else(asked, shop):
    kept = IdempotencyRecord.objects.count()
    for (address, method), (wanted, _right) in ROWS.items():
        for scope in sorted(Scope.values, key=lambda each: each == wanted):  # refused ones first: they leave no trace
            ApiClient.objects.filter(pk=shop.client.pk).update(scopes=[scope])
            status = asked(shop.browser, address, method, shop.key)
            assert status in OPEN if scope == wanted else status == 403, (address, method, scope, status)
            assert scope == wanted or wanted == NOBODY or IdempotencyRecord.objects.count() == kept
        kept = IdempotencyRecord.objects.count()


def test_each_role_opens_in_a_session_what_the_table_says_and_nothing_else(asked, member):
    sessions = {role: member(role) for role in ROLES}
    for (address, method), (_scope, right) in ROWS.items():
        for role, browser in sessions.items():
            status = asked(browser, address, method)
            # what a role may not even see is not there for it
            assert status in OPEN if right in ROLES[role] else status in (403, 404), (address, method, role, status)


def test_strangers_shoppers_and_who_has_not_proved_the_second_factor_open_nothing(asked, owner):
    shopper, unproved = Client(), Client()
    shopper.force_login(User.objects.create_user("buyer@example.com", "x"))
    unproved.force_login(owner)
    for address, method in ROWS:
        for browser in (Client(), shopper, unproved):
            assert asked(browser, address, method) == 401, (address, method)


def test_who_waits_to_be_confirmed_has_no_right_but_to_look(asked, owner):
    waiting = User.objects.create_user("new@example.com", "x", is_staff=True)
    waiting.groups.add(Group.objects.get(name="owner"))
    User.objects.mark_changed(waiting.pk, by_id=owner.pk)
    browser = enter(Client(), User.objects.get(pk=waiting.pk))
    for (address, method), (_scope, right) in ROWS.items():
        looks = ".view_" in right
        status = asked(browser, address, method)
        assert status in OPEN if looks else status in (403, 404), (address, method, status)
