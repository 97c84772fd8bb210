"""The shop by API: goods as the window shows them, carts of programs, and orders made of them."""

from typing import Any

import pytest

from checkout.models import Cart, Delivery, Product, Stock, Variant
from payments.models import ApiClient, Order, User
from payments.models.api_client import Scope
from payments.services.api_keys import add_client
from tests.checkout.conftest import CONTACT
from tests.conftest import make_merchant
from tests.payments.api.conftest import ORDER, Shop, code_of
from tests.payments.test_races import together


@pytest.fixture
def shop(committed_db, identity) -> Shop:
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    person = User.objects.create_superuser("owner@example.com", "x")
    return Shop(*add_client("茶铺分店", scopes=Scope.values, addresses=(), person=person))


@pytest.fixture
def cart(shop) -> str:
    return f"carts/{shop.post('carts', {}).json()['token']}"


def test_goods_come_with_kinds_prices_and_what_is_free_in_the_readers_language(
    shop, make_variant, django_assert_max_num_queries
):
    make_variant("LJ-50", 12800, stock=3)
    make_variant("GONE", stock=0)
    make_variant("HIDDEN", is_listed=False)

    with django_assert_max_num_queries(6):
        told = shop.get("products", HTTP_ACCEPT_LANGUAGE="en").json()

    assert [each["slug"] for each in told["items"]] == ["gone", "lj-50"]
    tea = told["items"][1]
    assert (tea["name"], tea["category"]) == ("Tea LJ-50", "tea")
    assert [(each["sku"], each["price_fen"], each["currency"], each["free"]) for each in tea["variants"]] == [
        ("LJ-50", 12800, "CNY", 3)
    ]
    assert [each["slug"] for each in shop.get("products?free=true").json()["items"]] == ["lj-50"]
    assert shop.get("products?category=tea&limit=1").json()["next"]
    assert code_of(shop.get("products?category=nothing")) == "wrong_fields"
    assert shop.get("products/lj-50").json()["name"] == "茶 LJ-50"
    assert code_of(shop.get("products/hidden")) == "not_found"


def test_a_cart_becomes_an_order_that_holds_goods_and_knows_its_program(shop, cart, make_variant):
    make_variant("LJ-50", 12800, stock=3)
    told = shop.put(f"{cart}/lines/LJ-50", {"quantity": 2}).json()
    assert (told["total_fen"], told["lines"][0]["quantity"]) == (25600, 2)
    assert shop.put(f"{cart}/lines/LJ-50", {"quantity": 2}).json() == told, "said again it changes nothing"
    assert shop.put(f"{cart}/contact", CONTACT).status_code == 204

    first, again = (shop.post(f"{cart}/order", {"total_fen": 25600}, key="one-order") for _ in range(2))

    assert (first.status_code, again.content) == (201, first.content)
    order = Order.objects.get()
    assert (order.client, order.total_fen) == (ApiClient.objects.get(), 25600)
    assert (Delivery.objects.get().mobile, Stock.objects.get().held) == ("13800000000", 2)
    assert shop.get(f"orders/{order.number}").json()["number"] == first.json()["number"]
    assert code_of(shop.post(f"{cart}/order", {"total_fen": 25600})) == "order_exists"


@pytest.mark.rows("C05", "C14")
def test_nothing_is_ordered_that_the_buyer_has_not_seen_or_that_is_not_for_sale(shop, cart, make_variant):
    assert code_of(shop.post(f"{cart}/order", {"total_fen": 0})) == "cart_empty"
    assert code_of(shop.put(f"{cart}/lines/NONE", {"quantity": 1})) == "not_found"
    variant = make_variant("LJ-50", 12800, stock=1)
    shop.put(f"{cart}/lines/LJ-50", {"quantity": 2})
    assert code_of(shop.post(f"{cart}/order", {"total_fen": 25600})) == "details_missing"
    shop.put(f"{cart}/contact", CONTACT)
    assert code_of(shop.post(f"{cart}/order", {"total_fen": 25600})) == "goods_gone"
    shop.put(f"{cart}/lines/LJ-50", {"quantity": 1})
    Variant.objects.filter(pk=variant.pk).update(price_fen=12801)
    assert code_of(shop.post(f"{cart}/order", {"total_fen": 12800})) == "prices_moved"
    Product.objects.update(is_listed=False)
    assert code_of(shop.post(f"{cart}/order", {"total_fen": 12801})) == "goods_gone"
    assert code_of(shop.put(f"{cart}/lines/LJ-50", {"quantity": 1})) == "not_found"

    assert Order.objects.count() == 0


