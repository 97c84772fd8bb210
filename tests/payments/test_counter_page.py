"""The counter's page: who may charge, what is said, and that a code goes out once and is shown nowhere."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from payments.models import AuditEvent, GatewayCall, Order, Transaction, User
from payments.models.clock import database_now
from payments.models.roles import ROLES
from payments.queries.paying import PayState, paying
from payments.services.close import close_due
from tests.conftest import enter

PAGE = "/admin/payments/order/counter/"
PAYS, PASSWORD, TOO_LITTLE = "287654321098765432", "250000011234567890", "250000021234567890"


@pytest.fixture
def enter_as(db):
    def make(role: str, language: str = "en") -> Client:
        person = User.objects.create_user(f"{role}@example.com".replace(" ", "."), "x", is_staff=True)
        person.groups.add(Group.objects.get(name=role))
        return enter(Client(headers={"accept-language": language}), person)

    return make


@pytest.fixture
def cashier(enter_as) -> Client:
    browser: Client = enter_as("cashier")
    return browser


def key_on(html: str) -> str:
    found = re.search(r'name="key" value="(\w+)"', html)
    assert found
    return found[1]


def sell(browser: Client, code: str = PAYS, **values: str):
    form = {"amount": "88.80", "title": "Tea", "auth_code": code, "key": key_on(browser.get(PAGE).content.decode())}
    return browser.post(PAGE, {**form, **values}, follow=True)


def charges() -> int:
    return GatewayCall.objects.filter(purpose="pay").count()


@pytest.mark.rows("M01")
@pytest.mark.parametrize("role", ROLES)
def test_only_who_may_charge_opens_the_counter(enter_as, role):
    browser = enter_as(role)
    opened = "payments.charge_counter" in ROLES[role]

    assert browser.get(PAGE).status_code == (200 if opened else 403)
    assert browser.post(PAGE, {}).status_code == (400 if opened else 403)
    for deed in ("end", "aside"):
        answer = browser.post(f"{PAGE}7/{deed}")
        assert answer.status_code == (403 if not opened else 303 if deed == "end" else 302)
    assert browser.get(f"{PAGE}7/status").status_code == (404 if opened else 403)


def test_without_the_second_factor_nobody_charges(client, db):
    person = User.objects.create_superuser("owner@example.com", "x")
    client.force_login(person)

    assert client.post(PAGE, {}).status_code == 302


def test_a_sale_is_received_with_a_receipt_and_adds_to_the_till(cashier, connected):
    seen = sell(cashier, " 2876 5432 1098 7654 32").content.decode()

    order = Order.objects.get()
    assert "¥88.80 received" in seen
    assert reverse("checkout:receipt", args=[order.token]) in seen
    assert re.search(r"<b>¥88.80</b> from 1 sale\b", seen)
    assert cashier.get(reverse("checkout:receipt", args=[order.token])).status_code == 200
    assert (order.title, order.language) == ("Tea", "en")


def test_the_form_after_a_sale_is_a_new_one(cashier, connected):
    first = key_on(sell(cashier).content.decode())

    assert first != key_on(cashier.get(PAGE).content.decode())
    assert 'value="88.80"' not in sell(cashier).content.decode()


def test_the_same_form_sent_twice_charges_once(cashier, connected):
    key = key_on(cashier.get(PAGE).content.decode())
    sell(cashier, key=key)
    again = sell(cashier, key=key)

    assert "¥88.80 received" in again.content.decode()
    assert (charges(), Order.objects.count()) == (1, 1)


def test_a_used_page_with_another_amount_charges_nothing(cashier, connected):
    key = key_on(cashier.get(PAGE).content.decode())
    sell(cashier, key=key)

    answer = sell(cashier, key=key, amount="1.00")

    assert (answer.status_code, charges()) == (409, 1)
    assert "used for another sale" in answer.content.decode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"auth_code": "123"}, "no payment code of Alipay"),
        ({"amount": "12.345"}, "at most two decimals"),
        ({"amount": "0"}, "below ¥0.01"),
        ({"amount": "-5"}, "at most two decimals"),
        ({"amount": "100000000.01"}, "Alipay takes ¥0.01"),
        ({"order": "2026000000000000"}, "There is no order 2026000000000000."),
    ],
)
def test_what_can_not_be_charged_is_said_and_what_was_typed_stays(cashier, connected, values, words):
    answer = sell(cashier, **values)

    seen = answer.content.decode()
    assert answer.status_code in (400, 409)
    assert words in seen
    assert 'value="Tea"' in seen or "order" in values
    assert charges() == 0


def test_the_code_is_on_no_page(cashier, connected):
    pages = [sell(cashier, PASSWORD), sell(cashier, PASSWORD), sell(cashier, PASSWORD, amount="x")]

    assert not any(PASSWORD in page.content.decode() for page in pages)


def test_while_one_is_open_another_scan_is_refused_with_its_reason(cashier, connected):
    seen = sell(cashier, PASSWORD).content.decode()
    assert "Buyer is confirming" in seen
    assert 'name="amount"' not in seen, "no second sale beside an open one"

    again = sell(cashier)

    assert again.status_code == 409
    assert "still open" in again.content.decode()
    assert charges() == 1
    assert "still open" in cashier.post(PAGE, {"auth_code": PAYS, "key": "k"}).content.decode(), "a stray scan too"


def test_the_page_looks_on_and_has_alipay_asked(cashier, connected):
    sell(cashier, PASSWORD)
    attempt = Transaction.objects.get()

    told = cashier.get(f"{PAGE}{attempt.pk}/status").json()

    assert told["version"].endswith("-confirming-0")
    assert 50 < told["left"] <= 60
    before = attempt.next_check_at
    attempt.refresh_from_db()
    assert before is not None
    assert attempt.next_check_at is not None
    assert attempt.next_check_at <= before


def test_the_cashier_cancels_and_charges_the_same_order_anew(cashier, connected):
    sell(cashier, PASSWORD)
    attempt = Transaction.objects.get()

    seen = cashier.post(f"{PAGE}{attempt.pk}/end", follow=True).content.decode()
    assert "Not certain" in seen
    assert "Not received" not in seen
    close_due(limit=10)

    seen = cashier.get(f"{PAGE}?charge={attempt.pk}").content.decode()
    assert "Not received, cancelled" in seen
    assert f'name="order" value="{Order.objects.get().number}"' in seen
    assert "¥88.80 received" in sell(cashier, order=Order.objects.get().number).content.decode()
    assert Order.objects.count() == 1


def test_a_refusal_says_what_to_do(cashier, connected):
    seen = sell(cashier, TOO_LITTLE).content.decode()

    assert "Nothing was charged" in seen
    assert "The balance is too low." in seen
    assert "40004 BUYER_BALANCE_NOT_ENOUGH" in seen


def test_a_doubtful_charge_is_set_aside_and_stays_watched(cashier, connected, twin):
    twin.control("faults", method="alipay.trade.pay", http_500="1")
    assert (
        "don&#x27;t charge again" in sell(cashier).content.decode()
        or "don't charge again" in sell(cashier).content.decode()
    )
    attempt = Transaction.objects.get()

    seen = cashier.post(f"{PAGE}{attempt.pk}/aside", follow=True).content.decode()

    attempt.refresh_from_db()
    assert attempt.superseded
    assert attempt.next_check_at is not None
    assert "not certain yet" in seen
    assert 'name="amount"' in seen


def test_what_is_certain_can_not_be_set_aside(cashier, connected):
    sell(cashier, PASSWORD)
    attempt = Transaction.objects.get()

    cashier.post(f"{PAGE}{attempt.pk}/aside")

    attempt.refresh_from_db()
    assert not attempt.superseded


def test_nobody_touches_another_tills_charge(cashier, enter_as, connected):
    sell(cashier, PASSWORD)
    attempt, owner = Transaction.objects.get(), enter_as("owner")

    assert owner.get(f"{PAGE}{attempt.pk}/status").status_code == 404
    owner.post(f"{PAGE}{attempt.pk}/end")
    assert "Buyer is confirming" not in owner.get(f"{PAGE}?charge={attempt.pk}").content.decode()
    attempt.refresh_from_db()
    assert attempt.wanted_at is None


def test_an_order_that_waits_is_found_by_its_number_and_charged(cashier, connected, make_order):
    order = make_order()
    change = cashier.get(reverse("admin:payments_order_change", args=[order.pk])).content.decode()
    assert f"{PAGE}?order={order.number}" in change
    spaced = " ".join(order.number[at : at + 4] for at in range(0, 16, 4))

    shown = cashier.get(PAGE, {"order": spaced}).content.decode()
    assert "¥88.80" in shown
    assert 'name="amount"' not in shown

    seen = cashier.post(PAGE, {"order": order.number, "auth_code": PAYS, "key": key_on(shown)}, follow=True)
    assert "¥88.80 received" in seen.content.decode()
    assert f"{PAGE}?order" not in cashier.get(reverse("admin:payments_order_change", args=[order.pk])).content.decode()


def test_the_buyers_own_page_says_what_happens_at_the_counter(cashier, connected, client, twin):
    """Also on the page of an order that is charged there: never a way to pay beside what is in doubt."""
    twin.control("faults", method="alipay.trade.pay", http_500="1")
    sell(cashier)
    order, attempt = Order.objects.get(), Transaction.objects.get()

    def says() -> tuple[PayState, bool]:
        found = paying(order.token)
        assert found is not None
        return found.state, found.may_pay

    assert says() == (PayState.CHECKING, False)
    Transaction.objects.update(created_at=attempt.created_at - timedelta(seconds=20))
    assert says() == (PayState.IN_DOUBT, False)
    Transaction.objects.update(scanned_at=attempt.created_at, in_doubt=False, state="presented")
    assert says()[0] == PayState.SCANNED


def test_an_order_whose_time_runs_out_is_not_charged(cashier, connected, make_order):
    order = make_order()
    shown = cashier.get(PAGE, {"order": order.number}).content.decode()
    Order.objects.filter(pk=order.pk).update(expires_at=database_now())

    answer = cashier.post(PAGE, {"order": order.number, "auth_code": PAYS, "key": key_on(shown)})

    assert answer.status_code == 409
    assert "too little time" in answer.content.decode()


def test_the_page_speaks_chinese_and_its_script_gets_the_block_alone(enter_as, connected):
    browser = enter_as("cashier", "zh-hans")

    seen = sell(browser).content.decode()
    assert "已收 ¥88.80" in seen
    assert "请顾客出示支付宝付款码" in seen
    block = browser.get(PAGE, headers={"x-part": "1"}).content.decode()
    assert "<html" not in block
    assert AuditEvent.objects.filter(action="paid", actor__startswith="staff:").exists()
