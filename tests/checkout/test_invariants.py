"""Goods and parcels that contradict the books are refused by the database, or named."""

import pytest
from django.db import IntegrityError, transaction

from checkout.models import Delivery, Stock, StockHold
from payments.models import Order, Transaction
from payments.models.clock import database_now
from payments.queries.invariants import check_invariants
from payments.services.record_payment import record_payment


@pytest.fixture
def order(buy, make_variant) -> Order:
    buy.add(make_variant(stock=5), 2)
    buy.contact()
    buy.confirm()
    assert broken() == {}
    return Order.objects.get()


def broken() -> dict[str, list[str]]:
    return {each.name: each.ids for each in check_invariants() if each.hits}


@pytest.mark.rows("I-20")
def test_nothing_is_sent_before_it_is_paid(order):
    sent = {"state": Delivery.State.SENT, "sent_at": database_now()}
    with pytest.raises(IntegrityError, match="only what is paid is sent"), transaction.atomic():
        Delivery.objects.filter(order=order).update(**sent)

    record_payment(order, way=Transaction.Scene.CASH, reference="slip 7", actor="staff:1")
    Delivery.objects.filter(order=order).update(**sent)
    assert broken() == {}

    Delivery.objects.filter(order=order).update(sent_at=None)
    assert broken() == {"I-20": [f"delivery:{order.pk}"]}


@pytest.mark.rows("I-23")
def test_stock_holds_what_orders_hold(order):
    Stock.objects.update(held=1)

    assert broken() == {"I-23": [f"stock:{order.holds.get().variant_id}"]}


@pytest.mark.rows("I-29")
def test_goods_are_not_held_for_orders_that_are_over(order):
    StockHold.objects.update(ended_at=database_now())

    assert broken() == {"I-29": [f"hold:{order.holds.get().pk}"]}
