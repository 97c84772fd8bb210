"""The control door: what tests and demos do to the pretend Alipay."""

import json

import pytest

from tests.conftest import Twin
from tests.sandbox.test_web import get, post

JSON = "application/json"


def test_faults_are_set_by_form_or_json_and_shown(twin: Twin):
    twin.control("faults", lose="2", cut="0.25", seconds="1.5", method="alipay.trade.refund")
    shown = json.loads(get(f"{twin.url}/control/faults")[1])
    assert shown["faults"] == {
        "lose": {"times": 2, "chance": 0.0, "method": "alipay.trade.refund", "seconds": 1.5},
        "cut": {"times": 0, "chance": 0.25, "method": "alipay.trade.refund", "seconds": 1.5},
    }

    status, answer = post(
        f"{twin.url}/control/faults", b'{"clear": true, "mute": true, "html": {"times": 3}, "x": []}', JSON
    )
    assert (status, set(answer["faults"]), answer["unknown"]) == (200, {"mute", "html"}, ["x"])
    assert twin.control("faults", clear="true")["faults"] == {}


@pytest.mark.parametrize("body", [b"[]", b"{broken", b"null", b'"x"'])
def test_json_that_says_nothing_changes_nothing(twin: Twin, body):
    for action in ("faults", "pay", "refund", "clock", "resend", "bill"):
        assert post(f"{twin.url}/control/{action}", body, JSON)[0] in (400, 404)


def test_a_bills_plan_is_told_with_what_it_plants(twin: Twin, paid_today):
    answer = twin.control("bill", bill_date=paid_today, differences="1", note="ignored")

    assert (answer["bill_type"], answer["plan"]["differences"], len(answer["planted"])) == ("trade", 1, 1)
    assert {"kind", "trade_no", "fen", "true_fen"} <= set(answer["planted"][0])
    shown = json.loads(get(f"{twin.url}/control/bill?bill_type=trade&bill_date={paid_today}")[1])
    assert shown == answer
    assert twin.control("bill", bill_date=paid_today, clear="true")["planted"] == []


@pytest.mark.parametrize(
    "body", ["bill_date=yesterday", "bill_date=2026-11-22&bill_type=x", "bill_date=2026-11-22&cut=x", "late=1"]
)
def test_a_plan_that_cannot_be_read_is_refused(twin: Twin, body):
    assert post(f"{twin.url}/control/bill", body.encode())[0] == 400
    assert twin.site.alipay.bills.plans == {}


@pytest.fixture
def paid_today(twin: Twin, attempt) -> str:
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    (day,) = twin.site.alipay.bills.days()
    return day


def test_a_buyer_pays_by_bank_card(twin: Twin, attempt):
    twin.control("pay", out_trade_no=attempt.out_trade_no, channel="BANKCARD")

    assert twin.site.alipay.book.trades[attempt.out_trade_no].channel == "BANKCARD"


def test_notices_are_listed_with_what_was_answered(twin: Twin, attempt):
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    (notice,) = json.loads(get(f"{twin.url}/control/notices")[1])["notices"]

    assert (notice["fields"]["out_trade_no"], notice["tries"], notice["answers"]) == (attempt.out_trade_no, 0, [])


# --- the same for people ---------------------------------------------------------------------------------------------


def page(twin: Twin, path: str) -> str:
    return get(f"{twin.url}{path}", {"Accept-Language": "en"})[1]


def test_the_panel_sets_what_the_control_door_shows(twin: Twin):
    post_form(twin, "/faults", b"fault=lose&amount=2&method=alipay.trade.refund&seconds=")
    assert twin.control("faults", seed="7")["faults"]["lose"]["times"] == 2
    assert 'value="2"' in page(twin, "/faults")

    assert "a number of times" in post_form(twin, "/faults", b"fault=lose&amount=often")
    post_form(twin, "/faults", b"clear=true")
    assert twin.control("faults", seed="7")["faults"] == {}


def test_every_fault_has_its_row(twin: Twin):
    shown = page(twin, "/faults")

    for fault in json.loads(get(f"{twin.url}/control/faults")[1])["known"]:
        assert f'id="{fault}"' in shown


def test_the_clock_is_set_on_its_page(twin: Twin):
    try:
        post_form(twin, "/clock", b"ahead_s=-3600")
        assert twin.site.ahead.total_seconds() == -3600
        assert "a number of seconds" in post_form(twin, "/clock", b"ahead_s=soon")
    finally:
        twin.control("clock", ahead_s="0")


def test_a_bills_plan_is_set_on_its_page_and_taken_back(twin: Twin, paid_today):
    body = f"bill_type=trade&bill_date={paid_today}"
    post_form(twin, "/bills", f"{body}&missing=on&late=&differences=1&cut=rows&encoding=utf-8".encode())
    plan = twin.site.alipay.bills.plans[("trade", paid_today)]
    assert (plan.missing, plan.late, plan.differences, plan.cut, plan.encoding) == (True, 0, 1, "rows", "utf-8")

    assert "checked" in page(twin, "/bills")
    post_form(twin, "/bills", f"{body}&late=0&differences=0&cut=&encoding=gbk".encode())
    assert not twin.site.alipay.bills.plans[("trade", paid_today)].missing


def test_a_delivery_is_shown_whole_and_sent_again(twin: Twin, attempt):
    trade = twin.site.alipay.book.trades[attempt.out_trade_no]
    trade.notify_url = "http://127.0.0.1:9/notify"
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    (delivery,) = twin.site.alipay.book.deliveries.values()

    assert attempt.out_trade_no in page(twin, "/notices")
    shown = post_form(twin, f"/notices/{delivery.notify_id}/resend", b"")
    assert "ClientConnectorError" in shown
    assert (delivery.tries, "fund_bill_list" in shown, "127.0.0.1:9" in shown) == (1, True, True)


def post_form(twin: Twin, path: str, body: bytes) -> str:
    return get(f"{twin.url}{path}", {"Accept-Language": "en"}, body)[1]


def test_the_wallet_scans_what_is_in_sight_and_shows_codes(twin: Twin, attempt):
    code = twin.site.alipay.book.trades[attempt.out_trade_no].qr_code
    wallet = page(twin, "/wallet")
    assert code in wallet
    assert wallet.count("250000") == 4

    assert "Confirm payment" in post_form(twin, "/wallet/scan", f"code={code}".encode())
    assert "refuses" in post_form(twin, "/wallet/scan", b"code=nonsense")


@pytest.mark.parametrize(
    ("act", "sub_code"), [("poor", "BUYER_BALANCE_NOT_ENOUGH"), ("risk", "PAYMENT_REQUEST_HAS_RISK")]
)
def test_a_buyer_who_cannot_pay_leaves_the_trade_waiting(twin: Twin, attempt, act, sub_code):
    twin.control("scan", out_trade_no=attempt.out_trade_no)

    assert sub_code in post_form(twin, f"/cashier/{attempt.out_trade_no}/{act}", b"")
    assert twin.site.alipay.book.trades[attempt.out_trade_no].status == "WAIT_BUYER_PAY"
    assert twin.site.alipay.book.deliveries == {}
