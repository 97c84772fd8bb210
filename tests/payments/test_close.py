"""Closing: at Alipay first, here only after time and grace, and never what was paid."""

import time
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from payments.models import AuditEvent, Case, Order, OutboxMessage, Transaction, Transfer
from payments.models.clock import database_now
from payments.services.ask import ask_about
from payments.services.close import close_due, close_order
from payments.services.poll import ask_about_due
from payments.services.relay_outbox import relay_outbox
from payments.services.start_payment import start_payment

State = Transaction.State
GRACE = timedelta(seconds=120)


@pytest.fixture
def order(connected, make_order) -> Order:
    return make_order()


@pytest.fixture
def attempt(order) -> Transaction:
    return start_payment(order, scene=Transaction.Scene.QR, actor="test")


def let_pass(attempt: Transaction, since_end: timedelta) -> None:
    """Make it so long after the end of the attempt and its order, here and at Alipay."""
    end = database_now() - since_end
    Order.objects.update(expires_at=end)
    Transaction.objects.filter(pk=attempt.pk).update(time_expire=end, close_due_at=end + GRACE)


def let_pass_since_closing(seconds: int) -> None:
    passed = timedelta(seconds=seconds)
    Transaction.objects.update(closed_at=F("closed_at") - passed, next_check_at=F("next_check_at") - passed)


def until_next() -> float:
    due = Transaction.objects.get().next_check_at
    assert due
    return (due - database_now()).total_seconds()


def states(order: Order) -> tuple[str, str]:
    return Transaction.objects.get().state, Order.objects.get(pk=order.pk).state


def test_within_its_grace_nothing_is_closed(order, attempt):
    let_pass(attempt, GRACE - timedelta(seconds=5))

    assert close_due(limit=10) == 0
    assert not close_order(order.pk)
    assert states(order) == ("presented", "awaiting_payment")


def test_a_code_nobody_scanned_is_closed_here_after_its_grace(order, attempt):
    let_pass(attempt, GRACE)

    assert close_due(limit=10) == 1

    assert states(order) == ("closed", "closed")
    assert [event.action for event in AuditEvent.objects.about(attempt)][-1] == "closed_unused"
    assert [event.action for event in AuditEvent.objects.about(order)] == ["placed", "closed"]
    assert list(OutboxMessage.objects.values_list("topic", flat=True)) == ["order.closed"]


def test_a_scanned_trade_is_closed_at_alipay(order, attempt, twin):
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    let_pass(attempt, GRACE)

    close_due(limit=10)

    assert twin.site.alipay.book.trades[attempt.out_trade_no].status == "TRADE_CLOSED"
    assert states(order) == ("closed", "closed")


@pytest.mark.rows("F45", "F46")
def test_a_payment_hidden_by_an_old_answer_at_closing_is_found_by_looking_back(order, attempt, twin, clocks):
    """Alipay's answer was of before the buyer paid, its notice never comes, and the buyer does not come back."""
    clocks(look_back_s=[300, 3600])
    let_pass(attempt, GRACE)
    close_due(limit=10)
    assert states(order) == ("closed", "closed")
    assert not ask_about_due(limit=10), "not at once"
    twin.control("pay", out_trade_no=attempt.out_trade_no)

    let_pass_since_closing(seconds=301)
    assert ask_about_due(limit=10) == 1

    assert Transaction.objects.get().state == State.PAID
    assert Transaction.objects.get().late
    assert OutboxMessage.objects.filter(topic="money.surplus").count() == 1
    assert Transaction.objects.get().next_check_at is None


@pytest.mark.rows("F45")
def test_what_nobody_paid_is_looked_back_at_a_few_times_and_left(order, attempt, twin, clocks):
    clocks(look_back_s=[300, 3600], call_deadline_s=0.3, ladder_s=[60])
    let_pass(attempt, GRACE)
    close_due(limit=10)

    let_pass_since_closing(seconds=301)
    twin.control("faults", lose="1")
    assert ask_about_due(limit=10) == 1
    assert 50 < until_next() <= 60, "no answer is none: by the ladder until there is one"
    let_pass_since_closing(seconds=60)
    assert ask_about_due(limit=10) == 1
    assert 3200 < until_next() <= 3300
    let_pass_since_closing(seconds=3300)
    assert ask_about_due(limit=10) == 1

    assert Transaction.objects.get().next_check_at is None
    assert states(order) == ("closed", "closed")


def test_what_alipay_closed_itself_is_not_looked_back_at(order, attempt, twin):
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    let_pass(attempt, GRACE)

    close_due(limit=10)

    assert Transaction.objects.get().next_check_at is None


@pytest.mark.rows("F45", "I-22")
def test_what_alipay_refused_is_not_looked_back_at_either_whoever_asks_about_it(
    make_order, make_attempt, connected, twin
):
    attempt = make_attempt(make_order(), state=State.CREATED, qr_code="")
    Transaction.objects.mark_refused(attempt.pk, now=database_now())

    ask_about([Transaction.objects.select_related("account").get()], actor="return")

    assert Transaction.objects.get().heard_status == "absent"
    assert Transaction.objects.get().next_check_at is None


