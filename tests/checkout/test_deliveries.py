"""Parcels: seen by who serves buyers, sent once they are paid, and the buyer is told once."""

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse

from checkout.models import Delivery, Question
from payments.models import AuditEvent, Order, Transaction, User
from payments.services.record_payment import record_payment
from payments.services.relay_outbox import relay_outbox
from tests.conftest import enter


@pytest.fixture
def order(buy, make_variant) -> Order:
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    return Order.objects.get()


@pytest.fixture
def paid(order) -> Order:
    record_payment(order, way=Transaction.Scene.CASH, reference="slip 7", actor="staff:1")
    relay_outbox(limit=10)
    mail.outbox.clear()
    return order


def colleague(role: str) -> Client:
    person = User.objects.create_user(f"{role.replace(' ', '.')}@example.com", "x", is_staff=True)
    person.groups.set(Group.objects.filter(name=role))
    return enter(Client(headers={"accept-language": "en"}), person)


def page(order: Order, step: str) -> str:
    return reverse(f"admin:checkout_delivery_{step}", args=[order.pk])


def test_a_paid_parcel_is_sent_and_arrives_and_the_buyer_hears_of_it_once(paid, client):
    support = colleague("support")
    shown = support.get(page(paid, "change")).content.decode()
    assert all(text in shown for text in ("龙井路 1 号", "13800000000", page(paid, "send")))

    for _ in range(2):
        support.post(page(paid, "send"), {"carrier": "SF 1234"})
        relay_outbox(limit=10)

    (sent,) = mail.outbox
    assert "已发出" in sent.subject
    assert "SF 1234" in sent.body
    assert AuditEvent.objects.filter(action="sent").count() == 1
    support.post(page(paid, "arrived"))
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    steps = client.get(f"/order/{paid.token}/").content.decode()
    assert "SF 1234" in steps
    assert steps.count('<li class="done">') == 4


def test_what_is_not_paid_is_not_sent(order):
    answer = colleague("support").post(page(order, "send"), {"carrier": ""}, follow=True)

    assert "Nothing was changed" in answer.content.decode()
    assert Delivery.objects.get().state == Delivery.State.WAITING


@pytest.mark.parametrize("role", ["viewer", "cashier", "catalogue manager"])
def test_addresses_are_for_those_who_serve_buyers(paid, role):
    browser = colleague(role)

    assert browser.get(page(paid, "change")).status_code == 403
    assert browser.post(page(paid, "send"), {"carrier": "x"}).status_code == 403
    assert Delivery.objects.get().state == Delivery.State.PREPARING


def test_questions_are_read_where_parcels_are(order):
    question = Question.objects.create(order=order, text="Where is it?")

    assert "Where is it?" in colleague("support").get(
        reverse("admin:checkout_question_change", args=[question.pk])
    ).content.decode()  # fmt: skip