@pytest.mark.rows("C02")
@pytest.mark.rows("C10")
def test_a_line_is_put_once_per_key_and_not_over_what_nobody_saw(shop, cart, make_variant):
    make_variant("LJ-50", 12800, stock=9)
    seen = shop.get(cart)["ETag"]
    assert code_of(shop.put(f"{cart}/lines/LJ-50", {"quantity": 1}, key="")) == "key_missing"
    first = shop.put(f"{cart}/lines/LJ-50", {"quantity": 1}, key="k", HTTP_IF_MATCH=seen)
    assert first.status_code == 200

    late = shop.put(f"{cart}/lines/LJ-50", {"quantity": 5}, HTTP_IF_MATCH=seen)
    assert (late.status_code, code_of(late)) == (412, "changed_meanwhile")
    assert code_of(shop.put(f"{cart}/contact", CONTACT, HTTP_IF_MATCH=seen)) == "changed_meanwhile"
    again = shop.put(f"{cart}/lines/LJ-50", {"quantity": 1}, key="k", HTTP_IF_MATCH=seen)
    assert (again.json(), again["Idempotent-Replayed"]) == (first.json(), "true"), "the answer that was lost"
    assert code_of(shop.put(f"{cart}/lines/LJ-50", {"quantity": 2}, key="k")) == "key_reused"
    assert shop.get(cart).json() == first.json()

    assert shop.put(f"{cart}/lines/LJ-50", {"quantity": 3}, HTTP_IF_MATCH=shop.get(cart)["ETag"]).status_code == 200


def test_what_a_cart_does_not_take_is_pointed_at(shop, cart, make_variant):
    make_variant("LJ-50")
    wrongs: tuple[Any, ...] = (-1, 100, 0.5, "2", None, [])
    for wrong in wrongs:
        assert code_of(shop.put(f"{cart}/lines/LJ-50", {"quantity": wrong})) == "wrong_fields"
    answer = shop.put(f"{cart}/contact", {**CONTACT, "mobile": "12", "email": "x"})
    assert {each["pointer"] for each in answer.json()["errors"]} == {"/mobile", "/email"}
    assert shop.put(f"{cart}/lines/LJ-50", {"quantity": 0}).json()["lines"] == []
    assert code_of(shop.get("carts/unknown")) == "not_found"


def order_of_a_new_cart(shop, n):
    cart = f"carts/{shop.post('carts', {}, key=f'cart-{n}').json()['token']}"
    shop.put(f"{cart}/lines/LJ-50", {"quantity": 1}, key=f"line-{n}")
    shop.put(f"{cart}/contact", CONTACT, key=f"contact-{n}")
    return lambda: shop.post(f"{cart}/order", {"total_fen": 12800}, key=f"order-{n}")


@pytest.mark.rows("C13")
def test_a_program_holds_goods_for_so_many_unpaid_orders_however_many_come_at_once(shop, make_variant, settings):
    settings.API_MOST_HELD = 3
    make_variant("LJ-50", 12800, stock=50)

    answers: list[Any] = together(*(order_of_a_new_cart(shop, n) for n in range(8)))

    assert sorted(each.status_code for each in answers) == [201] * 3 + [409] * 5
    assert {code_of(each) for each in answers if each.status_code == 409} == {"too_many_unpaid"}
    assert (Stock.objects.get().held, Order.objects.count()) == (3, 3)
    assert shop.post("orders", ORDER).status_code == 201, "what is no cart holds nothing"
    placed = next(each.json()["number"] for each in answers if each.status_code == 201)
    shop.post(f"orders/{placed}/cancel", {})
    assert order_of_a_new_cart(shop, 8)().status_code == 201, "one has ended"


def test_the_cart_of_an_account_is_nobodys_by_token(shop):
    person = User.objects.create_user("buyer@example.com", "x")
    token = Cart.objects.create(owner=person).token

    assert code_of(shop.get(f"carts/{token}")) == "not_found"