@pytest.mark.rows("F53")
def test_what_was_paid_at_the_last_moment_is_paid(order, attempt, twin):
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    let_pass(attempt, GRACE)

    close_due(limit=10)

    assert states(order) == ("paid", "paid")
    assert Transfer.objects.count() == 1


def test_paid_between_our_question_and_our_close_is_paid(order, attempt, twin, monkeypatch):
    """Alipay refuses to close what was just paid; that leads to a question, not to a closed order."""
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    let_pass(attempt, GRACE)
    trade = twin.site.alipay.book.trades[attempt.out_trade_no]
    now = database_now()
    refuse_to_close = twin.site.alipay._close

    def pay_first(*arguments):
        twin.site.alipay.pay(trade, now)
        return refuse_to_close(*arguments)

    monkeypatch.setattr(twin.site.alipay, "_close", pay_first)
    close_due(limit=10)
    assert states(order) == ("presented", "awaiting_payment")

    Transaction.objects.update(close_due_at=database_now())
    close_due(limit=10)
    assert states(order) == ("paid", "paid")


def test_without_an_answer_nothing_is_closed(order, attempt, twin, clocks):
    clocks(call_deadline_s=0.3)
    let_pass(attempt, GRACE)
    twin.control("faults", lose="1")

    close_due(limit=10)
    assert states(order) == ("presented", "awaiting_payment")

    Transaction.objects.update(close_due_at=database_now())
    close_due(limit=10)
    assert states(order) == ("closed", "closed")


def test_without_an_answer_for_too_long_a_person_looks(order, attempt, twin, clocks):
    clocks(call_deadline_s=0.3, doubt_s=3600)
    let_pass(attempt, GRACE + timedelta(hours=2))
    twin.control("faults", lose="1")

    close_due(limit=10)

    assert Case.objects.get().kind == Case.Kind.STUCK
    assert states(order) == ("presented", "awaiting_payment")


def test_an_order_is_not_closed_while_an_older_code_could_still_be_paid(order, attempt, make_attempt):
    let_pass(attempt, GRACE)
    make_attempt(order, scene=Transaction.Scene.WAP, superseded=True, time_expire=database_now() + timedelta(minutes=3))

    close_due(limit=10)

    order.refresh_from_db()
    assert order.state == Order.State.AWAITING_PAYMENT


def test_an_order_without_any_attempt_is_closed_too(order):
    Order.objects.update(expires_at=database_now() - GRACE)

    close_due(limit=10)

    order.refresh_from_db()
    assert order.state == Order.State.CLOSED


def test_an_order_without_any_attempt_keeps_its_grace(order):
    Order.objects.update(expires_at=database_now() - GRACE + timedelta(seconds=5))

    close_due(limit=10)

    order.refresh_from_db()
    assert order.state == Order.State.AWAITING_PAYMENT


def test_a_paid_order_is_never_closed(order, attempt, says, client):
    client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")
    let_pass(attempt, GRACE)

    close_due(limit=10)

    assert not close_order(order.pk)
    assert states(order) == ("paid", "paid")


@pytest.mark.rows("F49")
def test_money_a_day_after_closing_opens_its_order_again(order, attempt, says, client):
    let_pass(attempt, GRACE)
    close_due(limit=10)

    response = client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")

    assert response.content == b"success"
    assert states(order) == ("paid", "closed")
    assert Transaction.objects.get().late
    relay_outbox(limit=10)
    assert states(order) == ("paid", "paid")


@pytest.mark.rows("F55")
@pytest.mark.parametrize("ahead_s", ["300", "-300"])
def test_a_clock_five_minutes_off_alipays_ends_nothing_early_and_charges_nobody_twice(order, twin, ahead_s):
    twin.control("clock", ahead_s=ahead_s)
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    assert (close_due(limit=10), start_payment(order, scene=Transaction.Scene.QR, actor="test").pk) == (0, attempt.pk)

    twin.control("pay", out_trade_no=attempt.out_trade_no)
    ask_about([attempt], actor="test")

    assert states(order) == (State.PAID, Order.State.PAID)
    assert Transfer.objects.count() == 1


@pytest.mark.rows("F55", "F56")
@pytest.mark.parametrize(
    "off", [timedelta(minutes=10), timedelta(minutes=-10), timedelta(hours=1), timedelta(hours=-1)]
)
def test_a_process_whose_own_clock_is_wrong_or_steps_closes_nothing_early_and_everything_in_time(
    order, attempt, monkeypatch, off
):
    let_pass(attempt, GRACE - timedelta(seconds=30))
    own_now, own_time = timezone.now, time.time
    monkeypatch.setattr(timezone, "now", lambda: own_now() + off)
    monkeypatch.setattr(time, "time", lambda: own_time() + off.total_seconds())

    assert (close_due(limit=10), states(order)) == (0, ("presented", "awaiting_payment"))
    let_pass(attempt, GRACE)
    assert (close_due(limit=10), close_due(limit=10)) == (1, 0)
    assert states(order) == ("closed", "closed")


@pytest.mark.rows("F55")
def test_a_trade_that_alipays_faster_clock_has_ended_leaves_the_order_open(order, attempt, twin):
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    twin.control("clock", ahead_s="960")

    ask_about([attempt], actor="test")
    close_due(limit=10)

    assert states(order) == (State.CLOSED, Order.State.AWAITING_PAYMENT)
