"""The life of a trade, told by its own gateway to our own client."""

import json
import random
from copy import deepcopy
from datetime import timedelta

import pytest

from payments.alipay import requests
from payments.alipay.answers import read_close, read_precreate
from payments.alipay.facts import TradeStatus
from payments.alipay.outcomes import CertainlyNot, Done, Next
from payments.money import Money
from payments.sandbox.alipay import Refused
from payments.sandbox.barcodes import Outcome, new_code
from payments.sandbox.book import Book
from payments.sandbox.envelope import Call
from payments.sandbox.notices import announce
from tests.sandbox.conftest import MINUTE, NOW, offer, open_alipay, params_of, refusal


def test_a_code_is_drawn_by_our_client_and_no_trade_exists_before_the_scan(ask, who, status):
    result = read_precreate(ask(offer()).encode(), who=who, out_trade_no="A1")

    assert isinstance(result, Done)
    assert result.answer.startswith("http://a/qr/bax")
    assert status().status is TradeStatus.ABSENT


def test_scan_pay_and_nothing_after(alipay, ask, status):
    ask(offer())
    trade = alipay.book.trades["A1"]

    alipay.enter(trade, NOW)
    assert status().status is TradeStatus.WAITING
    alipay.pay(trade, NOW + MINUTE)
    paid = status()

    assert (paid.status, paid.total, paid.paid_at) == (TradeStatus.PAID, Money(8880), NOW + MINUTE)
    assert paid.trade_no is not None
    assert len(paid.trade_no) == 28
    with pytest.raises(Refused, match="TRADE_HAS_SUCCESS"):
        alipay.pay(trade, NOW)


def test_an_unpaid_trade_ends_at_its_time(alipay, ask, status):
    ask(offer())
    alipay.enter(alipay.book.trades["A1"], NOW)

    assert status(now=NOW + 14 * MINUTE).status is TradeStatus.WAITING
    assert status(now=NOW + 15 * MINUTE).status is TradeStatus.CLOSED


def test_a_code_cannot_be_scanned_after_its_time(alipay, ask):
    ask(offer())

    with pytest.raises(Refused, match="TRADE_HAS_CLOSE"):
        alipay.enter(alipay.book.trades["A1"], NOW + 15 * MINUTE)


def test_only_a_trade_that_waits_can_be_closed(alipay, ask, who):
    def close() -> object:
        return read_close(ask(requests.close("A1")).encode(), who=who, out_trade_no="A1")

    ask(offer())
    assert close() == CertainlyNot("40004", "TRADE_NOT_EXIST", Next.WAIT)
    alipay.enter(alipay.book.trades["A1"], NOW)
    assert isinstance(close(), Done)
    assert close() == CertainlyNot("40004", "TRADE_STATUS_ERROR", Next.ASK)


