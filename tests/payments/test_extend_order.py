"""More time for who needs it: near the end, ten times at most, with a code that lives as long."""

from datetime import timedelta

import pytest
from django.urls import reverse

from payments.models import AuditEvent, Order, Transaction
from payments.models.clock import database_now
from payments.services.attempt_requests import Buyer
from payments.services.cancel_order import cancel_order
from payments.services.extend_order import extend_order
from payments.services.start_payment import start_payment

Scene = Transaction.Scene


@pytest.fixture
def ending(connected, make_order) -> Order:
    """An order with two minutes left, less a moment."""
    return make_order(life=timedelta(seconds=119))


def press(client, order):
    return client.post(reverse("payments:keep", args=[order.token]))


def test_two_minutes_before_the_end_ten_more_are_given(client, ending):
    page = client.get(reverse("payments:pay", args=[ending.token])).content.decode()
    assert "还需要时间吗？" in page
    until = ending.expires_at

    assert press(client, ending).status_code == 303

    ending.refresh_from_db()
    assert (ending.expires_at, ending.extensions) == (until + timedelta(minutes=10), 1)
    assert AuditEvent.objects.filter(action="extended", subject_id=str(ending.pk)).count() == 1
    assert "还需要时间吗？" not in client.get(reverse("payments:pay", args=[ending.token])).content.decode()


def test_a_second_press_while_there_is_time_changes_nothing(client, ending):
    for _ in range(3):
        press(client, ending)

    assert Order.objects.get().extensions == 1


def test_ten_times_and_no_more(ending):
    for _ in range(12):
        Order.objects.update(expires_at=database_now() + timedelta(seconds=100))
        extend_order(ending, actor="buyer")

    assert Order.objects.get().extensions == 10


@pytest.mark.parametrize("left_s", [-1, 200])
def test_neither_too_early_nor_too_late(ending, left_s):
    Order.objects.update(expires_at=database_now() + timedelta(seconds=left_s))

    assert not extend_order(ending, actor="buyer")


def test_a_cancelled_order_is_not_kept_any_longer(ending):
    cancel_order(ending, actor="buyer")
    Order.objects.update(expires_at=database_now() + timedelta(seconds=100))

    assert not extend_order(ending, actor="buyer")


def test_a_code_nobody_scanned_is_replaced_by_one_that_lives_as_long(ending, clocks):
    clocks(least_life_s=1)
    first = start_payment(ending, scene=Scene.QR, actor="test")

    assert extend_order(ending, actor="buyer")

    first.refresh_from_db()
    second = Transaction.objects.exclude(pk=first.pk).get()
    assert first.superseded
    assert second.qr_code != first.qr_code
    assert second.time_expire == Order.objects.get().expires_at


def test_a_scanned_trade_is_left_alone(ending, clocks, twin):
    clocks(least_life_s=1, ask_again_s=0)
    first = start_payment(ending, scene=Scene.QR, actor="test")
    twin.control("scan", out_trade_no=first.out_trade_no)

    assert extend_order(ending, actor="buyer")

    assert Transaction.objects.get().state == Transaction.State.PRESENTED
    twin.control("pay", out_trade_no=first.out_trade_no)


def test_with_a_gateway_that_gives_no_answer_the_time_is_given_and_no_second_code(ending, clocks, twin):
    clocks(least_life_s=1)
    start_payment(ending, scene=Scene.QR, actor="test")
    twin.control("faults", http_500="9")

    assert extend_order(ending, actor="buyer")

    assert Transaction.objects.get().in_doubt


def test_a_trade_for_one_buyer_is_never_begun_anew_without_him(client, ending, clocks):
    """Who he is stands nowhere, so only the shop's own page can begin it."""
    clocks(least_life_s=1, ask_again_s=60)
    trade = start_payment(ending, scene=Scene.JSAPI, actor="test", buyer=Buyer(open_id="li-0"))
    Transaction.objects.update(asked_at=database_now())  # too short ago to ask again

    assert press(client, ending).status_code == 303

    trade.refresh_from_db()
    assert (trade.state, Transaction.objects.count()) == ("presented", 1)
    assert Order.objects.get().extensions == 1
