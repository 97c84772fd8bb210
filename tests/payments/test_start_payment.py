"""Attempts: intent first, three outcomes, one way to pay at a time. Against the running pretend Alipay."""

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import transaction

from payments import gateway
from payments.alipay.clock import BEIJING
from payments.errors import NotPayable, TooLittleTime
from payments.models import AuditEvent, Case, GatewayCall, MerchantAccount, Order, Transaction
from payments.models.clock import database_now
from payments.services import ask, poll
from payments.services.attempt_requests import pay_address
from payments.services.start_payment import resume, start_payment
from tests.conftest import beijing, make_merchant

Scene, State = Transaction.Scene, Transaction.State


@pytest.fixture
def order(connected, make_order) -> Order:
    return make_order()


def start(order: Order, scene: Transaction.Scene = Scene.QR, **more) -> Transaction:
    return start_payment(order, scene=scene, actor="test", **more)


def calls() -> list[tuple[str, str]]:
    return list(GatewayCall.objects.order_by("started_at").values_list("purpose", "outcome"))


def test_a_code_comes_from_alipay_and_its_call_is_journalled(order, twin):
    attempt = start(order)

    assert (attempt.state, attempt.amount) == (State.PRESENTED, order.total)
    assert attempt.qr_code == twin.site.alipay.book.trades[attempt.out_trade_no].qr_code
    journal = GatewayCall.objects.get()
    assert (journal.purpose, journal.outcome, journal.number) == ("precreate", "done", attempt.out_trade_no)
    assert (journal.amount_fen, len(journal.request_hash)) == (8880, 64)
    assert [event.action for event in AuditEvent.objects.about(attempt)] == ["created", "presented"]


def test_asking_again_shows_the_same_code(order):
    assert start(order).pk == start(order).pk
    assert calls() == [("precreate", "done")]


def test_the_trade_ends_when_the_order_does(order, twin):
    attempt = start(order)

    sent = json.loads(twin.site.alipay.book.trades[attempt.out_trade_no].content)["time_expire"]
    assert beijing(sent) == attempt.time_expire == order.expires_at.replace(microsecond=0)


def test_a_code_lives_two_hours_at_most(connected, make_order):
    now = database_now()
    attempt = start(make_order(life=timedelta(days=1)))

    assert attempt.time_expire <= now + timedelta(hours=2, seconds=5)


def test_a_phone_payment_lives_five_minutes_at_least(connected, make_order):
    now = database_now()
    attempt = start(make_order(life=timedelta(minutes=3)), Scene.WAP)

    assert attempt.time_expire >= now + timedelta(minutes=5)


def test_a_page_has_an_address_and_nothing_was_called(order):
    attempt = start(order, Scene.PAGE)

    params = {name: values[0] for name, values in parse_qs(urlsplit(pay_address(attempt)).query).items()}
    assert json.loads(params["biz_content"])["out_trade_no"] == attempt.out_trade_no
    assert params["notify_url"] == "https://shop.example/alipay/notify"
    assert params["return_url"] == f"https://shop.example/alipay/return/{order.token}/"
    assert "?" not in params["return_url"]
    assert (attempt.state, calls()) == (State.PRESENTED, [])


def test_no_attempt_starts_with_too_little_time_left(connected, make_order):
    with pytest.raises(TooLittleTime):
        start(make_order(life=timedelta(seconds=100)))


@pytest.mark.parametrize("state", [Order.State.CLOSED])
def test_an_order_that_awaits_nothing_takes_no_attempt(order, state):
    Order.objects.update(state=state)

    with pytest.raises(NotPayable):
        start(order)


def test_no_call_leaves_while_a_transaction_is_open(committed_db, identity, twin, make_order):
    make_merchant(identity, f"{twin.url}/gateway.do")
    order = make_order()
    with transaction.atomic(), pytest.raises((AssertionError, RuntimeError)):
        start(order)
    with transaction.atomic(), pytest.raises(AssertionError, match="inside a database transaction"):
        gateway.ask(gateway.merchant_of(order.account), ["1"], deadline_s=1)


# --- change of method -----------------------------------------------------------------------------------------------


def test_an_unscanned_code_is_superseded_and_stays_watched(order):
    code = start(order)
    page = start(order, Scene.PAGE)

    code.refresh_from_db()
    assert (code.state, code.superseded) == (State.PRESENTED, True)
    assert code.next_check_at
    assert page.out_trade_no != code.out_trade_no
    assert calls()[-1] == ("close", "certainly_not")


def test_a_scanned_code_is_closed_at_alipay_first(order, twin):
    code = start(order)
    twin.control("scan", out_trade_no=code.out_trade_no)

    fresh = start(order, fresh=True)

    code.refresh_from_db()
    assert (code.state, twin.site.alipay.book.trades[code.out_trade_no].status) == (State.CLOSED, "TRADE_CLOSED")
    assert fresh.pk != code.pk


def test_a_code_that_was_just_paid_pays_the_order_instead_of_being_left(order, twin):
    code = start(order)
    twin.control("pay", out_trade_no=code.out_trade_no)

    with pytest.raises(NotPayable):
        start(order, Scene.PAGE)

    order.refresh_from_db()
    assert (order.state, order.paid_by) == (Order.State.PAID, code)


