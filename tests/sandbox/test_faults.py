"""Faults of the gateway: once, so often, or by chance, and the same again with the same seed."""

import pytest

from payments.alipay import requests
from payments.alipay.answers import read_close, read_query, read_refund_query
from payments.alipay.facts import TradeStatus
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.money import Money
from payments.sandbox.faults import Fault, Faults, Setting
from payments.sandbox.wishes import NotUnderstood, set_faults
from tests.sandbox.conftest import NOW, offer, refusal


def run(seed: int, fault: Fault = Fault.LOSE, others: int = 0) -> list[bool]:
    faults = Faults(seed)
    set_faults(faults, {fault: "0.5", Fault.DELAY: "0.5"})
    drawn = []
    for _ in range(50):
        drawn.append(faults.strikes(fault))
        for _ in range(others):
            faults.strikes(Fault.DELAY)
    return drawn


def test_the_same_seed_makes_the_same_run_whatever_else_is_drawn():
    assert run(1) == run(1, others=3)
    assert run(1) != run(2)
    assert run(1) != run(1, Fault.CUT)
    assert 10 < sum(run(1)) < 40


def test_a_fault_happens_so_often_and_only_to_its_method():
    faults = Faults()
    set_faults(faults, {"swallow": "2", "method": "alipay.trade.refund"})

    struck = [faults.strikes(Fault.SWALLOW, method) for method in ("alipay.trade.query", *["alipay.trade.refund"] * 3)]
    assert struck == [False, True, True, False]
    assert faults.struck == {Fault.SWALLOW: 2}


def test_what_is_no_fault_is_passed_over_and_named():
    faults = Faults()

    assert set_faults(faults, {"lose": {"chance": 0.5, "seconds": 2}, "earthquake": "1"}) == ["earthquake"]
    assert faults.settings == {Fault.LOSE: Setting(0, 0.5, "", 2.0)}
    set_faults(faults, {"clear": "true", "cut": "true"})
    assert faults.settings == {Fault.CUT: Setting(1)}


@pytest.mark.parametrize(
    "value", ["often", "-1", "1.5", "nan", "1e9", "99999999999", {"chance": "x"}, {"times": 2.5}, "0.x"]
)
def test_an_amount_that_cannot_be_read_changes_nothing(value):
    faults = Faults()

    with pytest.raises(NotUnderstood):
        set_faults(faults, {"lose": value, "cut": 1})
    assert faults.settings == {}


@pytest.mark.rows("F45")
def test_a_stale_query_knows_nothing_of_the_last_change(alipay, ask, status, paid):
    set_faults(alipay.faults, {"stale": 1})

    assert (status().status, status().status) == (TradeStatus.WAITING, TradeStatus.PAID)


def test_a_stale_query_denies_a_trade_that_was_just_scanned(alipay, ask, status):
    ask(offer())
    alipay.enter(alipay.book.trades["A1"], NOW)
    set_faults(alipay.faults, {"stale": 1})

    assert status().status is TradeStatus.ABSENT


def test_a_stale_refund_query_shows_no_refund(alipay, ask, paid, who):
    alipay.refund(paid, Money(100), "R1", NOW)
    set_faults(alipay.faults, {"stale": 1, "method": "alipay.trade.fastpay.refund.query"})
    body = ask(requests.refund_query(out_trade_no="A1", out_request_no="R1")).encode()

    assert read_refund_query(body, who=who, out_trade_no="A1", out_request_no="R1", amount=Money(100)) == Done(None)


@pytest.mark.rows("F42")
def test_a_system_error_can_follow_a_success(alipay, ask, who):
    ask(offer())
    trade = alipay.enter(alipay.book.trades["A1"], NOW)
    set_faults(alipay.faults, {"error_after": 1, "method": "alipay.trade.close"})

    assert isinstance(read_close(ask(requests.close("A1")).encode(), who=who, out_trade_no="A1"), Unknown)
    assert trade.status == TradeStatus.CLOSED


@pytest.mark.rows("F40", "D10")
@pytest.mark.parametrize("fault", ["unsigned", "bad_answer_signature"])
def test_an_answer_without_a_good_signature_is_believed_by_nobody(alipay, ask, paid, who, fault):
    set_faults(alipay.faults, {fault: 1})

    assert isinstance(read_query(ask(requests.query("A1")).encode(), who=who, out_trade_no="A1"), Unknown)


@pytest.mark.rows("D11")
def test_an_answer_can_lie_about_the_amount(alipay, paid, status):
    set_faults(alipay.faults, {"wrong_answer_amount": 1})

    assert (status().total, status().total) == (Money(8881), Money(8880))


@pytest.mark.rows("F43")
def test_too_many_calls_are_turned_away_undone(alipay, ask):
    set_faults(alipay.faults, {"rate_limit": 1})

    assert refusal(ask(offer())) == "isv.app-call-limited"
    assert alipay.book.trades == {}


def test_a_poor_seller_gives_nothing_back(alipay, ask, paid, who):
    set_faults(alipay.faults, {"poor_seller": 1})
    body = ask(requests.refund(out_trade_no="A1", out_request_no="R1", amount=Money(1)))

    assert refusal(body) == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert paid.refunds == []


def test_a_close_that_meets_no_trade_is_a_certain_no_with_every_fault_off(ask, who):
    answer = read_close(ask(requests.close("A1")).encode(), who=who, out_trade_no="A1")

    assert answer == CertainlyNot("40004", "TRADE_NOT_EXIST", Next.WAIT)
