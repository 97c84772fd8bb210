"""Orders after they were placed: who may see what, receipts, finding a lost one."""

from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from fpdf import FPDF

from checkout.receipts import receipt_pdf
from config import middleware
from payments.models import Order, Transaction
from payments.services.record_payment import record_payment
from payments.services.relay_outbox import relay_outbox


@pytest.fixture
def order(buy, make_variant) -> Order:
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    return Order.objects.get()


@pytest.fixture
def paid(order) -> Order:
    record_payment(order, way=Transaction.Scene.BANK, reference="BOC 1", actor="staff:1")
    order.refresh_from_db()
    return order


PRIVATE = ("林小满", "138\u00a00000\u00a00000", "龙井路 1 号")


def shown(client, path):
    return client.get(path).content.decode()


def test_the_browser_that_bought_sees_the_address_and_no_other_does(buy, order):
    path = f"/order/{order.token}/"

    assert all(text in shown(buy.client, path) for text in PRIVATE)
    assert not any(text in shown(Client(), path) for text in PRIVATE)


@pytest.mark.rows("O02")
def test_the_last_digits_of_the_mobile_show_the_address(order):
    other, path = Client(), f"/order/{order.token}/"

    assert other.post(f"{path}unlock", {"tail": "1234"}).status_code == 400
    assert not any(text in shown(other, path) for text in PRIVATE)
    assert other.post(f"{path}unlock", {"tail": "0000"}).status_code == 303
    assert all(text in shown(other, path) for text in PRIVATE)


@pytest.mark.rows("O01", "O02", "O05", "O07")
@pytest.mark.parametrize("page", ["", "receipt/", "receipt.pdf"])
def test_numbers_and_invented_links_open_nothing(client, paid, page):
    for guess in (paid.number, "x" * 32, str(paid.pk), paid.token[:-1]):
        assert client.get(f"/order/{guess}/{page}").status_code == 404
        assert client.post(f"/order/{guess}/cancel").status_code == 404


@pytest.mark.rows("O03")
def test_guessing_numbers_ends_after_ten_tries(client, order):
    tries = [client.post("/orders/find/", {"number": f"{n:016}", "mobile": "13800000000"}) for n in range(12)]

    assert [answer.status_code for answer in tries] == [400] * 10 + [429] * 2
    assert int(tries[-1]["Retry-After"]) > 0


@pytest.mark.rows("O03")
def test_guessing_links_is_slowed_down_and_right_links_go_on_working(client, paid, monkeypatch):
    monkeypatch.setattr(middleware, "GUESSES", 5)
    guesses = [client.get(f"/{('order', 'pay')[n % 2]}/{'x' * 30}{n}/") for n in range(7)]

    assert [answer.status_code for answer in guesses] == [404] * 5 + [429] * 2
    assert 0 < int(guesses[-1]["Retry-After"]) <= 600
    assert client.get("/pay/nothing/status").status_code == 429
    assert client.get(f"/pay/{paid.token}/status").status_code == 200
    assert client.get(f"/order/{paid.token}/").status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.7").get("/order/x/").status_code == 404
    assert client.get("/no/such/page/").status_code == 404, "only links of orders are counted"


@pytest.mark.rows("O03")
def test_a_wrong_number_and_a_wrong_mobile_are_answered_alike(client, order):
    wrong = [
        client.post("/orders/find/", values).content.decode().split("<form method", 1)[1].split("</form>")[0]
        for values in (
            {"number": order.number, "mobile": "13900000000"}, {"number": "2026112300000000", "mobile": "13900000000"},
        )
    ]  # fmt: skip

    assert wrong[0].count("没有找到") == wrong[1].count("没有找到") == 1


def test_number_and_mobile_find_the_order(client, order):
    spaced = " ".join(order.number[at : at + 4] for at in range(0, 16, 4))

    answer = client.post("/orders/find/", {"number": spaced, "mobile": "+86 138-0000-0000"})

    assert answer["Location"] == f"/order/{order.token}/"


@pytest.mark.rows("O04", "O08")
@pytest.mark.parametrize("page", ["order/{}/", "order/{}/receipt/", "pay/{}/"])
def test_pages_of_an_order_are_neither_stored_nor_framed_nor_indexed(client, paid, page):
    answer = client.get("/" + page.format(paid.token))

    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Robots-Tag"] == "noindex"
    assert "no-referrer" in answer["Referrer-Policy"]


@pytest.mark.rows("O09")
@pytest.mark.parametrize("host", ["evil.example", "shop.example.evil.example", "127.0.0.1@evil.example"])
def test_another_host_is_refused(client, host, committed_db):
    assert client.get("/", HTTP_HOST=host).status_code == 400
    assert "evil" not in client.get("/", HTTP_X_FORWARDED_HOST=host).content.decode()


def test_the_receipt_says_the_same_on_page_and_paper(client, paid):
    page = shown(client, f"/order/{paid.token}/receipt/")

    assert "¥128.00" in page
    assert "本收据不是发票" in page
    assert receipt_pdf(paid).startswith(b"%PDF-")


def test_each_sheet_of_a_long_receipt_names_the_order_and_its_page(buy, make_variant, monkeypatch):
    drawn: list[tuple[int, str]] = []
    cell = FPDF.cell

    def noted(pdf: FPDF, w: float, h: float, text: str, **more: Any) -> bool:
        drawn.append((pdf.page_no(), text))
        return cell(pdf, w, h, text, **more)

    monkeypatch.setattr(FPDF, "cell", noted)
    for n in range(45):
        buy.add(make_variant(f"SKU-{n}"))
    buy.contact()
    buy.confirm()
    record_payment(Order.objects.get(), way=Transaction.Scene.CASH, reference="1", actor="staff:1")
    order = Order.objects.get()

    receipt_pdf(order)

    feet = sorted({(sheet, text.replace("\u00a0", "")) for sheet, text in drawn if "{nb}" in text})
    assert len(feet) == 2, "a name and its amount stay together"
    assert feet == [(n, f"订单  {order.number}  {n}/{{nb}}".replace("  ", " ", 1)) for n in range(1, len(feet) + 1)]


def test_an_unpaid_order_has_no_receipt(client, order):
    assert client.get(f"/order/{order.token}/receipt/").status_code == 404


def test_the_receipt_goes_by_mail_once(paid):
    for _ in range(3):
        relay_outbox(limit=10)

    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    assert sent.to == ["lin@example.com"]
    assert [attachment[2] for attachment in sent.attachments] == ["application/pdf"]
    ((page, kind),) = sent.alternatives
    assert kind == "text/html"
    assert ">查看订单</a>" in str(page)


def test_the_same_goods_again(buy, paid):
    relay_outbox(limit=10)

    assert buy.client.post(f"/order/{paid.token}/reorder")["Location"] == "/cart/"
    assert "LJ-50" in shown(buy.client, "/cart/")


def test_the_account_sees_its_orders_and_no_others(buy, order, django_user_model):
    user = django_user_model.objects.create_user("lin@example.com", "x" * 12)
    stranger = Client()
    stranger.force_login(user)

    assert order.token not in shown(stranger, "/orders/")
    type(order.delivery).objects.filter(pk=order.pk).update(buyer=user)
    assert order.token in shown(stranger, "/orders/")
    assert Client().get("/orders/").status_code == 302
