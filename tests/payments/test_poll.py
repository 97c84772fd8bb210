"""The poller: what it asks, when, and what it makes of the answers."""

from collections.abc import Callable
from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments.models import GatewayCall, Order, Transaction
from payments.models.clock import database_now
from payments.services import ask, poll
from payments.services.start_payment import start_payment

State = Transaction.State


@pytest.fixture
def order(connected, make_order) -> Order:
    return make_order()


@pytest.fixture
def due(order) -> Transaction:
    return make_due(start_payment(order, scene=Transaction.Scene.QR, actor="test"))


def make_due(attempt: Transaction) -> Transaction:
    Transaction.objects.filter(pk=attempt.pk).update(next_check_at=database_now(), asked_at=None)
    attempt.refresh_from_db()
    return attempt


@pytest.mark.rows("F46")
def test_without_any_notice_a_question_makes_it_paid(order, due, twin):
    twin.control("pay", out_trade_no=due.out_trade_no)

    assert poll.ask_about_due(limit=10) == 1

    order.refresh_from_db()
    assert (order.state, order.paid_by) == (Order.State.PAID, due)
    evidence = GatewayCall.objects.get(purpose="query")
    assert order.paid_by.evidence == f"call:{evidence.pk}"
    assert evidence.learned == [ANY]
    assert (evidence.learned[0]["out_trade_no"], evidence.learned[0]["total_fen"]) == (due.out_trade_no, 8880)


def test_no_trade_yet_leaves_it_watched_and_payable(order, due):
    poll.ask_about_due(limit=10)

    due.refresh_from_db()
    order.refresh_from_db()
    assert (due.state, due.heard_status, order.state) == (State.PRESENTED, "absent", Order.State.AWAITING_PAYMENT)
    assert due.next_check_at > database_now()


def test_a_scan_is_noticed(due, twin):
    twin.control("scan", out_trade_no=due.out_trade_no)
    poll.ask_about_due(limit=10)

    due.refresh_from_db()
    assert due.scanned_at
    assert due.trade_no


def test_nothing_is_asked_before_it_is_due(due):
    Transaction.objects.update(next_check_at=database_now() + timedelta(minutes=1))

    assert poll.ask_about_due(limit=10) == 0
    assert not GatewayCall.objects.filter(purpose="query").exists()


def test_a_claim_is_a_lease_nobody_else_gets_the_row(due):
    now = database_now()
    first = Transaction.objects.claim_due("next_check_at", now=now, lease=timedelta(seconds=30), limit=10)
    second = Transaction.objects.claim_due("next_check_at", now=now, lease=timedelta(seconds=30), limit=10)

    assert ([each.pk for each in first], second) == ([due.pk], [])
    assert first[0].next_check_at == now + timedelta(seconds=30)


def test_the_ladder_climbs_and_stays_on_its_last_rung(clocks):
    clocks(ladder_s=[60, 120, 300])

    assert [ask.rung(checks).seconds for checks in range(5)] == [60, 120, 300, 300, 300]


def test_a_batch_is_one_question_journalled_once(connected, make_order, twin):
    attempts = [start_payment(make_order(), scene=Transaction.Scene.QR, actor="test") for _ in range(12)]
    for attempt in attempts:
        make_due(attempt)
    twin.control("pay", out_trade_no=attempts[3].out_trade_no)

    assert poll.ask_about_due(limit=100) == 12

    assert GatewayCall.objects.filter(purpose="query").count() == 1
    assert list(Order.objects.filter(state=Order.State.PAID)) == [attempts[3].order]


def test_the_statements_of_a_batch_do_not_grow_with_it(connected, make_order, make_attempt):
    def cost(count: int) -> int:
        for _ in range(count):
            make_due(make_attempt(make_order()))
        with CaptureQueriesContext(connection) as queries:
            poll.ask_about_due(limit=100)
        return len(queries)

    cost(1)
    assert cost(2) == cost(20)


def test_a_gateway_that_does_not_answer_changes_nothing(due, twin, clocks):
    clocks(call_deadline_s=0.3)
    twin.control("faults", lose="1")

    poll.ask_about_due(limit=10)

    due.refresh_from_db()
    assert (due.state, due.heard_at) == (State.PRESENTED, None)
    assert GatewayCall.objects.get(purpose="query").outcome == "unknown"


def test_an_answer_for_one_of_two_settles_that_one(connected, make_order, twin, clocks):
    clocks(call_deadline_s=0.3)
    pair = [make_due(start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")) for _ in range(2)]
    for attempt in pair:
        twin.control("pay", out_trade_no=attempt.out_trade_no)
    twin.control("faults", lose="1")

    poll.ask_about_due(limit=10)

    assert sorted(Transaction.objects.values_list("state", flat=True)) == [State.PAID, State.PRESENTED]


def test_a_person_who_waits_gets_one_question_in_a_few_seconds(due, clocks):
    clocks(ask_again_s=3)

    assert ask.ask_now(due, actor="buyer")
    assert not ask.ask_now(due, actor="buyer")
    assert GatewayCall.objects.filter(purpose="query").count() == 1


def test_a_settled_attempt_is_asked_about_no_more(due, twin):
    twin.control("pay", out_trade_no=due.out_trade_no)
    poll.ask_about_due(limit=10)

    assert Transaction.objects.get().next_check_at is None
    assert poll.ask_about_due(limit=10) == 0


def test_the_lease_outlasts_the_slowest_batch(clocks):
    clocks(batch_connections=50, call_deadline_s=15.0)

    assert (ask.lease(500), ask.lease(1)) == (timedelta(seconds=180), timedelta(seconds=45))


@pytest.fixture
def claim(db) -> Callable[[int], str]:
    def explained(limit: int) -> str:
        from payments.models.transaction import CLAIM  # noqa: PLC0415  # the statement itself

        now = database_now()
        with connection.cursor() as cursor:
            cursor.execute(
                "EXPLAIN " + CLAIM.format(column="next_check_at"), {"now": now, "until": now, "limit": limit}
            )
            return "\n".join(row[0] for row in cursor.fetchall())

    return explained


def test_claiming_walks_the_partial_index(claim):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    assert "transaction_due_check" in claim(500)
