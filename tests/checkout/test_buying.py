"""From the shelf to an order: prices from the server, goods held once, one order however often the button is pressed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from checkout.errors import GoodsGone
from checkout.models import Cart, CartLine, Delivery, Stock, StockHold
from checkout.services import stock
from checkout.services.place_purchase import keep_draft, place_purchase
from payments.models import Case, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.money import Money
from payments.services.cancel_order import cancel_order
from payments.services.place_order import Line, place_order
from payments.services.record_payment import record_payment
from payments.services.relay_outbox import relay_outbox
from tests.checkout.conftest import CONTACT
from tests.conftest import make_merchant


def stock_of(variant):
    kept = Stock.objects.get(pk=variant.pk)
    return kept.on_hand, kept.held


def bought(buy, variant, quantity=1):
    buy.add(variant, quantity)
    buy.contact()
    assert buy.confirm().status_code == 303
    return Order.objects.get()


def test_a_guest_buys_in_two_pages(buy, make_variant):
    order = bought(buy, make_variant(), 2)

    assert (order.total_fen, order.state, order.language) == (25600, "awaiting_payment", "zh-hans")
    assert [(line.sku, line.quantity) for line in order.lines.all()] == [("LJ-50", 2)]
    assert (order.delivery.name, order.delivery.mobile) == ("林小满", "13800000000")


def test_goods_are_held_at_placing_sold_at_payment_and_leave_the_cart(buy, make_variant):
    variant = make_variant(stock=5)
    order = bought(buy, variant, 2)
    assert stock_of(variant) == (5, 2)

    record_payment(order, way=Transaction.Scene.CASH, reference="slip 7", actor="staff:1")
    for _ in range(2):
        relay_outbox(limit=10)

    assert stock_of(variant) == (3, 0)
    assert order.holds.get().state == StockHold.State.TAKEN
    assert Delivery.objects.get(order=order).state == Delivery.State.PREPARING
    assert not CartLine.objects.exists()


def test_goods_of_a_cancelled_order_go_back_once_and_the_cart_is_kept(buy, make_variant):
    variant = make_variant(stock=5)
    order = bought(buy, variant, 2)

    cancel_order(order, actor="buyer")
    message = OutboxMessage.objects.get(topic="order.closed").payload
    for _ in range(3):
        stock.release(message)

    assert stock_of(variant) == (5, 0)
    assert CartLine.objects.get().quantity == 2


def test_paid_after_the_goods_went_is_a_case(buy, make_variant):
    variant = make_variant(stock=1)
    order = bought(buy, variant)
    StockHold.objects.filter(order=order).update(state=StockHold.State.RELEASED)
    Stock.objects.filter(pk=variant.pk).update(on_hand=0, held=0)

    record_payment(order, way=Transaction.Scene.BANK, reference="BOC 1", actor="staff:1")
    relay_outbox(limit=10)

    assert Case.objects.get().kind == Case.Kind.GOODS_GONE


@pytest.mark.rows("C01", "C05")
@pytest.mark.parametrize("sent", [0, 1, 12799, 12801])
def test_a_total_that_is_not_todays_makes_no_order(buy, make_variant, sent):
    buy.add(make_variant())
    buy.contact()

    answer = buy.confirm(total_fen=sent, price=1, discount=12800, state="paid", paid_at="2026-01-01", out_trade_no="x")

    assert answer.status_code == 409
    assert not Order.objects.exists()


@pytest.mark.rows("C05")
def test_a_price_that_moved_is_shown_old_and_new_before_anything_is_ordered(buy, make_variant):
    variant = make_variant()
    buy.add(variant)
    buy.contact()
    seen = buy.offered()
    type(variant).objects.filter(pk=variant.pk).update(price_fen=13900)

    answer = buy.client.post("/checkout/pay/", seen)

    assert answer.status_code == 409
    assert "¥128.00 → ¥139.00" in answer.content.decode()
    assert not Order.objects.exists()
    assert buy.confirm().status_code == 303
    assert Order.objects.get().total_fen == 13900


@pytest.mark.rows("C02", "C03")
@pytest.mark.parametrize("quantity", ["0", "-1", "0.5", "1e9", "100", "9" * 40, "abc", "", "[1]"])
def test_quantities_that_are_none_are_refused(buy, make_variant, quantity):
    assert buy.add(make_variant(), quantity).status_code == 400
    assert not CartLine.objects.exists()


@pytest.mark.rows("C04")
def test_an_order_of_nothing_is_paid_without_alipay(buy, make_variant):
    order = bought(buy, make_variant(fen=0))

    assert (order.state, order.paid_by.scene) == ("paid", "free")


@pytest.mark.rows("C06")
def test_what_happens_to_the_cart_later_leaves_the_order_alone(buy, make_variant):
    variant = make_variant()
    order = bought(buy, variant)
    buy.add(variant, 3)
    type(variant).objects.filter(pk=variant.pk).update(price_fen=1)

    assert [(line.quantity, line.unit_price_fen) for line in order.lines.all()] == [(1, 12800)]
    assert Order.objects.get().total_fen == 12800


@pytest.mark.rows("F74", "F75", "C12")
def test_the_same_press_again_leads_to_the_same_order(buy, make_variant):
    buy.add(make_variant())
    buy.contact()
    pressed = buy.offered()

    answers = [buy.client.post("/checkout/pay/", pressed) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {303}
    assert len({answer["Location"] for answer in answers}) == 1
    assert Order.objects.count() == 1


@pytest.mark.rows("F75")
def test_going_back_to_the_checkout_finds_the_order_that_exists(buy, make_variant):
    order = bought(buy, make_variant())

    assert "这笔订单已经生成" in buy.client.get("/checkout/pay/").content.decode()
    assert buy.client.post("/checkout/pay/", {"key": "k" * 20, "total_fen": 12800, "way": "qr"}).status_code == 409
    assert Order.objects.get() == order


@pytest.mark.rows("C14")
def test_goods_that_are_withdrawn_can_neither_be_added_nor_ordered(buy, make_variant):
    hidden = make_variant("HID-1", is_listed=False)
    assert buy.add(hidden).status_code == 400
    for none in (10**9, "0", "-1", "HID-1", "1 OR 1=1", ""):
        assert buy.client.post("/cart/add", {"variant": none, "quantity": 1}).status_code in (400, 404), none
    variant = make_variant()
    buy.add(variant)
    buy.contact()
    seen = buy.offered()
    type(variant).objects.filter(pk=variant.pk).update(is_listed=False)

    assert buy.client.post("/checkout/pay/", seen).status_code == 409
    assert not Order.objects.exists()


@pytest.mark.rows("C15")
def test_a_form_from_elsewhere_orders_nothing(buy, make_variant):
    buy.add(make_variant())
    buy.contact()
    pressed = buy.offered()
    buy.client.handler.enforce_csrf_checks = True

    assert buy.client.post("/checkout/pay/", pressed).status_code == 403
    assert not Order.objects.exists()


@pytest.mark.rows("C16")
@pytest.mark.parametrize("field", ["name", "region", "address", "note"])
def test_what_is_too_long_is_refused_and_kept_in_the_form(buy, make_variant, field):
    buy.add(make_variant())

    answer = buy.contact(**{field: "长" * 1000})

    assert answer.status_code == 400
    assert "请缩短到" in answer.content.decode()


@pytest.mark.rows("C16", "R06")
@pytest.mark.parametrize("text", ["🍵 龙井", "\u202eabc", "<script>alert(1)</script>", "a & b = 100% \"c\" 'd'"])
def test_what_people_type_is_stored_exactly_and_shown_escaped(buy, make_variant, text):
    buy.add(make_variant())
    buy.contact(address=text, note=text)
    buy.confirm()
    order = Order.objects.get()

    page = buy.client.get(f"/order/{order.token}/").content.decode()

    assert order.delivery.address == text
    assert "<script>alert" not in page


@pytest.mark.parametrize("typed", ["138-0000-0000", "+86 138 0000 0000", "１３８００００００００", "0086 13800000000"])
def test_mobile_numbers_are_taken_as_people_write_them(buy, make_variant, typed):
    buy.add(make_variant())

    assert buy.contact(mobile=typed).status_code == 303


@pytest.mark.parametrize("typed", ["12", "23800000000", "138000000001", "abc"])
def test_other_numbers_are_asked_for_again_in_words(buy, make_variant, typed):
    buy.add(make_variant())

    answer = buy.contact(mobile=typed)

    assert answer.status_code == 400
    assert answer.content.decode().count("请填写手机号，例如 138 0000 0000。") == 2, "at the field, and on top"


@pytest.mark.rows("F54")
def test_the_last_piece_is_sold_to_one_of_twenty(make_variant, identity):
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    variant = make_variant(stock=1)
    carts = []
    for _ in range(20):
        cart = Cart.objects.create()
        CartLine.objects.create(cart=cart, variant=variant, quantity=1, seen_fen=12800)
        keep_draft(cart, {**CONTACT, "mobile": "13800000000"})
        carts.append(cart)
    start = threading.Barrier(20)

    def press(cart: Cart) -> str:
        start.wait()
        try:
            place_purchase(cart, key="k" * 20, seen_total=Money(12800), language="en", user=None)
        except GoodsGone:
            return "gone"
        finally:
            connection.close()
        return "placed"

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(press, carts))

    assert sorted(outcomes) == ["gone"] * 19 + ["placed"]
    assert (Order.objects.count(), stock_of(variant)) == (1, (1, 1))


def test_late_goods_are_taken_again_unless_the_buyer_cancelled(make_variant, merchant):
    variant = make_variant(stock=2)
    words: Any = {"lines": [Line("x", Money(1))], "title": "x", "language": "en", "caller": "t", "now": database_now()}
    late, cancelled = place_order(**words), place_order(**words)
    for order in (late, cancelled):
        StockHold.objects.create(order=order, variant=variant, quantity=1, state=StockHold.State.RELEASED)
    Order.objects.filter(pk=cancelled.pk).update(cancelled_at=database_now())

    assert (stock.retake(late.pk), stock.retake(cancelled.pk)) == (True, False)
    assert stock_of(variant) == (2, 1)


@pytest.mark.parametrize("change", [{"price_fen": 12801}, {"price_fen": 12799}, {"is_listed": False}])
def test_late_goods_are_not_taken_at_another_price_or_when_no_longer_sold(make_variant, merchant, change):
    variant = make_variant(stock=2)
    order = place_order(
        lines=[Line("x", Money(12800), sku=variant.sku)], title="x", language="en", caller="t", now=database_now()
    )
    StockHold.objects.create(order=order, variant=variant, quantity=1, state=StockHold.State.RELEASED)
    type(variant).objects.filter(pk=variant.pk).update(**change)

    assert not stock.retake(order.pk)
    assert stock_of(variant) == (2, 0)
    type(variant).objects.filter(pk=variant.pk).update(price_fen=12800, is_listed=True)
    assert stock.retake(order.pk)
