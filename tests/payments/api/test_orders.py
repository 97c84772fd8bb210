"""Orders of connected shops: placed, listed page by page, seen by nobody else, cancelled."""

import pytest

from payments.models import AuditEvent, Order, OutboxMessage
from tests.payments.api.conftest import ORDER, code_of

pytestmark = pytest.mark.django_db
WHOLE = {
    "title": "茶与杯", "reference": "WEB-7", "language": "en", "email": "buyer@example.com", "shipping_fen": 8_00,
    "discount_fen": 60,
    "lines": [
        {"title": "明前龙井", "unit_price_fen": 88_80, "quantity": 2, "sku": "LJ-50"},
        {"title": "青瓷小杯", "unit_price_fen": 45_00},
    ],
}  # fmt: skip


def test_an_order_freezes_what_the_shop_says_and_adds_it_up_itself(shop, merchant):
    answer = shop.post("orders", WHOLE)
    told, order = answer.json(), Order.objects.get()

    assert answer.status_code == 201
    assert answer["Location"] == f"/api/v1/orders/{order.number}"
    assert (told["number"], told["reference"], told["state"]) == (order.number, "WEB-7", "awaiting_payment")
    assert (told["currency"], told["goods_fen"], told["total_fen"]) == ("CNY", 222_60, 230_00)
    assert (told["paid_fen"], told["refunded_fen"]) == (0, 0)
    assert [(each["position"], each["sku"], each["quantity"]) for each in told["lines"]] == [
        (1, "LJ-50", 2),
        (2, "", 1),
    ]
    assert told["pay_page"] == f"https://shop.example/pay/{order.token}/"
    assert (order.client, order.language, order.contact_email) == (shop.client, "en", "buyer@example.com")
    assert AuditEvent.objects.about(order).get().actor == f"api:{shop.client.pk}"
    assert shop.get(f"orders/{order.number}").json() == told


def test_an_order_of_nothing_is_paid_at_once(shop, merchant):
    told = shop.post("orders", {**ORDER, "discount_fen": 88_80}).json()

    assert (told["state"], told["total_fen"]) == ("paid", 0)
    assert OutboxMessage.objects.get().topic == "order.paid"


def test_an_order_that_alipay_could_not_take_is_refused(shop, merchant):
    for change in ({"discount_fen": 88_81}, {"shipping_fen": 100_000_000_00}):
        answer = shop.post("orders", {**ORDER, **change})
        assert (answer.status_code, code_of(answer)) == (422, "order_refused")
    assert Order.objects.count() == 0


def test_without_a_connected_account_it_says_so(shop):
    assert code_of(shop.post("orders", ORDER)) == "order_refused"


@pytest.mark.rows("O01", "O02", "O05")
def test_somebody_elses_order_is_not_there(shop, connect, order, merchant):
    mine = shop.post("orders", ORDER).json()["number"]
    other = connect("other")

    for number in (mine, order.number):
        assert code_of(other.get(f"orders/{number}")) == "not_found"
        assert code_of(other.get(f"orders/{number}/payments")) == "not_found"
        assert code_of(other.post(f"orders/{number}/payments", {"scene": "qr"})) == "not_found"
        assert code_of(other.post(f"orders/{number}/cancel", {})) == "not_found"
        assert code_of(other.post(f"orders/{number}/refunds", {"reason": "other", "amount_fen": 1})) == "not_found"
    assert other.get("orders").json() == {"items": [], "next": None}
    assert connect("books", "orders:read", "orders:all").get(f"orders/{mine}").status_code == 200


def test_lists_come_page_by_page_newest_first_and_filtered(shop, merchant):
    numbers = [shop.post("orders", {**ORDER, "reference": f"W{at}"}).json()["number"] for at in range(5)]
    first = shop.get("orders?limit=2").json()
    second = shop.get(f"orders?limit=2&cursor={first['next']}").json()
    third = shop.get(f"orders?limit=2&cursor={second['next']}").json()

    assert [each["number"] for page in (first, second, third) for each in page["items"]] == numbers[::-1]
    assert third["next"] is None
    assert [each["number"] for each in shop.get("orders?reference=W3").json()["items"]] == [numbers[3]]
    assert shop.get("orders?state=paid").json()["items"] == []
    assert len(shop.get("orders?placed_from=2026-01-01T00:00:00Z").json()["items"]) == 5


def test_a_list_asks_as_often_for_many_orders_as_for_few(shop, merchant, django_assert_max_num_queries):
    for _ in range(3):
        shop.post("orders", ORDER)
    with django_assert_max_num_queries(4):
        shop.get("orders")


def test_what_has_not_changed_is_not_sent_again(shop, merchant):
    number = shop.post("orders", ORDER).json()["number"]
    seen = shop.get(f"orders/{number}")
    again = shop.get(f"orders/{number}", HTTP_IF_NONE_MATCH=seen["ETag"])

    assert (again.status_code, again.content) == (304, b"")
    shop.post(f"orders/{number}/cancel", {})
    changed = shop.get(f"orders/{number}", HTTP_IF_NONE_MATCH=seen["ETag"])
    assert (changed.status_code, changed.json()["state"]) == (200, "closed")
    assert changed["Cache-Control"] == "private, no-cache"


def test_cancelling_ends_an_unpaid_order_and_a_paid_one_not(shop, merchant, make_attempt, says, client):
    first, second = (shop.post("orders", ORDER).json()["number"] for _ in range(2))
    told = shop.post(f"orders/{first}/cancel", {}).json()
    attempt = make_attempt(Order.objects.get(number=second))
    client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")

    assert (told["state"], bool(told["cancelled_at"])) == ("closed", True)
    refused = shop.post(f"orders/{second}/cancel", {})
    assert (refused.status_code, code_of(refused)) == (409, "not_payable")
    assert shop.get(f"orders/{second}").json()["paid_fen"] == 88_80
