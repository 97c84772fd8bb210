"""Beside paying: questions become cases with an owner, word when goods are back, a password and an address for next time."""

import re

import pytest
from django.core import mail
from django.test import Client

from checkout.models import Delivery, Question, Stock, StockAlert
from checkout.services import stock_alerts
from payments.models import Case, CaseEvent, Order, OutboxMessage, Transaction, User
from payments.services.record_payment import record_payment
from payments.services.relay_outbox import relay_outbox
from tests.checkout.conftest import CONTACT

PASSWORD = "a long walk in the hills"


@pytest.fixture
def order(buy, make_variant) -> Order:
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    return Order.objects.get()


# --- ask us ---------------------------------------------------------------------------------------------------------


def test_a_question_is_a_case_that_the_least_busy_colleague_owns(order, client):
    busy, free = (User.objects.create_superuser(f"{name}@example.com", "x") for name in ("busy", "free"))
    Case.objects.open_once(Case.Kind.STUCK, "transaction:1", evidence="x")
    Case.objects.update(owner=busy)

    answer = client.post(f"/order/{order.token}/ask/", {"text": "Where is it? 13800000000"}, follow=True)

    assert "已收到您的问题，同事会在" in answer.content.decode()
    case = Case.objects.get(kind=Case.Kind.BUYER_ASKS)
    assert (case.owner, case.state, case.subject) == (free, Case.State.ASSIGNED, f"order:{order.pk}")
    assert Question.objects.get().text == "Where is it? 13800000000"
    notes = list(CaseEvent.objects.values_list("note", flat=True))
    assert "138" not in f"{case.facts}{case.note}{notes}", "a case holds nothing personal"


def test_asking_again_joins_the_open_case(order, client):
    for text in ("one", "two"):
        client.post(f"/order/{order.token}/ask/", {"text": text})

    assert Case.objects.get().state == Case.State.OPEN, "with nobody on duty it waits in the queue"
    assert [event.note for event in CaseEvent.objects.order_by("pk")] == [
        f"question:{question.pk}" for question in Question.objects.order_by("pk")
    ]


@pytest.mark.parametrize("text", ["", "   ", "长" * 1001])
def test_an_empty_or_endless_question_is_asked_for_again(order, client, text):
    answer = client.post(f"/order/{order.token}/ask/", {"text": text})

    assert answer.status_code == 400
    assert not Case.objects.exists()


def test_where_the_order_has_no_address_one_is_asked_for(merchant, make_order, client):
    bare = make_order()

    assert client.post(f"/order/{bare.token}/ask/", {"text": "?"}).status_code == 400
    client.post(f"/order/{bare.token}/ask/", {"text": "?", "email": "lin@example.com"})
    assert Question.objects.get().email == "lin@example.com"


# --- tell me when back ----------------------------------------------------------------------------------------------


def tell_me(client: Client, sku: str = "LJ-50", **values: str):
    return client.post(f"/goods/when-back/{sku}", values, follow=True).content.decode()


def test_who_asked_is_told_once_when_it_is_back_and_forgotten(client, make_variant):
    variant = make_variant(stock=0)
    assert "到货告诉我" in client.get("/goods/lj-50/").content.decode()
    for _ in range(2):
        assert "到货时，我们写一次信告诉您" in tell_me(client, email="lin@example.com", consent="1")
    assert stock_alerts.tell(limit=10) == 0

    Stock.objects.filter(pk=variant.pk).update(on_hand=3)
    assert [stock_alerts.tell(limit=10), stock_alerts.tell(limit=10)] == [1, 0]
    assert "lin@" not in str(OutboxMessage.objects.get().payload)
    for _ in range(2):
        relay_outbox(limit=10)

    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["lin@example.com"], "茶 LJ-50 50 克 到货了")
    assert not StockAlert.objects.exists()


def test_pieces_that_unpaid_orders_hold_are_not_back(client, make_variant):
    variant = make_variant(stock=0)
    tell_me(client, email="lin@example.com", consent="1")

    Stock.objects.filter(pk=variant.pk).update(on_hand=2, held=2)

    assert stock_alerts.tell(limit=10) == 0


