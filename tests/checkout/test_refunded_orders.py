"""An order of which money goes back: its page, its receipt, and its parcel say the same."""

import re

import pytest

from checkout.errors import MoneyGoesBack
from checkout.models import Delivery
from checkout.receipts import receipt_pdf, returned
from checkout.services.send_delivery import send_delivery
from payments.models import Order, Refund, Transaction
from payments.money import Money
from payments.services.receive_notice import receive_notice
from payments.services.refund import approve_refund, fail_refund, reject_refund, request_refund, settle_refund
from payments.services.relay_outbox import relay_outbox
from tests.checkout.test_deliveries import colleague, page
from tests.conftest import journalled

Origin = Refund.Origin


@pytest.fixture
def order(buy, make_variant, says) -> Order:
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    receive_notice(says.notice(Transaction.objects.get()))
    relay_outbox(limit=10)
    return Order.objects.get()


def ask(order: Order, fen: int, origin: Refund.Origin = Origin.BUYER) -> Refund:
    attempt = Transaction.objects.get(order=order)
    requester = "buyer" if origin == Origin.BUYER else "staff:1"
    return request_refund(attempt, Money(fen), requester=requester, origin=origin)


def send_back(order: Order, fen: int) -> Refund:
    refund = ask(order, fen)
    approve_refund(refund, approver="staff:2")
    assert settle_refund(refund, actor="refunds", evidence=journalled(refund))
    return refund


def shown(client, order: Order, door: str = "", language: str = "en") -> str:
    html = client.get(f"/order/{order.token}/{door}", headers={"accept-language": language}).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_part_that_went_back_is_in_the_headline_in_both_languages(client, order):
    send_back(order, 3000)

    assert "¥30.00 of ¥128.00 refunded" in shown(client, order)
    assert "已退款 ¥30.00，共付 ¥128.00" in shown(client, order, language="zh-CN")
    paying = client.get(f"/pay/{order.token}/", headers={"accept-language": "en"}).content.decode()
    assert "¥30.00 of ¥128.00 refunded" in paying


def test_what_went_back_wholly_says_so(client, order):
    send_back(order, 12800)

    assert "¥128.00 refunded" in shown(client, order)
    assert "已退款 ¥128.00" in shown(client, order, language="zh-CN")


def test_each_step_of_a_refund_has_its_honest_words(client, order):
    refund = ask(order, 3000)
    assert "We have your request for ¥30.00" in shown(client, order)
    approve_refund(refund, approver="staff:2")
    assert "Refund of ¥30.00 agreed, on its way" in shown(client, order)
    Refund.objects.update(state=Refund.State.SENT, in_doubt=True)
    assert "checking with Alipay; no need to ask again" in shown(client, order)
    assert "sent back" not in shown(client, order)
    refund.refresh_from_db()
    settle_refund(refund, actor="refunds", evidence=journalled(refund))
    assert "¥30.00 sent back at" in shown(client, order)
    assert "已于" in shown(client, order, language="zh-CN")


def test_a_refund_that_did_not_come_about_is_not_called_sent_back(client, order):
    reject_refund(ask(order, 3000), actor="staff:2", why="used")
    assert "Refund of ¥30.00 not agreed" in shown(client, order)
    refund = ask(order, 4000)
    approve_refund(refund, approver="staff:2")
    fail_refund(refund, actor="refunds", evidence=journalled(refund, outcome="certainly_not"))
    assert "Alipay could not send back ¥40.00; we contact you" in shown(client, order)
    assert not returned(order)


def test_a_refusal_says_on_the_order_page_why_in_the_words_of_the_staff(client, order):
    why = "茶叶已开封 <b>" + "，" * 150
    reject_refund(ask(order, 3000), actor="staff:2", why=why)

    html = client.get(f"/order/{order.token}/", headers={"accept-language": "zh-CN"}).content.decode()
    assert "没有同意退款 ¥30.00，原因：“茶叶已开封" in html
    assert "茶叶已开封 &lt;b&gt;" + "，" * 150 in html, "whole, and harmless"
    assert "because: “茶叶已开封" in shown(client, order)


def test_what_staff_only_ask_each_other_is_no_promise_to_the_buyer(client, order):
    refund = ask(order, 3000, Origin.STAFF)
    assert "¥30.00" not in shown(client, order)
    reject_refund(refund, actor="staff:2", why="no")
    assert "¥30.00" not in shown(client, order)


def test_the_receipt_lists_what_went_back_with_the_same_figures_on_page_and_paper(client, order):
    send_back(order, 3000)
    send_back(order, 800)
    order.refresh_from_db()

    rows = returned(order)
    assert [str(amount) for _, amount in rows] == ["−¥30.00", "−¥8.00", "¥90.00"]
    html = shown(client, order, "receipt/", "zh-CN")
    assert all(f"{label} {amount}" in html for label, amount in rows)
    assert receipt_pdf(order).startswith(b"%PDF-")


def test_a_parcel_is_not_sent_when_its_money_goes_back(order):
    refund = ask(order, 12800)
    with pytest.raises(MoneyGoesBack):
        send_delivery(order.pk, carrier="SF 1", actor="staff:1")

    reject_refund(refund, actor="staff:2", why="used")
    send_back(order, 3000)
    assert send_delivery(order.pk, carrier="SF 1", actor="staff:1"), "a part of it is no reason to keep the rest"


def test_staff_read_why_a_refunded_parcel_is_not_sent(order):
    support = colleague("support")
    assert page(order, "send") in support.get(page(order, "change")).content.decode()
    send_back(order, 12800)

    answer = support.post(page(order, "send"), {"carrier": "SF 1"}, follow=True).content.decode()

    assert "This parcel is not sent" in answer
    assert page(order, "send") not in answer
    assert Delivery.objects.get().state == Delivery.State.PREPARING
