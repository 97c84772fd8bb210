"""Payments of connected shops: each way to pay, the same attempt for the same wish, what Alipay says, the end."""

import pytest

from payments.models import Order, Transaction
from tests.payments.api.conftest import ORDER, code_of


@pytest.fixture
def placed(shop, connected) -> str:
    return f"orders/{shop.post('orders', ORDER).json()['number']}"


def test_a_code_to_scan_comes_as_text_and_drawn(shop, placed, twin):
    answer = shop.post(f"{placed}/payments", {"scene": "qr"})
    told = answer.json()

    assert answer.status_code == 201
    assert answer["Location"] == f"/api/v1/payments/{told['number']}"
    assert (told["state"], told["scene"], told["amount_fen"], told["currency"]) == ("presented", "qr", 88_80, "CNY")
    assert told["pay"]["qr_text"].startswith(("http", "https"))
    assert told["pay"]["qr_svg"].startswith("<svg")
    assert told["pay"]["url"] == ""
    assert "pay" not in shop.get(f"payments/{told['number']}").json(), "links that pay are told once, not in lists"


@pytest.mark.parametrize(("scene", "method"), [("page", "alipay.trade.page.pay"), ("wap", "alipay.trade.wap.pay")])
def test_pages_of_alipay_come_as_an_address(shop, placed, twin, scene, method):
    told = shop.post(f"{placed}/payments", {"scene": scene}).json()

    assert told["pay"]["url"].startswith(f"{twin.url}/gateway.do?")
    assert f"method={method}" in told["pay"]["url"]


def test_wishing_the_same_way_again_gives_the_same_payment_and_fresh_another(shop, placed):
    first, same = (shop.post(f"{placed}/payments", {"scene": "qr"}).json()["number"] for _ in range(2))
    fresh = shop.post(f"{placed}/payments", {"scene": "qr", "fresh": True}).json()["number"]

    assert first == same != fresh
    assert [each["number"] for each in shop.get(f"{placed}/payments").json()] == [first, fresh]


def test_a_payment_is_known_as_paid_once_alipay_says_so(shop, placed, twin):
    number = shop.post(f"{placed}/payments", {"scene": "qr"}).json()["number"]
    assert shop.post(f"payments/{number}/check", {}).json()["state"] == "presented"
    twin.control("pay", out_trade_no=number)
    Transaction.objects.update(asked_at=None)

    told = shop.post(f"payments/{number}/check", {}).json()

    assert (told["state"], bool(told["trade_no"])) == ("paid", True)
    assert shop.get(placed).json()["state"] == "paid"
    assert code_of(shop.post(f"payments/{number}/close", {})) == "not_payable"
    assert code_of(shop.post(f"{placed}/payments", {"scene": "qr"})) == "not_payable"


def test_closing_ends_a_scanned_code_and_supersedes_one_nobody_scanned(shop, placed, twin):
    number = shop.post(f"{placed}/payments", {"scene": "qr"}).json()["number"]
    unscanned = shop.post(f"payments/{number}/close", {}).json()
    number = shop.post(f"{placed}/payments", {"scene": "qr"}).json()["number"]
    twin.control("scan", out_trade_no=number)
    scanned = shop.post(f"payments/{number}/close", {}).json()

    assert (unscanned["state"], unscanned["superseded"]) == ("presented", True)
    assert scanned["state"] == "closed"
    assert shop.post(f"payments/{number}/close", {}).json()["state"] == "closed", "again changes nothing"


def test_an_end_that_alipay_does_not_confirm_is_not_told_as_one(shop, placed, twin):
    number = shop.post(f"{placed}/payments", {"scene": "qr"}).json()["number"]
    twin.control("faults", swallow="1")

    answer = shop.post(f"payments/{number}/close", {})

    assert (answer.status_code, code_of(answer), answer["Retry-After"]) == (409, "not_closed", "3")
    assert shop.get(f"payments/{number}").json()["state"] == "presented"


def test_too_little_time_is_said(shop, placed, clocks):
    clocks(least_life_s=3600)

    assert code_of(shop.post(f"{placed}/payments", {"scene": "qr"})) == "too_little_time"


@pytest.mark.rows("O02")
def test_somebody_elses_payment_is_not_there(shop, placed, connect):
    number = shop.post(f"{placed}/payments", {"scene": "qr"}).json()["number"]
    other = connect("other")

    assert code_of(other.get(f"payments/{number}")) == "not_found"
    assert code_of(other.post(f"payments/{number}/close", {})) == "not_found"
    assert code_of(other.post(f"payments/{number}/check", {})) == "not_found"
    assert Order.objects.get().state == "awaiting_payment"
