"""Genuine money under a number we never made: in the books once, with a case, and staff can give it back."""

from dataclasses import replace
from uuid import uuid4

import pytest

from payments.alipay.facts import TradeStatus
from payments.models import Case, Order, OutboxMessage, Refund, Transaction, Transfer
from payments.models.clock import database_now
from payments.models.settling import AskedQuery
from payments.money import Money
from payments.queries.invariants import check_invariants
from payments.services import send_refunds
from payments.services.receive_notice import receive_notice
from payments.services.refund import approve_refund, request_refund
from payments.services.relay_outbox import relay_outbox
from payments.services.settle import Settled, settle
from payments.services.start_payment import start_payment
from tests.payments.test_send_refunds import in_book

NUMBER = "SHOP2_0001"


@pytest.fixture
def notice(says, unsettled):
    """The raw body of a genuine notice about a trade of nobody."""
    trade_no = says.trade_no()
    return lambda **changes: says.notice(unsettled, **{"out_trade_no": NUMBER, "trade_no": trade_no, **changes})


def ledger() -> list[tuple[str, str, int]]:
    return list(Transfer.objects.order_by("id").values_list("debit", "credit", "fen"))


def all_hold() -> bool:
    return not [each for each in check_invariants() if each.hits]


@pytest.mark.rows("F49")
def test_it_is_booked_once_and_becomes_one_case(notice, order):
    assert receive_notice(notice()) == Settled.CASE
    assert receive_notice(notice(notify_id="another")) == Settled.BEFORE
    assert receive_notice(notice(trade_status="TRADE_FINISHED")) == Settled.BEFORE

    stray = Transaction.objects.get(origin="stray")
    assert (stray.state, stray.order, stray.amount_fen, stray.finished) == ("paid", None, 8880, True)
    assert ledger() == [("alipay_receivable", "money_in_cases", 8880)]
    case = Case.objects.get()
    assert (case.kind, case.subject, case.amount_fen) == ("unknown_number", f"transaction:{stray.pk}", 8880)
    order.refresh_from_db()
    assert order.state == Order.State.AWAITING_PAYMENT
    assert all_hold()


def test_what_alipay_gave_the_buyer_is_booked_as_discount(notice):
    receive_notice(notice(receipt_amount="80.00"))

    assert ledger() == [("alipay_receivable", "money_in_cases", 8000), ("merchant_discount", "money_in_cases", 880)]
    assert all_hold()


def test_another_amount_for_the_same_stray_trade_is_a_case_and_books_nothing(notice):
    receive_notice(notice())
    assert receive_notice(notice(total_amount="99.00")) == Settled.CASE

    assert ledger() == [("alipay_receivable", "money_in_cases", 8880)]
    assert set(Case.objects.values_list("kind", flat=True)) == {"unknown_number", "other_amount"}


def test_the_trade_of_one_of_our_attempts_is_never_a_stray(says, unsettled, notice):
    facts = says.facts(unsettled)
    source = AskedQuery(uuid4(), unsettled.account_id, database_now())
    settle([facts], source=source, actor="poll")

    assert receive_notice(notice(trade_no=facts.trade_no)) == Settled.CASE

    assert not Transaction.objects.filter(origin="stray").exists()
    assert ledger() == [("alipay_receivable", "sales", 8880)]


def test_a_bad_stray_fact_in_a_batch_does_not_stop_the_others(says, unsettled, merchant):
    stray = says.facts(unsettled, out_trade_no=NUMBER)
    ours = replace(says.facts(unsettled), status=TradeStatus.PAID)

    outcomes = settle([stray, ours], source=AskedQuery(uuid4(), merchant.pk, database_now()), actor="poll")

    assert outcomes == [Settled.CASE, Settled.PAYS_ORDER]


def test_staff_can_give_it_back_by_the_usual_way(connected, make_order, twin, says, clocks):
    """The pretend Alipay has the trade; we hear of it under a number that is nobody's here."""
    clocks(refunds_apart_s=0)
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    trade = twin.site.alipay.book.trades.pop(attempt.out_trade_no)
    trade.out_trade_no = NUMBER
    twin.site.alipay.book.keep(trade)
    receive_notice(says.notice(attempt, out_trade_no=NUMBER, trade_no=trade.trade_no))
    stray = Transaction.objects.get(origin="stray")

    refund = request_refund(stray, Money(8880), requester="staff:1", origin=Refund.Origin.STAFF)
    approve_refund(refund, approver="staff:2")
    send_refunds.send_due(limit=1)

    refund.refresh_from_db()
    assert refund.state == Refund.State.SUCCEEDED
    assert in_book(twin, stray) == [(refund.out_request_no, 8880)]
    assert ledger()[-1] == ("money_in_cases", "alipay_receivable", 8880)
    closed = says.notice(stray, trade_status="TRADE_CLOSED", refund_fee="88.80", out_biz_no=refund.out_request_no)
    assert receive_notice(closed) == Settled.BEFORE
    assert OutboxMessage.objects.filter(topic="refund.succeeded").count() == 1
    assert relay_outbox(limit=10)
    assert all_hold()
