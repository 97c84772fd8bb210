"""Mails about orders: in the buyer's language, once per event, and never "paid" before it is."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client

from payments.models import Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.services.close import close_due, retire
from payments.services.relay_outbox import relay_outbox
from payments.services.start_payment import start_payment


@pytest.fixture
def order(buy, make_variant) -> Order:
    buy.client.post("/i18n/setlang/", {"language": "en"})
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    return Order.objects.get()


def subjects() -> list[str]:
    for _ in range(2):
        relay_outbox(limit=20)
    return [str(sent.subject) for sent in mail.outbox]


def due(topic: str) -> None:
    assert OutboxMessage.objects.filter(topic=topic).update(due_at=database_now()) == 1


def grouped(order: Order) -> str:
    return "\u00a0".join(order.number[at : at + 4] for at in range(0, 16, 4))


def test_ten_minutes_after_placing_an_unpaid_order_is_brought_to_mind(order):
    assert subjects() == []
    due("order.placed")

    (subject,) = subjects()
    assert subject.startswith(f"Order {grouped(order)} awaits payment, kept until")
    assert "Not paid yet; this is not a receipt." in mail.outbox[0].body
    assert f"https://shop.example/pay/{order.token}/" in mail.outbox[0].body


def test_a_refusal_of_alipay_sends_the_way_back_at_once_and_only_once(order, twin):
    Transaction.objects.all().update(superseded=True)
    Order.objects.update(account=order.account)
    type(order.account).objects.update(app_id="2021000000000000")
    from payments import gateway  # noqa: PLC0415  # what this process remembers of the account

    gateway._merchants = (0.0, {})
    attempt = start_payment(Order.objects.select_related("account").get(), scene=Transaction.Scene.QR, actor="test")
    assert attempt.refused

    assert len(subjects()) == 1
    assert "awaits payment" in mail.outbox[0].subject
    assert len(subjects()) == 1


def test_an_order_that_ran_out_says_that_nothing_was_paid_and_how_to_come_back(order, clocks):
    clocks(grace_s=0)
    past = database_now() - timedelta(minutes=1)
    Order.objects.update(expires_at=past)
    Transaction.objects.update(time_expire=past, close_due_at=past)
    close_due(limit=10)

    assert subjects() == [f"No payment arrived for order {grouped(order)}"]
    assert f"https://shop.example/order/{order.token}/" in mail.outbox[0].body


def test_a_buyer_who_cancelled_is_not_told_so(order):
    Client().post(f"/order/{order.token}/cancel")
    due("order.placed")

    assert subjects() == []


def test_ten_minutes_of_doubt_are_written_about_once_with_an_end(order, twin):
    attempt = Transaction.objects.select_related("account").get()
    twin.control("faults", http_500="9")
    for _ in range(2):
        retire(attempt, actor="buyer")
    assert subjects() == []
    due("attempt.in_doubt")

    assert subjects() == [f"Checking your payment for order {grouped(order)}; please don't pay again"]
    assert "keep your order, until" in mail.outbox[0].body


def test_doubt_that_ended_is_not_written_about(order, twin):
    attempt = Transaction.objects.select_related("account").get()
    twin.control("faults", http_500="2")
    retire(attempt, actor="buyer")
    Transaction.objects.update(in_doubt=False)
    due("attempt.in_doubt")

    assert subjects() == []


def test_i_have_paid_without_an_answer_is_doubt_too(order, twin):
    twin.control("faults", http_500="9")

    Client().post(f"/pay/{order.token}/check")

    assert OutboxMessage.objects.filter(topic="attempt.in_doubt").count() == 1
