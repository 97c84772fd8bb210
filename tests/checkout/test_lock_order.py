"""Pieces of the same goods wanted in opposite order, and given back meanwhile: docs/lock-order.md on real connections."""

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, transaction

from checkout.models import Stock, StockHold
from checkout.services import stock
from payments import gateway
from payments.models import Order
from tests.conftest import make_merchant
from tests.payments.test_races import together

ROUNDS = 5


@pytest.fixture
def goods(committed_db, identity, make_variant, monkeypatch) -> list[int]:
    """Two kinds of goods, and whoever holds pieces of one is slow to ask for the next."""
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    hold = type(Stock.objects).hold

    def slow_hold(self: object, variant_id: int, quantity: int) -> bool:
        held = hold(self, variant_id, quantity)
        time.sleep(0.03)
        return held

    monkeypatch.setattr(type(Stock.objects), "hold", slow_hold)
    return [make_variant(sku=sku, stock=1000).pk for sku in ("LJ-50", "PE-50")]


def buying(order: Order, wanted: list[int]) -> Callable[[], None]:
    def buy() -> None:
        with transaction.atomic():
            Order.objects.locked(order.pk)
            stock.hold(order, [(variant, 1) for variant in wanted])

    return buy


def at_once(make_order, goods: list[int]) -> list[object]:
    """Two carts name the goods in opposite order, while an earlier order's pieces go back on the shelf."""
    earlier, first, second = (make_order() for _ in range(3))
    buying(earlier, goods)()
    Order.objects.filter(pk=earlier.pk).update(state=Order.State.CLOSED)
    return together(buying(first, goods), buying(second, goods[::-1]), lambda: stock.release({"order_id": earlier.pk}))


@pytest.mark.rows("F28")
def test_goods_in_opposite_order_do_not_deadlock(make_order, goods):
    for _ in range(ROUNDS):
        assert at_once(make_order, goods) == [None] * 3

    held = StockHold.objects.filter(state=StockHold.State.HELD)
    assert list(Stock.objects.values_list("held", flat=True)) == [ROUNDS * 2] * 2
    assert held.count() == ROUNDS * 4


def test_taken_as_the_cart_names_them_they_would(make_order, goods, monkeypatch):
    """The negative control: without the order of ids PostgreSQL finds a deadlock and ends one of the two."""
    monkeypatch.setattr(stock, "sorted", list, raising=False)

    def is_ended() -> bool:
        return any(
            isinstance(each, OperationalError) and "deadlock" in str(each) for each in at_once(make_order, goods)
        )

    assert any(is_ended() for _ in range(ROUNDS))