def test_the_same_number_with_other_content_is_refused(ask):
    first = ask(offer())

    assert (
        json.loads(ask(offer()))["alipay_trade_precreate_response"]
        == json.loads(first)["alipay_trade_precreate_response"]
    )
    assert refusal(ask(offer(total=Money(1)))) == "ACQ.CONTEXT_INCONSISTENT"


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"total": Money(0)}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"total": Money(100_000_000_01)}, "ACQ.TOTAL_FEE_EXCEED"),
        ({"time_expire": NOW - MINUTE}, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"),
        ({"time_expire": NOW + timedelta(days=16)}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": NOW + timedelta(seconds=30)}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_what_alipay_would_not_take_is_not_taken(ask, changes, sub_code):
    assert refusal(ask(offer(**changes))) == sub_code


@pytest.mark.parametrize("number", ["", "A-1", "A" * 65, "龙井"])
def test_a_number_of_other_signs_is_refused(ask, number):
    assert refusal(ask(offer(number))) == "ACQ.INVALID_PARAMETER"


def test_the_book_survives_a_restart_and_a_kill_while_writing(identity, tmp_path, who):
    path = tmp_path / "book.jsonl"
    alipay = open_alipay(identity[0], Book(path))
    alipay.answer(params_of(offer(), who), NOW)
    trade = alipay.pay(alipay.book.trades["A1"], NOW)
    announce(alipay, NOW)
    with path.open("a") as file:
        file.write('["trade", {"out_trade_no": "B')

    again = Book(path)
    assert again.trades == alipay.book.trades
    assert again.deliveries == alipay.book.deliveries
    assert again.by_trade_no(trade.trade_no) == trade


def test_the_same_seed_makes_the_same_numbers(identity, who):
    def numbers() -> list[str]:
        alipay = open_alipay(identity[0])
        alipay.answer(params_of(offer(), who), NOW)
        trade = alipay.pay(alipay.book.trades["A1"], NOW)
        return [trade.qr_code, trade.trade_no]

    assert numbers() == numbers()


def test_the_book_and_all_of_alipay_can_be_copied(alipay, ask):
    ask(offer())
    copy = deepcopy(alipay)
    copy.pay(copy.book.trades["A1"], NOW)

    assert (copy.book.trades["A1"].is_paid, alipay.book.trades["A1"].is_paid) == (True, False)
    assert copy.chance.random() != alipay.chance.random()  # the copy drew a trade number


@pytest.mark.parametrize(
    ("method", "product", "relative", "end"),
    [
        ("trade.page.pay", "FAST_INSTANT_TRADE_PAY", "90m", 90 * MINUTE),
        ("trade.page.pay", "FAST_INSTANT_TRADE_PAY", "", timedelta(days=15)),
        ("trade.precreate", "", "", timedelta(hours=3)),
        ("trade.precreate", "", "1c", timedelta(hours=10)),  # 14:00 in Beijing
    ],
)
def test_most_clocks_start_with_the_request(alipay, method, product, relative, end):
    call = Call(
        f"alipay.{method}",
        {"out_trade_no": "A1", "total_amount": "1", "subject": "茶", "timeout_express": relative or None},
    )
    trade = alipay.trades.offered(call, NOW, product=product)

    assert trade.time_expire == NOW + end


def test_a_phones_clock_starts_at_login_and_runs_five_minutes_at_least(alipay):
    biz = {"out_trade_no": "A1", "total_amount": "1", "subject": "茶", "timeout_express": "1m"}
    trade = alipay.trades.offered(Call("alipay.trade.wap.pay", biz), NOW, product="QUICK_WAP_WAY")
    assert trade.time_expire is None

    alipay.enter(trade, NOW + timedelta(hours=5))
    assert trade.time_expire == NOW + timedelta(hours=5, minutes=5)


@pytest.mark.parametrize("relative", ["0m", "1.5h", "16d", "5", "2c", "soon"])
def test_a_relative_time_of_another_form_is_refused(decide, relative):
    with pytest.raises(Refused, match="INVALID_PARAMETER"):
        decide("trade.precreate", out_trade_no="A1", total_amount="1", subject="茶", timeout_express=relative)


def test_a_code_lives_two_hours_and_its_trade_longer(alipay, ask, decide):
    for number in ("A1", "A2"):
        ask(offer(number, time_expire=NOW + timedelta(hours=5)))
    scanned, missed = alipay.book.trades["A1"], alipay.book.trades["A2"]
    alipay.enter(scanned, NOW)

    alipay.pay(scanned, NOW + timedelta(hours=4))
    with pytest.raises(Refused, match="TRADE_HAS_CLOSE"):
        alipay.enter(missed, NOW + timedelta(hours=2))


def at_the_counter(decide, auth_code: str, number: str = "A1", amount: str = "88.80") -> dict:
    biz = {"out_trade_no": number, "total_amount": amount, "subject": "茶", "scene": "bar_code", "auth_code": auth_code}
    return decide("trade.pay", **biz)


def test_a_code_shown_at_the_counter_pays_at_once(alipay, decide):
    answer = at_the_counter(decide, "287654321098765432")

    assert (answer["total_amount"], answer["receipt_amount"]) == ("88.80", "88.80")
    assert alipay.book.trades["A1"].is_paid
    assert len(alipay.untold) == 1


@pytest.mark.parametrize(("outcome", "amount"), [(Outcome.PASSWORD, "1"), (Outcome.PAYS, "1000.01")])
def test_a_password_is_asked_for_and_the_trade_waits(alipay, decide, outcome, amount):
    code = new_code(outcome, random.Random(1))
    answer = at_the_counter(decide, code, amount=amount)

    assert (answer["code"], "gmt_payment" in answer) == ("10003", False)
    assert at_the_counter(decide, code, amount=amount)["trade_no"] == answer["trade_no"]  # asked again: still waiting
    alipay.pay(alipay.book.trades["A1"], NOW)
    assert decide("trade.query", out_trade_no="A1")["trade_status"] == "TRADE_SUCCESS"


@pytest.mark.parametrize(
    ("auth_code", "sub_code"),
    [
        (new_code(Outcome.TOO_LITTLE, random.Random(1)), "BUYER_BALANCE_NOT_ENOUGH"),
        (new_code(Outcome.RISK, random.Random(1)), "PAYMENT_REQUEST_HAS_RISK"),
        (new_code(Outcome.OUTDATED, random.Random(1)), "PAYMENT_AUTH_CODE_INVALID"),
        ("123456789012345678", "PAYMENT_AUTH_CODE_INVALID"),
        ("2876543210", "PAYMENT_AUTH_CODE_INVALID"),
    ],
)
def test_a_code_that_does_not_pay_leaves_no_trade(alipay, decide, auth_code, sub_code):
    with pytest.raises(Refused, match=sub_code):
        at_the_counter(decide, auth_code)
    with pytest.raises(Refused, match="TRADE_NOT_EXIST"):
        decide("trade.query", out_trade_no="A1")
    with pytest.raises(Refused, match="TRADE_NOT_EXIST"):
        alipay.pay(alipay.book.trades["A1"], NOW)
    assert at_the_counter(decide, "287654321098765432")["gmt_payment"]  # the same number, another code


def test_a_shown_code_is_good_for_one_trade(decide):
    at_the_counter(decide, "287654321098765432")

    with pytest.raises(Refused, match="PAYMENT_AUTH_CODE_INVALID"):
        at_the_counter(decide, "287654321098765432", number="A2")


def test_a_created_trade_exists_before_the_buyer_does_anything(decide):
    biz = {"out_trade_no": "A1", "total_amount": "1", "subject": "茶"}
    with pytest.raises(Refused, match="INVALID_PARAMETER"):
        decide("trade.create", **biz)

    trade_no = decide("trade.create", **biz, buyer_open_id="074a")["trade_no"]
    assert decide("trade.query", trade_no=trade_no)["trade_status"] == "WAIT_BUYER_PAY"


def test_an_app_opens_its_order_string(alipay, who):
    biz = {"out_trade_no": "A1", "total_amount": "1.00", "subject": "茶", "product_code": "QUICK_MSECURITY_PAY"}
    trade = alipay.open_page(params_of(requests.Request("alipay.trade.app.pay", biz), who), NOW)

    assert alipay.pay(trade, NOW).is_paid
