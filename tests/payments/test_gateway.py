"""How the gateway behaves when Alipay, or whoever answers in its place, misbehaves: what is alarmed, rested, asked again."""

import io
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from payments import gateway
from payments.alipay import bill_download
from payments.alipay.bill_columns import TRADE
from payments.alipay.bills import open_bill
from payments.alipay.clock import BEIJING
from payments.alipay.facts import BillLink
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.alipay.pace import FIRST_S, LONGEST_S, Pace
from payments.models import AlipayKey, Case, GatewayCall, MerchantAccount, Order, Transaction
from payments.models.clock import database_now
from payments.services import ask, close, poll
from payments.services.start_payment import resume, start_payment
from payments.services.watch_certificates import mark_of


@pytest.fixture
def order(connected: MerchantAccount, make_order: Callable[..., Order]) -> Order:
    """An order whose merchant is the running twin's."""
    return make_order()


def cases(kind: Case.Kind) -> list[str]:
    return list(Case.objects.open().filter(kind=kind).values_list("subject", flat=True))


def asked(account: MerchantAccount, *numbers: str) -> list[Any]:
    return gateway.ask(gateway.merchant_of(account), numbers, deadline_s=2)[1]


@pytest.mark.rows("F40")
@pytest.mark.parametrize("fault", ["unsigned", "bad_answer_signature"])
def test_an_answer_nobody_signed_becomes_a_case_and_changes_nothing(connected, twin, order, fault):
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    twin.control("faults", **{fault: "1", "method": "alipay.trade.query"})

    ask.ask_about([attempt], actor="test")

    attempt.refresh_from_db()
    assert attempt.state == Transaction.State.PRESENTED
    assert cases(Case.Kind.NOT_ALIPAY) == [f"alipay.trade.query:{connected.app_id}"]
    ask.ask_about([attempt], actor="test")
    attempt.refresh_from_db()
    assert attempt.state == Transaction.State.PAID


@pytest.mark.rows("D11")
def test_an_answer_with_another_amount_becomes_a_case_and_pays_nothing(connected, twin, order):
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    twin.control("faults", wrong_answer_amount="1", method="alipay.trade.query")

    ask.ask_about([attempt], actor="test")

    attempt.refresh_from_db()
    assert attempt.state == Transaction.State.PRESENTED
    assert len(cases(Case.Kind.OTHER_AMOUNT)) == 1


@pytest.mark.rows("F38", "F39")
@pytest.mark.parametrize("fault", ["http_500", "html", "cut", "error_after", "unsigned"])
def test_a_call_whose_answer_is_spoiled_is_unknown_and_a_question_with_its_number_ends_that(order, twin, fault):
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    twin.control("faults", **{fault: "1", "method": "alipay.trade.close"})
    was_processed = fault != "http_500"

    assert close.retire(attempt, actor="test") is was_processed

    assert GatewayCall.objects.get(method="alipay.trade.close").outcome == GatewayCall.Outcome.UNKNOWN
    attempt.refresh_from_db()
    assert (attempt.state == Transaction.State.CLOSED) is was_processed


@pytest.mark.rows("F45")
def test_an_old_answer_after_a_new_one_takes_nothing_back(connected, twin, order):
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    ask.ask_about([attempt], actor="test")
    twin.control("faults", stale="5", method="alipay.trade.query")

    for _ in range(5):
        ask.ask_about([attempt], actor="test")

    attempt.refresh_from_db()
    assert attempt.state == Transaction.State.PAID


@pytest.fixture
def restless(clocks) -> None:
    """A breaker that opens soon and tries again soon."""
    gateway.close_transport()
    clocks(breaker_failures=3, breaker_pause_s=0.2, call_deadline_s=2.0)


