"""Money back at the pretend Alipay, and what our client reads of it."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest

from payments.alipay import requests
from payments.alipay.answers import read_cancel, read_refund, read_refund_query
from payments.alipay.facts import BankStatus, Cancelled, Refunded, RefundFacts, TradeStatus
from payments.alipay.messages import read_deposit_back, verified_message
from payments.alipay.notices import facts_of, read_form, verified
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.money import Money
from payments.sandbox.book import Book, Refund, Trade
from payments.sandbox.notices import announce, signed_notice, tries
from tests.sandbox.conftest import NOW, offer, open_alipay, params_of

LATER = timedelta(seconds=3)


@pytest.fixture
def give_back(ask, who):
    def send(fen: int, number: str, now: datetime = NOW):
        order = requests.refund(out_trade_no="A1", out_request_no=number, amount=Money(fen), reason="不想要了")
        return read_refund(ask(order, now).encode(), who=who, out_trade_no="A1")

    return send


@pytest.fixture
def ask_refund(ask, who):
    def send(fen: int, number: str):
        body = ask(requests.refund_query(out_trade_no="A1", out_request_no=number)).encode()
        return read_refund_query(body, who=who, out_trade_no="A1", out_request_no=number, amount=Money(fen))

    return send


def test_refunds_add_up_and_the_last_one_closes_the_trade(paid, give_back, status):
    first, second = give_back(1000, "R1"), give_back(7880, "R2", NOW + LATER)

    assert (first.answer.refunded_total, second.answer.refunded_total) == (Money(1000), Money(8880))
    assert status(now=NOW + LATER).status is TradeStatus.CLOSED
    assert status(now=NOW + LATER).paid_at == NOW


def test_a_repeated_refund_moves_nothing_and_the_query_tells_it_is_done(paid, give_back, ask_refund):
    give_back(1000, "R1")

    assert isinstance(give_back(1000, "R1"), Unknown)
    assert paid.refunded == Money(1000)
    assert ask_refund(1000, "R1") == Done(Refunded(paid.trade_no, Money(1000), None))
    assert isinstance(ask_refund(999, "R1"), Unknown)


def test_a_refund_alipay_does_not_show_is_neither_done_nor_failed(paid, ask_refund):
    assert ask_refund(1000, "R9") == Done(None)


def test_refunds_alipay_refuses(paid, give_back):
    give_back(1000, "R1")

    assert give_back(1001, "R1") == CertainlyNot("40004", "DISCORDANT_REPEAT_REQUEST", Next.ALERT)
    assert give_back(7881, "R2") == CertainlyNot("40004", "REFUND_AMT_NOT_EQUAL_TOTAL", Next.ASK)
    late = give_back(1, "R3", NOW + timedelta(days=365))
    assert late == CertainlyNot("40004", "TRADE_HAS_FINISHED", Next.BY_HAND)
    assert paid.refunded == Money(1000)


def test_an_unpaid_trade_cannot_be_refunded(alipay, ask, give_back):
    ask(offer())
    alipay.enter(alipay.book.trades["A1"], NOW)

    assert give_back(1, "R1") == CertainlyNot("40004", "TRADE_STATUS_ERROR", Next.ASK)


def test_cancel_closes_what_is_unpaid_and_refunds_what_is_paid(alipay, ask, who):
    def cancel(number: str, now: datetime = NOW):
        return read_cancel(ask(requests.cancel(number), now).encode(), who=who, out_trade_no=number)

    for number in ("A1", "A2", "A3"):
        ask(offer(number))
    unpaid, bought = alipay.book.trades["A1"], alipay.book.trades["A2"]
    alipay.enter(unpaid, NOW)
    alipay.pay(bought, NOW)

    assert cancel("A1") == Done(Cancelled(unpaid.trade_no, was_paid=False))
    assert cancel("A2") == cancel("A2") == Done(Cancelled(bought.trade_no, was_paid=True))
    assert bought.refunded == bought.total
    assert isinstance(cancel("A3"), Unknown)  # nobody scanned: the code can still be paid
    alipay.pay(alipay.book.trades["A3"], NOW)
    assert cancel("A3", NOW + timedelta(hours=24)) == CertainlyNot("40004", "TRADE_CANCEL_TIME_OUT", Next.ASK)


def test_refunds_survive_a_restart(identity, tmp_path):
    book = Book(tmp_path / "book")
    refund = Refund("R1", 100, NOW)
    book.keep(Trade("A1", 8880, "龙井", "", "", refunds=[refund]))

    assert Book(tmp_path / "book").trades["A1"].refunds == [refund]


def test_two_refunds_of_one_trade_within_three_seconds_are_one_too_many(paid, give_back):
    give_back(1000, "R1")

    assert isinstance(give_back(500, "R2", NOW + timedelta(seconds=2)), Unknown)
    assert paid.refunded == Money(1000)
    assert isinstance(give_back(500, "R2", NOW + LATER), Done)


def test_a_refund_to_a_bank_card_takes_the_bank_its_time(alipay, decide):
    decide("trade.precreate", out_trade_no="A1", total_amount="10", subject="茶")
    alipay.pay(alipay.book.trades["A1"], NOW, channel="BANKCARD")
    decide("trade.refund", out_trade_no="A1", out_request_no="R1", refund_amount="10")
    question = {"out_trade_no": "A1", "out_request_no": "R1"}
    asked = {**question, "query_options": ["deposit_back_info"]}

    def told(after: timedelta) -> str:
        return decide("trade.fastpay.refund.query", NOW + after, **asked)["deposit_back_info"]["dback_status"]

    assert (told(timedelta(0)), told(timedelta(days=1))) == ("P", "S")
    assert "deposit_back_info" not in decide("trade.fastpay.refund.query", **question)


def test_the_bank_is_told_of_to_the_applications_gateway(identity, who):
    alipay = open_alipay(identity[0], app_gateway="https://s/app")
    alipay.answer(params_of(offer(), who), NOW)
    alipay.pay(alipay.book.trades["A1"], NOW, channel="BANKCARD")
    order = requests.refund(out_trade_no="A1", out_request_no="R1", amount=Money(100), deposit_back=True)
    alipay.answer(params_of(order, who), NOW)
    *_, delivery = announce(alipay, NOW)

    assert (delivery.url, delivery.next_at, delivery.number) == ("https://s/app", NOW + timedelta(days=1), "A1")
    (sent,) = tries(alipay, delivery, NOW + timedelta(days=1))
    news = read_deposit_back(verified_message(read_form(urlencode(sent).encode()), who.alipay_keys))
    assert (news.out_request_no, news.amount, news.status) == ("R1", Money(100), BankStatus.ARRIVED)


def test_a_refund_is_told_at_the_payments_address_with_the_sum_of_all(alipay, paid, give_back, who):
    announce(alipay, NOW)
    give_back(1000, "R1")
    give_back(500, "R2", NOW + LATER)
    first, second = announce(alipay, NOW)

    assert announce(alipay, NOW) == []
    assert (first.url, first.notify_id == second.notify_id) == ("https://s/n", False)
    sent = urlencode(signed_notice(alipay, second.fields, NOW)).encode()
    facts = facts_of(verified(read_form(sent), who.alipay_keys))
    assert isinstance(facts, RefundFacts)
    assert (facts.out_request_no, facts.refunded_total) == ("R2", Money(1500))
    assert facts.status is TradeStatus.PAID
    assert facts.refunded_at == NOW + LATER
