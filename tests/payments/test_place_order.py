import re
from datetime import timedelta

import pytest

from payments.errors import KeyReused, OrderRefused
from payments.models import GatewayCall, IdempotencyRecord, MerchantAccount, Order, OutboxMessage, Transfer
from payments.models.clock import database_now
from payments.money import Money
from payments.services.place_order import Line, place_order

TEA, CUP = Line("明前龙井", Money(8880), 2), Line("青瓷小杯", Money(4500))


def place(**changes):
    words = {"lines": [TEA, CUP], "title": "茶", "language": "zh-hans", "caller": "test", "now": database_now()}
    return place_order(**{**words, **changes})


def test_an_order_freezes_its_lines_and_adds_them_up(merchant):
    order = place(shipping=Money(800), discount=Money(60))

    assert order.total == Money(2 * 8880 + 4500 + 800 - 60)
    assert list(order.lines.order_by("position").values_list("title", "unit_price_fen", "quantity")) == [
        ("明前龙井", 8880, 2),
        ("青瓷小杯", 4500, 1),
    ]


def test_an_order_is_kept_for_its_life_by_the_database_clock(merchant, clocks):
    clocks(order_life_s=900)
    now = database_now()

    assert place(now=now).expires_at == now.replace(microsecond=0) + timedelta(minutes=15)
    assert place(now=now, life=timedelta(minutes=1)).expires_at == now.replace(microsecond=0) + timedelta(minutes=1)


def test_numbers_are_sixteen_digits_and_say_nothing_about_each_other(merchant):
    numbers = [place().number for _ in range(20)]

    assert all(re.fullmatch(r"\d{16}", number) for number in numbers)
    assert len({number[8:13] for number in numbers}) > 15, "the random part is no counter"


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": []},
        {"lines": [Line("x", Money(1), 0)]},
        {"lines": [Line("x", Money(1), -1)]},
        {"lines": [Line("x", Money(100), 2), Line("y", Money(-50))]},
        {"discount": Money(22_261)},
        {"lines": [Line("x", Money(100_000_000_01))]},
    ],
)
def test_what_alipay_could_not_take_is_refused_before_anything_is_written(merchant, changes):
    with pytest.raises(OrderRefused):
        place(**changes)
    assert Order.objects.count() == 0


def test_an_order_of_nothing_is_paid_without_alipay_and_marked_so(merchant):
    order = place(lines=[Line("a taste", Money(0))])

    assert (order.state, order.paid_by.scene, order.paid_by.trade_no) == ("paid", "free", None)
    assert Transfer.objects.count() == GatewayCall.objects.count() == 0
    assert OutboxMessage.objects.get().topic == "order.paid"


def test_without_an_account_nothing_can_be_ordered(db):
    with pytest.raises(OrderRefused, match="connect_alipay"):
        place()


def test_an_account_out_of_use_takes_no_orders(merchant):
    MerchantAccount.objects.update(is_active=False)

    with pytest.raises(OrderRefused):
        place()


def test_the_same_key_gives_the_same_order(merchant):
    assert place(key="k1") == place(key="k1")
    assert Order.objects.count() == IdempotencyRecord.objects.count() == 1


def test_the_same_key_for_other_content_is_refused(merchant):
    place(key="k1")

    with pytest.raises(KeyReused):
        place(key="k1", lines=[CUP])


def test_the_same_key_of_another_caller_is_another_order(merchant):
    assert place(key="k1", caller="a") != place(key="k1", caller="b")


def test_a_refused_order_does_not_use_up_its_key(merchant):
    with pytest.raises(OrderRefused):
        place(key="k1", lines=[])
    assert place(key="k1")