@pytest.mark.rows("F44")
def test_a_dead_gateway_costs_milliseconds_becomes_one_case_and_all_settles_after_its_return(
    restless, connected, twin, make_order, make_attempt
):
    attempts = [make_attempt(make_order(), next_check_at=database_now()) for _ in range(3)]
    alive = connected.gateway_url
    MerchantAccount.objects.update(gateway_url="http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    asked(connected, *[each.out_trade_no for each in attempts])
    assert cases(Case.Kind.GATEWAY_DOWN) == [f"gateway:{connected.app_id}"]

    started = time.monotonic()
    results = asked(connected, *["A1"] * 200)
    assert time.monotonic() - started < 5  # on a busy machine; without a breaker each would take its deadline
    assert all(isinstance(each, Unknown) for each in results)
    assert len(cases(Case.Kind.GATEWAY_DOWN)) == 1

    MerchantAccount.objects.update(gateway_url=alive)
    gateway.merchants(refresh=True)
    poll.ask_about_due(limit=10)
    assert cases(Case.Kind.GATEWAY_DOWN) == []
    assert {each.asked_at is not None for each in Transaction.objects.all()} == {True}
    gateway.close_transport()


@pytest.mark.rows("F44")
def test_a_writing_call_to_a_dead_gateway_is_certainly_not_sent(restless, connected, order):
    MerchantAccount.objects.update(gateway_url="http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    asked(connected, *["A1"] * 10)

    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")

    assert (attempt.state, attempt.in_doubt) == (Transaction.State.CREATED, False)
    gateway.close_transport()


@pytest.mark.rows("F43")
def test_questions_rest_when_alipay_says_that_we_ask_too_often_and_none_is_lost(
    connected, twin, make_order, make_attempt
):
    attempts = [make_attempt(make_order(), next_check_at=database_now()) for _ in range(5)]
    twin.control("faults", rate_limit="1", method="alipay.trade.query")
    asked(connected, "A1")
    twin.control("faults", rate_limit="0")

    results = asked(connected, *[each.out_trade_no for each in attempts])
    assert {each.next for each in results if isinstance(each, Unknown)} == {Next.BACK_OFF}
    poll.ask_about_due(limit=10)
    assert Transaction.objects.filter(next_check_at__gt=database_now()).count() == 5


@pytest.mark.rows("F43")
def test_rests_double_with_jitter_and_end_with_a_good_answer():
    now = [0.0]
    pace = Pace(clock=lambda: now[0], chance=lambda: 1.0)
    for rest in (5, 10, 20, 40, 60, 60):
        pace.heard(limited=True)
        now[0] += rest - 0.1
        assert not pace.may_ask()
        now[0] += 0.2
        assert pace.may_ask()

    pace.heard(limited=False)
    pace.heard(limited=True)
    now[0] += FIRST_S + 0.1
    assert pace.may_ask()
    assert LONGEST_S == 60


# --- bills ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def merchant_with_bill(connected, twin, order, settings) -> gateway.Merchant:
    """Yesterday one order was paid; today the pretend Alipay offers its bill."""
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    twin.control("clock", ahead_s=str(36 * 3600))
    settings.BILL_ORIGINS = [twin.url]
    return gateway.merchant_of(connected)


def today() -> date:
    return datetime.now(BEIJING).date()


def fetch(merchant: gateway.Merchant) -> tuple[Any, io.BytesIO]:
    into = io.BytesIO()
    return gateway.fetch_bill(merchant, bill_type=TRADE, day=today(), into=into), into


def test_a_bill_is_asked_for_fetched_and_read(merchant_with_bill):
    result, into = fetch(merchant_with_bill)

    assert result == Done(BillLink("", is_empty=False))
    seller = merchant_with_bill.account.seller_id
    with open_bill(into, bill_type=TRADE, seller_id=seller, day=today()) as bill:
        [line] = list(bill.lines())
    assert line.cells[bill.at["订单金额（元）"]] == "88.80"


@pytest.mark.rows("D01", "D04")
def test_a_link_that_leads_elsewhere_is_a_case_and_fetches_nothing(merchant_with_bill, settings):
    settings.BILL_ORIGINS = ["http://127.0.0.1:1"]

    result, into = fetch(merchant_with_bill)

    assert isinstance(result, Unknown)
    assert result.next is Next.ALERT
    assert into.getvalue() == b""
    assert cases(Case.Kind.NOT_ALIPAY) == [f"bill link:{merchant_with_bill.account.app_id}"]


@pytest.mark.rows("F60")
def test_a_link_whose_time_is_over_is_asked_for_again_three_times_at_most(merchant_with_bill, monkeypatch):
    links: list[str] = []
    late = 2
    real = bill_download.download

    def slowly(link: str, into: io.BytesIO, **bounds: Any) -> int:
        links.append(link)
        return real(link + "expired" if len(links) <= late else link, into, **bounds)

    monkeypatch.setattr(gateway, "download", slowly)
    assert isinstance(fetch(merchant_with_bill)[0], Done)
    assert len(set(links)) == 3

    links.clear()
    late = 9
    assert isinstance(fetch(merchant_with_bill)[0], Unknown)
    assert len(links) == 3


def test_a_bill_that_is_not_made_yet_is_told_apart(merchant_with_bill, twin):
    twin.control("clock", ahead_s="0")

    result, _ = fetch(merchant_with_bill)

    assert isinstance(result, CertainlyNot)


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.mark.rows("F70")
@pytest.mark.parametrize(
    ("left", "mark"),
    [
        (timedelta(days=31), ""), (timedelta(days=30), "30 days"), (timedelta(days=8), "30 days"), (timedelta(days=7), "7 days"),
        (timedelta(days=1, seconds=1), "7 days"), (timedelta(days=1), "1 day"), (timedelta(0), "ended"),
        (timedelta(days=-9), "ended"),
    ],
)  # fmt: skip
def test_each_mark_before_the_end_is_said(left: timedelta, mark: str):
    now = datetime(2026, 11, 22, tzinfo=BEIJING)

    assert mark_of(now + left, now) == mark


@pytest.mark.rows("F69")
def test_an_account_without_valid_keys_spoils_no_other(connected, twin, make_order, make_attempt):
    """The shop moved to another account, and the old one's keys ran out: the new one's buyers are asked about as before."""
    dead = MerchantAccount.objects.create(
        app_id="2021000000000009", seller_id=connected.seller_id, name="old", gateway_url=connected.gateway_url
    )
    attempts = []
    for account in (dead, connected, dead):
        MerchantAccount.objects.update(is_active=False)
        MerchantAccount.objects.filter(pk=account.pk).update(is_active=True)
        attempts.append(make_attempt(make_order(), next_check_at=database_now()))
    MerchantAccount.objects.update(is_active=True)
    gateway.merchants(refresh=True)

    assert poll.ask_about_due(limit=10) == 3

    old, new, _ = (Transaction.objects.get(pk=each.pk) for each in attempts)
    assert (new.heard_status, new.state) == ("absent", "presented")
    assert (old.heard_status, old.state) == ("", "presented")
    assert old.next_check_at
    assert old.next_check_at > database_now()
    assert cases(Case.Kind.GATEWAY_DOWN) == [f"gateway:{dead.app_id}"]

    Transaction.objects.update(time_expire=database_now() - timedelta(seconds=121), close_due_at=database_now())
    close.close_due(limit=10)
    assert [Transaction.objects.get(pk=each.pk).state for each in attempts] == ["presented", "closed", "presented"]
    assert GatewayCall.objects.filter(outcome="intended").count() == 0


@pytest.mark.rows("F69")
@pytest.mark.parametrize("scene", ["page", "wap"])
def test_a_page_that_nobody_can_sign_is_not_begun_and_the_buyer_s_page_stays(client, connected, order, scene):
    AlipayKey.objects.update(valid_until=database_now() - timedelta(seconds=1))
    gateway.merchants(refresh=True)

    answer = client.post(f"/pay/{order.token}/start/{scene}", follow=True)

    assert answer.status_code == 200
    assert not Transaction.objects.exists()
    assert cases(Case.Kind.GATEWAY_DOWN) == [f"gateway:{connected.app_id}"]


@pytest.mark.rows("F69")
@pytest.mark.parametrize("scene", [Transaction.Scene.QR, Transaction.Scene.COUNTER])
def test_a_call_without_valid_keys_was_certainly_not_sent(connected, twin, order, make_attempt, scene):
    attempt = make_attempt(order, scene=scene, state=Transaction.State.CREATED, qr_code="", close_due_at=database_now())
    AlipayKey.objects.update(valid_until=database_now() - timedelta(seconds=1))
    gateway.merchants(refresh=True)

    resume(attempt)
    close.close_due(limit=10)

    attempt.refresh_from_db()
    assert (attempt.state, attempt.in_doubt) == ("created", False)
    assert set(GatewayCall.objects.values_list("outcome", "code")) == {("certainly_not", "NOT_SENT")}
    assert cases(Case.Kind.GATEWAY_DOWN) == [f"gateway:{connected.app_id}"]
