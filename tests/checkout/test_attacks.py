"""What a shopper types and asks for in bad faith: shown and not run, answered alike, never somebody else's order."""

import html
from urllib.parse import urlencode

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.urls import reverse

from checkout.models import Delivery, Stock
from payments.models import Order, Transaction, User
from payments.services.record_payment import record_payment
from payments.services.relay_outbox import relay_outbox
from tests.conftest import enter

PAYLOADS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "'><b onmouseover=alert(1)>",
    "<a href=javascript:alert(1)>x</a>", "</title><script>alert(1)</script>", "</textarea><script>alert(1)</script>",
    "{{ 7|add:7 }}<i>", "{% load x %}<i>", "<iframe srcdoc='<script>alert(1)</script>'>", "<style>*{display:none}</style>",
    "<!--<script>", "<math><mtext></table><mglyph><style>", "<form action=//evil.example>", "<base href=//evil.example/>",
]  # fmt: skip


@pytest.mark.rows("R06")
def test_what_is_typed_or_sold_is_shown_and_never_run(buy, make_variant):
    """Fifteen payloads as goods, and all of them as address and note, on every page, staff's too, and in the mail."""
    for n, each in enumerate(PAYLOADS):
        variant = make_variant(f"SKU-{n}", name_zh=each, name_en=each, summary_zh=each, text_zh=each)
        buy.add(variant)
    buy.contact(name=PAYLOADS[0], address="".join(PAYLOADS)[:200], note="".join(PAYLOADS)[:300])
    confirming = buy.client.get("/checkout/pay/").content.decode()
    assert all(html.escape(each) in confirming for each in PAYLOADS)
    buy.confirm()
    order = Order.objects.get()
    record_payment(order, way=Transaction.Scene.CASH, reference="slip 7", actor="staff:1")
    while relay_outbox(limit=10):
        pass
    boss = enter(Client(), User.objects.create_superuser("boss@example.com", "x"))

    pages = {f"mail {kind}": str(body) for sent in mail.outbox for body, kind in getattr(sent, "alternatives", ())}
    paths = [
        "/", "/goods/sku-0/", "/goods/sku-14/", f"/order/{order.token}/", f"/order/{order.token}/receipt/",
        f"/pay/{order.token}/", *(f"/?{urlencode({'q': each})}" for each in PAYLOADS),
    ]  # fmt: skip
    for path in paths:
        answer = buy.client.get(path)
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        pages[path] = answer.content.decode()
    for name, pk in (("payments_order", order.pk), ("checkout_delivery", order.pk), ("checkout_variant", variant.pk)):
        pages[name] = boss.get(reverse(f"admin:{name}_change", args=[pk])).content.decode()
    assert not {path: each for path, page in pages.items() for each in PAYLOADS if each in page}


GET, POST = ("get", "post")
ROUTES = [
    (GET, "/order/{}/"), (GET, "/order/{}/receipt/"), (GET, "/order/{}/receipt.pdf"), (GET, "/order/{}/ask/"),
    (POST, "/order/{}/ask/"), (POST, "/order/{}/unlock"), (POST, "/order/{}/cancel"), (POST, "/order/{}/reorder"),
    (POST, "/order/{}/account"), (GET, "/pay/{}/"), (GET, "/pay/{}/state"), (GET, "/pay/{}/status"), (GET, "/pay/{}/code.png"),
    (POST, "/pay/{}/check"), (POST, "/pay/{}/keep"), (POST, "/pay/{}/start/qr"), (POST, "/pay/{}/start/page"),
    (GET, "/alipay/return/{}/"),
]  # fmt: skip


@pytest.fixture
def order(buy, make_variant) -> Order:
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    return Order.objects.get()


@pytest.mark.rows("O01", "O02", "O05")
@pytest.mark.parametrize("role", ["nobody", "another shopper", "its own buyer", "support"])
def test_without_its_token_an_order_does_not_exist_for_anybody(order, role):
    """Its number or an id in the token's place is answered as an unknown one is, whoever asks."""
    browser = Client()
    if role != "nobody":
        person = User.objects.create_user("lin@example.com", "x", is_staff=role == "support")
        enter(browser, person)
        if role == "its own buyer":
            Delivery.objects.update(buyer=person)
    for method, path in ROUTES:
        answers = {
            getattr(browser, method)(path.format(guess)).status_code for guess in (order.number, order.pk, "x" * 32)
        }
        assert answers == {404}, path
    order.refresh_from_db()
    assert (order.state, order.extensions) == (Order.State.AWAITING_PAYMENT, 0)
    assert Transaction.objects.count() == 1


@pytest.mark.rows("C04")
def test_a_sum_beyond_what_alipay_takes_makes_no_order_and_holds_nothing(buy, make_variant):
    variant = make_variant(fen=10_000_000_00, stock=99)
    buy.add(variant, 99)
    buy.contact()

    answer = buy.confirm()

    assert answer.status_code == 400
    assert "请写信给我们" in answer.content.decode() or "请联系我们" in answer.content.decode()
    assert not Order.objects.exists()
    assert Stock.objects.get().held == 0


class Counting(MD5PasswordHasher):
    """Django's quick one, counted: what takes the time of a sign-in."""

    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        Counting.hashed += 1
        return str(super().encode(password, salt))


@pytest.mark.parametrize("email", ["lin@example.com", "nobody@example.com", "gone@example.com"])
def test_a_wrong_password_takes_as_much_work_whether_there_is_an_account_or_not(committed_db, settings, email):
    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    User.objects.create_user("lin@example.com", "a long walk in the hills")
    User.objects.create_user("gone@example.com", "a long walk in the hills", is_active=False)
    Counting.hashed = 0

    answer = Client().post("/account/sign-in/", {"email": email, "password": "another long walk"})

    assert answer.status_code == 400
    assert Counting.hashed == 1