@pytest.mark.parametrize("values", [{"email": "lin@example.com"}, {"consent": "1"}, {"email": "x", "consent": "1"}])
def test_without_consent_or_address_nothing_is_kept(client, make_variant, values):
    make_variant(stock=0)

    assert "请" in tell_me(client, **values)
    assert not StockAlert.objects.exists()


def test_wishes_older_than_half_a_year_are_forgotten(client, make_variant):
    make_variant(stock=0)
    tell_me(client, email="lin@example.com", consent="1")

    assert stock_alerts.forget_old() == 0
    StockAlert.objects.update(consented_at="2026-01-01T00:00Z")
    assert stock_alerts.forget_old() == 1


# --- next time ------------------------------------------------------------------------------------------------------


def test_after_paying_one_press_makes_an_account_that_has_the_order_and_its_address(order, client):
    assert "留个密码" not in client.get(f"/pay/{order.token}/").content.decode(), "on the paid page only"
    record_payment(order, way=Transaction.Scene.BANK, reference="BOC 1", actor="staff:1")
    assert "留个密码，下次更快" in client.get(f"/pay/{order.token}/").content.decode()

    assert client.post(f"/order/{order.token}/account")["Location"] == "/account/mailed/"
    relay_outbox(limit=10)
    link = re.search(r"https://shop\.example(/account/password/\S+)", str(mail.outbox[-1].body))
    assert link
    assert client.post(link[1], {"password": PASSWORD}).status_code == 303

    assert order.token in client.get("/orders/").content.decode()
    assert "留个密码" not in client.get(f"/pay/{order.token}/").content.decode()


def test_another_ticket_of_the_same_address_brings_no_order_along(order):
    browser = Client()
    browser.post("/account/join/", {"email": CONTACT["email"]})
    relay_outbox(limit=10)
    link = re.search(r"https://shop\.example(/account/password/\S+)", str(mail.outbox[-1].body))
    assert link
    browser.post(link[1], {"password": PASSWORD})

    assert order.token not in browser.get("/orders/").content.decode()


def test_the_address_of_last_time_is_one_choice(buy, make_variant):
    user = User.objects.create_user("lin@example.com", PASSWORD)
    buy.client.force_login(user)
    variant = make_variant()
    for _ in range(2):
        buy.add(variant)
        page = buy.client.get("/checkout/").content.decode()
        if not Order.objects.exists():
            assert "还送到这里" not in page
            buy.contact(note="only this time")
            assert buy.confirm().status_code == 303
            buy.client.post("/checkout/leave")
            continue
        assert "还送到这里" in page
        buy.contact(address="elsewhere")
        assert buy.client.post("/checkout/saved")["Location"] == "/checkout/pay/"
        assert buy.confirm().status_code == 303

    first, second = Delivery.objects.order_by("pk")
    assert (second.address, second.mobile) == (first.address, first.mobile) == ("龙井路 1 号", "13800000000")
    assert second.note is None


def test_guests_have_no_saved_address(buy, order, make_variant):
    buy.client.post("/checkout/leave")

    buy.client.post("/checkout/saved")

    assert "还送到这里" not in buy.client.get("/checkout/").content.decode()


# --- last seen ------------------------------------------------------------------------------------------------------


def test_an_empty_cart_offers_what_was_looked_at_last_newest_first(client, make_variant):
    for sku in ("A-1", "B-2"):
        make_variant(sku)
        client.get(f"/goods/{sku.lower()}/")

    page = client.get("/cart/").content.decode()
    assert "您最近看过" in page
    assert page.index("茶 B-2") < page.index("茶 A-1")


@pytest.mark.parametrize("kept", ["x-y", "-1-2", "9" * 500, "1' OR 1=1"])
def test_whatever_a_browser_keeps_the_cart_opens(client, make_variant, kept):
    client.cookies["seen"] = kept

    assert client.get("/cart/").status_code == 200
