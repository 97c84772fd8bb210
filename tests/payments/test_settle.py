"""The one door for every fact. Each gate is shown shut and open."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments import gateway
from payments.alipay.facts import TradeFacts, TradeStatus
from payments.models import AuditEvent, Case, GatewayCall, Order, OutboxMessage, Transaction, Transfer
from payments.models.clock import database_now
from payments.models.settling import AskedQuery
from payments.money import Money
from payments.services.receive_notice import receive_notice
from payments.services.settle import Settled, settle
from tests.conftest import make_merchant

PAYS, SURPLUS, MOVED, BEFORE, NOTHING, CASE = (
    Settled.PAYS_ORDER, Settled.SURPLUS, Settled.MOVED, Settled.BEFORE, Settled.NOTHING, Settled.CASE,
)  # fmt: skip


@pytest.fixture
def hear(db, merchant) -> Callable[..., Settled]:
    """Settle facts as a query brings them."""

    def settle_them(*facts: TradeFacts) -> Any:
        outcomes = settle(facts, source=AskedQuery(uuid.uuid4(), merchant.pk, database_now()), actor="poll")
        return outcomes[0] if len(outcomes) == 1 else outcomes

    return settle_them


def now_is(attempt: Transaction) -> str:
    attempt.refresh_from_db()
    return attempt.state


def ledger() -> list[tuple[str, str, int]]:
    return list(Transfer.objects.order_by("id").values_list("debit", "credit", "fen"))


def test_a_payment_pays_its_order_once_and_for_all(hear, says, order, unsettled):
    facts = says.facts(unsettled)

    assert hear(facts) == PAYS

    order.refresh_from_db()
    unsettled.refresh_from_db()
    assert (order.state, order.paid_by, order.paid_at) == (Order.State.PAID, unsettled, facts.paid_at)
    assert (unsettled.state, unsettled.trade_no, unsettled.late) == (Transaction.State.PAID, facts.trade_no, False)
    assert unsettled.evidence.startswith("call:")
    assert unsettled.next_check_at is unsettled.close_due_at is None
    assert ledger() == [("alipay_receivable", "sales", 8880)]
    assert list(OutboxMessage.objects.values_list("topic", flat=True)) == ["order.paid"]
    assert [event.action for event in AuditEvent.objects.about(order)] == ["placed", "paid"]
    assert [event.action for event in AuditEvent.objects.about(unsettled)] == ["created", "presented", "paid"]


def test_the_same_fact_twice_settles_once(hear, says, unsettled):
    facts = says.facts(unsettled)

    assert (hear(facts), hear(facts)) == (PAYS, BEFORE)
    assert len(ledger()) == 1
    assert OutboxMessage.objects.count() == 1
    assert Case.objects.count() == 0


def test_what_alipay_gave_the_buyer_is_booked_as_discount(hear, says, unsettled):
    assert hear(says.facts(unsettled, receipt=Money(8000))) == PAYS
    assert ledger() == [("alipay_receivable", "sales", 8000), ("merchant_discount", "sales", 880)]


@pytest.mark.parametrize("receipt", [None, Money(8881)])
def test_a_receipt_that_is_absent_or_impossible_counts_as_the_total(hear, says, unsettled, receipt):
    assert hear(says.facts(unsettled, receipt=receipt)) == PAYS
    assert ledger() == [("alipay_receivable", "sales", 8880)]


def test_a_trade_paid_wholly_by_the_merchants_discount_is_still_paid(hear, says, unsettled):
    assert hear(says.facts(unsettled, receipt=Money(0))) == PAYS
    assert ledger() == [("merchant_discount", "sales", 8880)]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"app_id": "2021999999999999"}, Case.Kind.OTHER_APP),
        ({"seller_id": "2088999999999999"}, Case.Kind.OTHER_SELLER),
        ({"seller_id": ""}, Case.Kind.OTHER_SELLER),
        ({"total": Money(1)}, Case.Kind.OTHER_AMOUNT),
        ({"total": Money(8881)}, Case.Kind.OTHER_AMOUNT),
        ({"total": None}, Case.Kind.UNREADABLE),
        ({"trade_no": None}, Case.Kind.UNREADABLE),
        ({"status": TradeStatus.UNREADABLE}, Case.Kind.UNREADABLE),
        ({"out_trade_no": "NOBODY_KNOWS", "status": TradeStatus.WAITING}, Case.Kind.UNKNOWN_NUMBER),
        ({"out_trade_no": "NOBODY_KNOWS", "app_id": "2021999999999999"}, Case.Kind.UNKNOWN_NUMBER),
        ({"out_trade_no": "NOBODY_KNOWS", "seller_id": "2088999999999999"}, Case.Kind.UNKNOWN_NUMBER),
        ({"out_trade_no": "NOBODY_KNOWS", "total": None}, Case.Kind.UNKNOWN_NUMBER),
    ],
)
def test_facts_that_do_not_fit_open_one_case_and_settle_nothing(hear, says, order, unsettled, changes, kind):
    facts = says.facts(unsettled, **changes)

    assert (hear(facts), hear(facts)) == (CASE, CASE)

    order.refresh_from_db()
    assert (now_is(unsettled), order.state, ledger()) == ("presented", "awaiting_payment", [])
    assert [case.kind for case in Case.objects.open()] == [kind]
    assert hear(says.facts(unsettled)) == PAYS, "the honest path stays open"


def test_another_trade_for_a_number_that_has_one_is_a_case(hear, says, unsettled):
    assert hear(says.facts(unsettled, status=TradeStatus.WAITING)) == MOVED
    assert hear(replace(says.facts(unsettled), trade_no=says.trade_no())) == CASE

    assert now_is(unsettled) == "presented"
    assert Case.objects.get().kind == Case.Kind.OTHER_TRADE


def test_one_trade_for_two_numbers_is_a_case_for_the_second(hear, says, merchant, make_order, make_attempt):
    first, second = (make_attempt(make_order()) for _ in range(2))
    facts = says.facts(first)

    assert hear(facts) == PAYS
    assert hear(says.facts(second, trade_no=facts.trade_no)) == CASE
    assert Case.objects.get().kind == Case.Kind.OTHER_TRADE


def test_one_bad_fact_in_a_batch_does_not_stop_the_others(hear, says, merchant, make_order, make_attempt):
    taken, *others = (make_attempt(make_order()) for _ in range(4))
    facts = says.facts(taken)
    hear(facts)
    batch = [says.facts(each) for each in others]
    batch[1] = replace(batch[1], trade_no=facts.trade_no)

    assert hear(*batch) == [PAYS, CASE, PAYS]


def test_a_batch_settles_each_order_by_itself(hear, says, merchant, make_order, make_attempt):
    attempts = [make_attempt(make_order(fen)) for fen in (1, 200, 30_000)]

    assert hear(*(says.facts(each) for each in attempts)) == [PAYS] * 3
    assert sorted(fen for _, _, fen in ledger()) == [1, 200, 30_000]
    assert GatewayCall.objects.count() == 1


def test_two_payments_for_one_order_in_one_batch_pay_it_once(hear, says, order, make_attempt):
    batch = [says.facts(make_attempt(order)) for _ in range(2)]

    assert sorted(hear(*batch)) == sorted([PAYS, SURPLUS])
    assert sorted(credit for _, credit, _ in ledger()) == ["money_in_cases", "sales"]


def test_a_second_payment_is_booked_and_becomes_a_case(hear, says, order, make_attempt):
    first, second = make_attempt(order, superseded=True), make_attempt(order)

    assert (hear(says.facts(second)), hear(says.facts(first))) == (PAYS, SURPLUS)

    order.refresh_from_db()
    assert order.paid_by == second
    assert ledger() == [("alipay_receivable", "sales", 8880), ("alipay_receivable", "money_in_cases", 8880)]
    assert set(OutboxMessage.objects.values_list("topic", flat=True)) == {"order.paid", "money.surplus"}


def test_money_that_arrives_after_closing_is_booked_all_the_same(hear, says, order, make_attempt):
    closed = make_attempt(order, state=Transaction.State.CLOSED)
    Order.objects.filter(pk=order.pk).update(state=Order.State.CLOSED)

    assert hear(says.facts(closed)) == SURPLUS

    closed.refresh_from_db()
    order.refresh_from_db()
    assert (closed.state, closed.late, order.state) == ("paid", True, "closed")
    assert ledger() == [("alipay_receivable", "money_in_cases", 8880)]


def test_paid_beats_closed_while_the_order_still_waits(hear, says, order, make_attempt):
    closed = make_attempt(order, state=Transaction.State.CLOSED)

    assert hear(says.facts(closed)) == PAYS

    closed.refresh_from_db()
    assert closed.late


def test_finished_counts_as_paid_and_as_no_longer_refundable(hear, says, unsettled):
    assert hear(says.facts(unsettled, status=TradeStatus.FINISHED)) == PAYS

    unsettled.refresh_from_db()
    assert unsettled.finished


def test_finished_months_after_payment_only_ends_the_refunds(hear, says, unsettled):
    facts = says.facts(unsettled)

    assert (hear(facts), hear(replace(facts, status=TradeStatus.FINISHED))) == (PAYS, BEFORE)

    unsettled.refresh_from_db()
    assert unsettled.finished
    assert len(ledger()) == 1


def test_a_scan_is_noted_and_nothing_more(hear, says, order, unsettled):
    facts = says.facts(unsettled, status=TradeStatus.WAITING)

    assert (hear(facts), hear(facts)) == (MOVED, BEFORE)

    unsettled.refresh_from_db()
    assert (unsettled.state, unsettled.trade_no) == ("presented", facts.trade_no)
    assert unsettled.scanned_at
    assert unsettled.next_check_at
    assert ledger() == []


def test_closed_at_alipay_ends_the_attempt_and_not_the_order(hear, says, order, unsettled):
    assert hear(says.facts(unsettled, status=TradeStatus.CLOSED)) == MOVED

    order.refresh_from_db()
    assert (now_is(unsettled), order.state) == ("closed", "awaiting_payment")


def test_closed_after_payment_never_unpays(hear, says, order, unsettled):
    facts = says.facts(unsettled)

    assert (hear(facts), hear(replace(facts, status=TradeStatus.CLOSED))) == (PAYS, Settled.ASKED)

    order.refresh_from_db()
    assert (now_is(unsettled), order.state) == ("paid", "paid")
    assert OutboxMessage.objects.filter(topic="refund.heard").count() == 1


def test_no_trade_yet_means_nothing(hear, says, unsettled):
    assert hear(says.facts(unsettled, status=TradeStatus.ABSENT, trade_no=None, total=None)) == NOTHING
    assert now_is(unsettled) == "presented"
    assert Case.objects.count() == 0


@pytest.mark.rows("F48", "F45")
@pytest.mark.parametrize("messages", list(permutations(["WAITING", "PAID", "CLOSED", "FINISHED"])), ids="-".join)
def test_in_any_order_of_arrival_the_end_is_what_alipay_ended_with(hear, says, order, unsettled, messages):
    facts = says.facts(unsettled)

    for word in messages:
        hear(replace(facts, status=TradeStatus[word]))

    order.refresh_from_db()
    assert (now_is(unsettled), order.state, order.paid_by) == ("paid", "paid", unsettled)
    assert len(ledger()) == 1
    assert AuditEvent.objects.about(order).filter(action="paid").count() == 1


def test_the_cost_of_a_notice_is_one_statement(committed_db, identity, says, make_order, make_attempt):
    make_merchant(identity, "http://127.0.0.1:9/")
    gateway.merchants(refresh=True)
    body = says.notice(make_attempt(make_order()))

    for outcome in (PAYS, BEFORE):
        with CaptureQueriesContext(connection) as queries:
            assert receive_notice(body) == outcome
        assert len(queries) == 1


def test_a_batch_of_nothing_new_costs_its_journal_the_statement_and_one_read(
    hear, says, merchant, make_order, make_attempt
):
    attempts = [make_attempt(make_order()) for _ in range(20)]
    facts = [says.facts(each, status=TradeStatus.WAITING) for each in attempts]
    hear(*facts)
    source = AskedQuery(uuid.uuid4(), merchant.pk, database_now())

    with CaptureQueriesContext(connection) as queries:
        settle(facts, source=source, actor="poll")

    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 3
