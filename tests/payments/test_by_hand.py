"""Cash and bank transfers: recorded by who may, through the same order and ledger, with a name under it."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from payments.models import AuditEvent, Order, OutboxMessage, Transaction, Transfer, User
from payments.services.start_payment import start_payment
from tests.conftest import enter


@pytest.fixture
def enter_as(db):
    def make(*roles: str) -> tuple[Client, User]:
        person = User.objects.create_user(f"{'-'.join(roles)}@example.com", "x", is_staff=True)
        person.groups.set(Group.objects.filter(name__in=roles))
        return enter(Client(headers={"accept-language": "en"}), person), person

    return make


def page(order: Order) -> str:
    return reverse("admin:payments_order_record", args=[order.pk])


CASH = {"way": "cash", "reference": "slip 7"}


@pytest.mark.parametrize(("way", "account"), [("cash", "cash"), ("bank", "bank")])
def test_money_beside_alipay_pays_the_order_in_the_same_books(enter_as, order, way, account):
    browser, person = enter_as("cashier")
    change = reverse("admin:payments_order_change", args=[order.pk])
    assert page(order) in browser.get(change).content.decode()
    assert "Record ¥88.80" in browser.get(page(order)).content.decode()

    answer = browser.post(page(order), {"way": way, "reference": "slip 7"}, follow=True)

    assert "¥88.80 recorded; the order is paid." in answer.content.decode()
    assert page(order) not in answer.content.decode()
    order.refresh_from_db()
    assert (order.state, order.paid_by.scene, order.paid_by.evidence) == ("paid", way, f"{way}:slip 7")
    assert [(each.debit, each.credit, each.fen) for each in Transfer.objects.all()] == [(account, "sales", 8880)]
    assert set(AuditEvent.objects.filter(actor=f"staff:{person.pk}").values_list("action", flat=True)) == {
        "recorded",
        "paid",
    }
    assert OutboxMessage.objects.filter(topic="order.paid").count() == 1


@pytest.mark.parametrize("role", ["viewer", "support", "catalogue manager"])
def test_who_may_not_record_can_neither_see_nor_post_it(enter_as, order, role):
    browser, _ = enter_as(role)

    assert browser.get(page(order)).status_code == 403
    assert browser.post(page(order), CASH).status_code == 403
    assert Transaction.objects.count() == 0


def test_a_second_press_records_nothing_more(enter_as, order):
    browser, _ = enter_as("finance")
    browser.post(page(order), CASH)

    assert "Nothing was recorded" in browser.post(page(order), CASH, follow=True).content.decode()
    assert Transfer.objects.count() == 1


def test_what_proves_it_must_be_said(enter_as, order):
    browser, _ = enter_as("cashier")

    assert browser.post(page(order), {"way": "cash", "reference": ""}).status_code == 200
    assert Order.objects.get().state == Order.State.AWAITING_PAYMENT


def test_while_alipay_gives_no_answer_about_a_code_no_cash_is_recorded(enter_as, connected, make_order, twin):
    browser, order = enter_as("cashier")[0], make_order()
    start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("faults", http_500="9")

    assert "Nothing was recorded" in browser.post(page(order), CASH, follow=True).content.decode()
    assert Order.objects.get().state == Order.State.AWAITING_PAYMENT
