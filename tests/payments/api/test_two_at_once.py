"""Two who start a payment of one order at the same instant, on real connections: one can be paid, and no other."""

import time

import pytest

from payments import gateway
from tests.conftest import make_merchant
from tests.payments.api.conftest import ORDER, code_of
from tests.payments.api.test_scenes import LI, WANG
from tests.payments.test_races import together

QR = {"scene": "qr"}


@pytest.fixture
def start(committed_db, identity, twin, connect_committed):
    """Places an order, and starts a payment of it for each of these wishes at once, `apart_s` from each other."""
    twin.control("faults", mute="true")
    make_merchant(identity, f"{twin.url}/gateway.do")
    gateway.merchants(refresh=True)
    shop = connect_committed()

    def wish(path, body, wait_s):
        time.sleep(wait_s)
        return shop.post(path, body)

    def all_at_once(*wishes, apart_s=0.0):
        path = f"orders/{shop.post('orders', ORDER).json()['number']}/payments"
        acts = [lambda each=each, at=at: wish(path, each, at * apart_s) for at, each in enumerate(wishes)]
        return together(*acts), shop.get(path).json()

    return all_at_once


def told(answers):
    """The payments that were given to somebody. All other answers are refusals, and say so."""
    refusals = [each for each in answers if each.status_code != 201]
    assert {(each.status_code, code_of(each)) for each in refusals} <= {(409, "not_payable")}
    return [each.json() for each in answers if each.status_code == 201]


def payable_trades(twin):
    return {each.trade_no for each in twin.site.alipay.book.trades.values() if each.status == "WAIT_BUYER_PAY"}


@pytest.mark.parametrize("wishes", [(LI, WANG), (LI, LI)])
def test_of_two_buyers_or_one_twice_there_is_one_trade_and_the_other_is_clearly_refused(start, twin, wishes):
    for _ in range(10):
        before = payable_trades(twin)
        answers, _attempts = start(*wishes)

        given = {each["pay"]["trade_no"] for each in told(answers)}
        assert len(given) == 1
        assert payable_trades(twin) - before == given


def test_a_trade_left_for_another_while_alipay_makes_it_is_ended_there_and_told_to_nobody(start, twin):
    twin.control("faults", delay="1", seconds="0.6")

    (first, second), attempts = start(LI, WANG, apart_s=0.3)

    assert (first.status_code, code_of(first), second.status_code) == (409, "not_payable", 201)
    assert payable_trades(twin) == {second.json()["pay"]["trade_no"]}
    assert [each["state"] for each in attempts] == ["closed", "presented"]


def test_of_a_trade_and_a_code_wanted_at_once_one_is_there(start, twin):
    for _ in range(6):
        answers, attempts = start(LI, QR)

        assert 1 <= len(told(answers)) <= 2
        assert all(each["scene"] == "jsapi" for each in told(answers) if each["pay"]["trade_no"])
        assert sum(each["state"] == "presented" and not each["superseded"] for each in attempts) == 1
