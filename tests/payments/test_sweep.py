"""A process that dies around a call leaves an intent; sweep, poller and refund ladder finish it under the same number."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from payments import gateway
from payments.alipay.answers import read_precreate
from payments.alipay.client import Transport
from payments.models import GatewayCall, Order, Refund, Transaction
from payments.models.clock import database_now
from payments.queries.invariants import check_invariants
from payments.services import close, poll, send_refunds
from payments.services.start_payment import start_payment
from payments.services.sweep import end_dead_calls
from tests.payments.test_send_refunds import approved, in_book, pay


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@pytest.fixture(autouse=True)
def soon(clocks):
    clocks(refund_ladder_s=[0, 0, 0, 0], refund_absent_s=0, refunds_apart_s=0)


@pytest.fixture
def kill(monkeypatch) -> Callable[[str, Callable[[], object]], None]:
    """Run something and kill it at a point of its first call to Alipay.

    before the journal's commit · when the journal is written and nothing left · when Alipay has done it, before the
    answer is read · when the answer is read, before the outcome's commit
    """

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    def run(point: str, act: Callable[[], object]) -> None:
        send = Transport.send

        def send_and_die(self, post, *, deadline_s):
            send(self, post, deadline_s=deadline_s)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(*{
                "before the journal": (type(GatewayCall.objects), "create", die),
                "before it leaves": (Transport, "send", die),
                "before the answer": (Transport, "send", send_and_die),
                "before the outcome": (gateway, "_journal_words", die),
            }[point])  # fmt: skip
            with suppress(Killed):
                act()
            assert point == "before the journal" or GatewayCall.objects.filter(outcome="intended").count() == 1

    return run


POINTS = ["before the journal", "before it leaves", "before the answer", "before the outcome"]


def time_passes() -> None:
    """Every lease and deadline is over."""
    GatewayCall.objects.update(started_at=database_now() - timedelta(minutes=2))
    Transaction.objects.filter(next_check_at__isnull=False).update(next_check_at=database_now())
    Refund.objects.filter(next_check_at__isnull=False).update(next_check_at=database_now())


@pytest.mark.rows("F01", "F02", "F03", "F04")
@pytest.mark.parametrize("point", POINTS)
def test_a_code_asked_for_by_a_dead_process_is_shown_under_the_same_number(connected, make_order, twin, kill, point):
    order = make_order()
    kill(point, lambda: start_payment(order, scene=Transaction.Scene.QR, actor="buyer"))

    time_passes()
    assert end_dead_calls(limit=10) == (point != "before the journal")
    poll.ask_about_due(limit=10)

    attempt = Transaction.objects.get()
    assert (attempt.state, attempt.in_doubt) == (Transaction.State.PRESENTED, False)
    assert attempt.qr_code
    assert list(twin.site.alipay.book.trades) == [attempt.out_trade_no]
    assert not GatewayCall.objects.filter(outcome="intended").exists()


@pytest.mark.rows("F02", "F03", "F04")
@pytest.mark.parametrize("point", POINTS)
def test_a_close_by_a_dead_process_ends_as_alipay_says(connected, make_order, twin, kill, point):
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="buyer")
    twin.control("scan", out_trade_no=attempt.out_trade_no)
    kill(point, lambda: close.retire(attempt, actor="buyer"))

    time_passes()
    end_dead_calls(limit=10)
    poll.ask_about_due(limit=10)

    attempt.refresh_from_db()
    closed = point in ("before the answer", "before the outcome")
    assert (attempt.state, attempt.in_doubt) == ("closed" if closed else "presented", False)


@pytest.mark.rows("F07")
@pytest.mark.parametrize("fen", [3000, 8880])
@pytest.mark.parametrize("point", POINTS)
def test_a_refund_by_a_dead_worker_moves_its_money_once(connected, make_order, twin, kill, point, fen):
    paid = pay(make_order(), twin)
    refund = approved(paid, fen)
    kill(point, lambda: send_refunds.send_due(limit=1))
    refund.refresh_from_db()
    assert refund.state == Refund.State.SENT

    for _ in range(4):
        time_passes()
        end_dead_calls(limit=10)
        send_refunds.send_due(limit=1)

    refund.refresh_from_db()
    assert (refund.state, refund.in_doubt) == (Refund.State.SUCCEEDED, False)
    assert in_book(twin, paid) == [(refund.out_request_no, fen)]
    assert Order.objects.get().state == ("refunded" if fen == 8880 else "partly_refunded")
    assert not [each for each in check_invariants() if each.hits]


def test_a_call_that_may_still_be_under_way_is_left_alone(connected, make_order, kill):
    order = make_order()
    kill("before it leaves", lambda: start_payment(order, scene=Transaction.Scene.QR, actor="buyer"))

    assert end_dead_calls(limit=10) == 0
    assert GatewayCall.objects.get().outcome == "intended"


@pytest.mark.rows("F10")
def test_an_answer_that_comes_after_all_stands_in_the_journal(connected, make_order, monkeypatch):
    """The process slept, was given up, and woke: what Alipay said is true all the same."""

    def slept(body, **words):
        time_passes()
        assert end_dead_calls(limit=10) == 1
        return read_precreate(body, **words)

    monkeypatch.setattr("payments.services.start_payment.read_precreate", slept)
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="buyer")

    assert (attempt.state, GatewayCall.objects.get().outcome) == (Transaction.State.PRESENTED, "done")
