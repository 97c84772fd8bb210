"""Somebody holds one order's rows: the workers' rounds leave that order for later, and every other one gets its turn."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, connections

from payments import gateway, tasks
from payments.models import GatewayCall, Order, Refund, RefundBatch, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.services.bulk_refund import confirm_batch
from payments.services.plan_batch import plan_batch
from payments.services.refund import request_refund
from payments.services.start_payment import start_payment
from tests.conftest import make_merchant
from tests.payments.test_send_refunds import approved, pay

Seen = Callable[[], list[str]]  # what each of the orders has come to, in the order they were placed


@pytest.fixture
def held(committed_db, identity, twin) -> Iterator[Callable[[Order], object]]:
    """Holds a row on another connection of the application's role. Our own gives up soon, so that the tests are quick."""
    make_merchant(identity, f"{twin.url}/gateway.do")
    gateway.merchants(refresh=True)
    name = connections["default"].settings_dict["NAME"]
    with (
        psycopg.connect(host=os.environ["TEST_SOCKETS"], user=connection.settings_dict["USER"], dbname=name) as other,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET lock_timeout = '150ms'")
        yield lambda order: [
            other.execute(f"SELECT FROM payments_{table} WHERE {column} = %s FOR UPDATE", [order.pk])
            for table, column in (("order", "id"), ("transaction", "order_id"))
        ]
        other.rollback()
        cursor.execute("RESET lock_timeout")


def to_poll(orders: list[Order], twin) -> Seen:
    for order in orders:
        attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
        twin.control("pay", out_trade_no=attempt.out_trade_no)
    Transaction.objects.update(next_check_at=database_now())
    return lambda: [Order.objects.get(pk=each.pk).state for each in orders]


def to_close(orders: list[Order], twin) -> Seen:
    for order in orders:
        start_payment(order, scene=Transaction.Scene.QR, actor="test")
    end = database_now() - timedelta(minutes=3)
    Order.objects.update(expires_at=end)
    Transaction.objects.update(time_expire=end, close_due_at=database_now(), next_check_at=None)
    return lambda: [Order.objects.get(pk=each.pk).state for each in orders]


def to_close_orders(orders: list[Order], twin) -> Seen:
    Order.objects.update(expires_at=database_now() - timedelta(minutes=3))
    return lambda: [Order.objects.get(pk=each.pk).state for each in orders]


def to_end(orders: list[Order], twin) -> Seen:
    long_ago = database_now() - timedelta(minutes=5)
    for order in orders:
        attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
        GatewayCall.objects.create(
            account=order.account, transaction=attempt, method="alipay.trade.close", purpose="close",
            number=attempt.out_trade_no, started_at=long_ago,
        )  # fmt: skip
    calls = GatewayCall.objects.filter(purpose="close").order_by("transaction_id")
    return lambda: list(calls.values_list("outcome", flat=True))


def to_send(orders: list[Order], twin) -> Seen:
    refunds = [approved(pay(each, twin)) for each in orders]
    Refund.objects.update(next_check_at=database_now())
    return lambda: [Refund.objects.get(pk=each.pk).state for each in refunds]


def to_lapse(orders: list[Order], twin) -> Seen:
    over, buyer = database_now(), Refund.Origin.BUYER
    refunds = [
        request_refund(pay(each, twin), Money(1), requester="buyer", origin=buyer, lapses_at=over) for each in orders
    ]
    return lambda: [Refund.objects.get(pk=each.pk).state for each in refunds]


def to_ask_in_bulk(orders: list[Order], twin) -> Seen:
    boss = User.objects.create_superuser("boss@example.com", "x")
    for each in orders:
        pay(each, twin)
    batch = plan_batch(
        Order.objects.all(), person=boss, scope=RefundBatch.Scope.WHOLE, reason=Refund.Reason.RECALLED
    )  # fmt: skip
    confirm_batch(batch, person=boss, typed=batch.total)
    RefundBatch.objects.update(due_at=database_now())
    return lambda: ["asked" if each.paid_by.refunds.exists() else "" for each in Order.objects.order_by("pk")]


ROUNDS = {
    "poll": (to_poll, tasks.poll_unsettled, ["awaiting_payment", "paid", "paid"]),
    "close": (to_close, tasks.close_due, ["awaiting_payment", "closed", "closed"]),
    "close orders": (to_close_orders, tasks.close_due, ["awaiting_payment", "closed", "closed"]),
    "end dead calls": (to_end, tasks.end_dead_calls, ["intended", "unknown", "unknown"]),
    "send refunds": (to_send, tasks.send_refunds, ["approved", "succeeded", "succeeded"]),
    "lapse requests": (to_lapse, tasks.lapse_refund_requests, ["requested", "lapsed", "lapsed"]),
    "ask in bulk": (to_ask_in_bulk, tasks.go_on_with_bulk_refunds, ["", "asked", "asked"]),
}


@pytest.mark.rows("F17", "F32")
@pytest.mark.parametrize("name", ROUNDS)
def test_an_order_that_somebody_holds_keeps_no_other_waiting(held, make_order, twin, clocks, name):
    clocks(refunds_apart_s=0)
    made_ready, task, expected = ROUNDS[name]
    orders = [make_order() for _ in range(3)]
    seen = made_ready(orders, twin)
    held(orders[0])

    task()

    assert seen() == expected