def test_the_old_code_paid_after_all_pays_the_order(order, twin):
    code = start(order)
    start(order, Scene.PAGE)
    twin.control("pay", out_trade_no=code.out_trade_no)

    ask.ask_about([code], actor="test")

    order.refresh_from_db()
    assert order.paid_by == code


def test_no_second_way_is_offered_while_the_first_is_in_doubt(order, twin, clocks):
    clocks(page_deadline_s=0.3)
    start(order)
    twin.control("faults", lose="2")

    with pytest.raises(NotPayable):
        start(order, Scene.PAGE)

    assert Transaction.objects.get().in_doubt


def test_two_tabs_get_one_attempt(order):
    first = start(order)

    assert start(Order.objects.get(pk=order.pk)).pk == first.pk


# --- when Alipay does not answer ------------------------------------------------------------------------------------


@pytest.mark.rows("F35")
def test_a_gateway_that_is_down_leaves_the_order_payable(order):
    MerchantAccount.objects.update(gateway_url="http://127.0.0.1:9/gateway.do")

    attempt = start(order)

    assert (attempt.state, attempt.in_doubt) == (State.CREATED, False)
    assert calls() == [("precreate", "certainly_not")]
    assert attempt.next_check_at
    assert attempt.next_check_at < database_now() + timedelta(seconds=10)


@pytest.mark.rows("F36")
def test_a_request_lost_on_the_way_is_repeated_under_the_same_number(order, twin, clocks):
    clocks(page_deadline_s=0.3)
    twin.control("faults", lose="1")
    attempt = start(order)
    assert (attempt.state, attempt.in_doubt, calls()) == (State.CREATED, True, [("precreate", "unknown")])

    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)

    again = Transaction.objects.get()
    assert (again.state, again.out_trade_no, again.in_doubt) == (State.PRESENTED, attempt.out_trade_no, False)
    assert list(twin.site.alipay.book.trades) == [attempt.out_trade_no]


@pytest.mark.rows("F37")
def test_an_answer_lost_on_the_way_back_is_asked_for_under_the_same_number(order, twin, clocks):
    clocks(page_deadline_s=0.3)
    twin.control("faults", swallow="1")
    attempt = start(order)
    assert attempt.in_doubt
    code = twin.site.alipay.book.trades[attempt.out_trade_no].qr_code

    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)

    assert Transaction.objects.get().qr_code == code


def test_an_error_page_of_the_gateway_is_unknown(order, twin):
    twin.control("faults", http_500="1")

    assert start(order).in_doubt
    assert GatewayCall.objects.get().why == "HTTP 500"


def test_a_merchant_alipay_refuses_is_a_case_and_the_buyer_is_told(order, twin):
    MerchantAccount.objects.update(app_id="2021000000000000")
    gateway._merchants = (0.0, {})
    order = Order.objects.select_related("account").get(pk=order.pk)

    attempt = start(order)

    assert (attempt.state, attempt.refused) == (State.CLOSED, True)
    assert Case.objects.get().kind == Case.Kind.REFUSED_CALL


@pytest.mark.rows("F50")
def test_a_notice_that_comes_before_our_own_call_returned_is_not_lost(order, make_attempt, says, client):
    attempt = make_attempt(order, state=State.CREATED, qr_code="", presented_at=None)

    response = client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")
    resume(attempt)

    assert response.content == b"success"
    attempt.refresh_from_db()
    assert attempt.state == State.PAID


def test_a_crash_between_number_and_call_is_finished_by_the_worker(order, make_attempt, twin):
    """The number is saved before anyone hears of it, so the next one to look goes on with it."""
    attempt = make_attempt(order, state=State.CREATED, qr_code="", next_check_at=database_now())

    poll.ask_about_due(limit=10)

    attempt.refresh_from_db()
    assert attempt.state == State.PRESENTED
    assert attempt.qr_code


def test_numbers_are_what_alipay_takes_and_carry_nothing_of_the_buyer(order):
    number = start(order).out_trade_no

    assert number.isalnum()
    assert number.isascii()
    assert len(number) <= 64
    assert number.startswith(f"{database_now().astimezone(BEIJING):%Y%m%d}")


def test_another_way_stays_open_while_alipay_cannot_be_reached_for_a_code(order):
    """Nobody has seen the code that was never made, so leaving it needs no word of Alipay's."""
    MerchantAccount.objects.update(gateway_url="http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)

    left = start(order)
    assert left.state == State.CREATED
    assert start(order, Scene.PAGE).state == State.PRESENTED

    left.refresh_from_db()
    assert (left.state, left.superseded) == (State.CREATED, True)
    resume(left)
    assert [code for (code,) in GatewayCall.objects.values_list("code")] == ["NOT_SENT"]


def test_a_code_that_came_meanwhile_is_not_left_without_asking(order, make_attempt):
    stale = make_attempt(order, state=State.CREATED, qr_code="")
    Transaction.objects.update(state=State.PRESENTED, qr_code="https://qr.example/1")

    assert not Transaction.objects.mark_superseded(stale.pk, unless_shown=True)
