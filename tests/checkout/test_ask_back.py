"""A buyer asks for money back: by line, with a reason, after seeing the sum; one request for a line at a time."""

import pytest
from django.test import Client

from checkout.models import Delivery
from payments.models import Order, Refund, Transaction
from payments.services.receive_notice import receive_notice


@pytest.fixture
def bought(buy, make_variant, says) -> Order:
    """Two of a tea at ¥128.00, paid at Alipay; bought in this browser."""
    buy.add(make_variant("LJ-50"), 2)
    buy.contact()
    buy.confirm()
    order = Order.objects.get()
    receive_notice(says.notice(Transaction.objects.get(order=order)))
    order.refresh_from_db()
    return order


def page(order: Order) -> str:
    return f"/order/{order.token}/refund/"


def test_the_sum_is_shown_before_anything_is_asked(buy, bought):
    assert "申请退款" in buy.client.get(f"/order/{bought.token}/").content.decode()
    looked = buy.client.post(page(bought), {"pieces_1": "1", "reason": "damaged", "look": "1"})

    assert "申请退 ¥128.00" in looked.content.decode()
    assert not Refund.objects.exists()


def test_the_second_press_asks_and_says_so(buy, bought):
    answer = buy.client.post(page(bought), {"pieces_1": "1", "reason": "damaged", "send": "1"}, follow=True)

    refund = Refund.objects.get()
    assert (refund.amount_fen, refund.lines, refund.state) == (128_00, {"1": 128_00}, Refund.State.REQUESTED)
    assert (refund.requester, refund.origin, refund.reason_code) == ("buyer", Refund.Origin.BUYER, "damaged")
    assert refund.lapses_at is not None
    assert "已收到申请" in answer.content.decode()


def test_a_line_with_a_request_is_not_asked_for_again(buy, bought):
    buy.client.post(page(bought), {"pieces_1": "1", "reason": "damaged", "send": "1"})

    assert "有申请正在处理" in buy.client.get(page(bought)).content.decode()
    buy.client.post(page(bought), {"pieces_1": "1", "reason": "damaged", "send": "1"})
    assert Refund.objects.count() == 1


@pytest.mark.parametrize(
    "values",
    [
        {"reason": "damaged"}, {"pieces_1": "0", "reason": "damaged"}, {"pieces_1": "3", "reason": "damaged"},
        {"pieces_1": "-1", "reason": "damaged"}, {"pieces_1": "x", "reason": "damaged"}, {"pieces_1": "1"},
        {"pieces_1": "1", "reason": "recalled"}, {"pieces_1": "1", "reason": "other"},
        {"pieces_9": "1", "reason": "damaged"}, {"pieces_shipping": "1", "reason": "damaged"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_missing_or_too_much_is_told_and_nothing_is_asked(buy, bought, values):
    assert buy.client.post(page(bought), {**values, "send": "1"}).status_code == 400
    assert not Refund.objects.exists()


@pytest.mark.rows("O02", "O05")
def test_who_only_has_the_link_shows_first_that_they_know_the_mobile(bought):
    stranger = Client()
    for answer in (
        stranger.get(page(bought)), stranger.post(page(bought), {"pieces_1": "1", "reason": "damaged", "send": "1"}),
    ):  # fmt: skip
        assert answer["Location"] == f"/order/{bought.token}/"
    assert stranger.get("/order/no-such-token/refund/").status_code == 404
    assert not Refund.objects.exists()

    stranger.post(f"/order/{bought.token}/unlock", {"tail": "0000"})
    assert stranger.get(page(bought)).status_code == 200


def test_an_unpaid_order_has_nothing_to_ask_for(buy, make_variant):
    buy.add(make_variant("LJ-50"))
    buy.contact()
    buy.confirm()

    assert buy.client.get(page(Order.objects.get())).status_code == 404
    assert Delivery.objects.exists()
