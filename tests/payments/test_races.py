"""Five doors at once on one order, on real connections, with the controls that show these tests can fail."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from payments import gateway
from payments.errors import RefundRefused
from payments.models import AuditEvent, GatewayCall, Order, OutboxMessage, Refund, Transaction, Transfer, settling
from payments.models.clock import database_now
from payments.services.close import _mark_closed
from payments.services.receive_notice import receive_notice
from payments.services.receive_return import receive_return
from payments.services.refund import request_refund
from payments.services.settle import Settled, settle
from payments.services.start_payment import start_payment
from tests.conftest import Says, make_merchant, wait_until

GUARD = "AND t.state <> 'paid'"
ONCE = "AND coalesce(o.state, '') = 'awaiting_payment' AND coalesce(o.paid_by_id, 0) = 0"


@pytest.fixture
def shop(committed_db, identity) -> None:
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)


@pytest.fixture
def shop_at_twin(committed_db, identity, twin) -> None:
    """The same with a gateway that answers; its notices go nowhere."""
    twin.control("faults", mute="true")
    make_merchant(identity, f"{twin.url}/gateway.do")
    gateway.merchants(refresh=True)


def together(*actors: Callable[[], object]) -> list[object]:
    """Run all of them at the same moment, each on a connection of its own; what each returned or raised."""
    barrier = threading.Barrier(len(actors))

    def run(act: Callable[[], object]) -> object:
        try:
            connection.ensure_connection()
            barrier.wait()
            return act()
        except Exception as error:  # the verdict is the caller's
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actors)) as pool:
        return list(pool.map(run, actors))


def five_doors(order: Order, attempt: Transaction, says: Says, *more: Callable[[], object]) -> list[object]:
    """Two notices, the poller's answer, the closer's end and the buyer's return, all about one payment."""
    facts = says.facts(attempt)
    assert facts.trade_no is not None
    notices = [says.notice(attempt, trade_no=facts.trade_no) for _ in range(2)]
    asked = settling.AskedQuery(uuid4(), attempt.account_id, database_now())

    def close() -> None:
        with transaction.atomic():
            _mark_closed(attempt, actor="closer", action="closed_unused")

    return together(
        lambda: receive_notice(notices[0]),
        lambda: receive_notice(notices[1]),
        lambda: settle([facts], source=asked, actor="poll")[0],
        close,
        lambda: receive_return(order, b""),
        *more,
    )


def wrong(order: Order, outcomes: list[object]) -> list[str]:
    """What is not as it must be after one payment, however the five came in."""
    order.refresh_from_db()
    attempt = Transaction.objects.get(order=order)
    winners = Counter(each for each in outcomes if isinstance(each, Settled))
    checks = {
        "nobody broke": not any(isinstance(each, Exception) for each in outcomes),
        "one winner": winners[Settled.PAYS_ORDER] == 1,
        "paid beats closed": (attempt.state, order.state, order.paid_by_id) == ("paid", "paid", attempt.pk),
        "booked once": Transfer.objects.filter(transaction=attempt).count() == 1,
        "told once": OutboxMessage.objects.filter(topic="order.paid", payload__order_id=order.pk).count() == 1,
        "noted once": AuditEvent.objects.about(order).filter(action="paid").count() == 1,
    }
    return [name for name, holds in checks.items() if not holds]


@pytest.mark.rows("F51", "F47", "F53")
def test_five_doors_at_once_make_one_history(shop, make_order, make_attempt, says):
    for _ in range(60):
        order = make_order()
        attempt = make_attempt(order)
        assert wrong(order, five_doors(order, attempt, says)) == []


def give_all_back(attempt: Transaction) -> object:
    """Staff want all of it back at the moment it is paid: they press until it is, or until another has set it aside."""
    for _ in range(400):
        try:
            return request_refund(attempt, attempt.amount, requester="staff:1", origin=Refund.Origin.STAFF)
        except RefundRefused:
            if attempt.refunds.exists():
                return None
            time.sleep(0.002)
    raise AssertionError("it was never paid")


def wrong_refunds(attempt: Transaction, outcomes: list[object]) -> list[str]:
    """What is not as it must be after several wanted all of one payment back, beside what `wrong` says."""
    attempt.refresh_from_db()
    asked = list(attempt.refunds.values_list("state", "amount_fen"))
    checks = {
        "nobody was stopped by the database": not any(isinstance(each, DatabaseError) for each in outcomes),
        "one of them got it": sum(isinstance(each, Refund) for each in outcomes) == 1,
        "asked once for all": asked == [("requested", attempt.amount_fen)],
        "set aside once": (attempt.reserved_fen, attempt.refunded_fen) == (attempt.amount_fen, 0),
    }
    return [name for name, holds in checks.items() if not holds]


@pytest.mark.rows("F51", "F53")
def test_a_refund_at_the_moment_of_payment_joins_the_one_history(shop, make_order, make_attempt, says):
    for _ in range(25):
        order = make_order()
        attempt = make_attempt(order)

        outcomes = five_doors(order, attempt, says, *[functools.partial(give_all_back, attempt)] * 2)

        assert (wrong(order, outcomes), wrong_refunds(attempt, outcomes)) == ([], [])


def test_without_its_guard_two_refunds_at_once_are_seen_to_be_lost(shop, make_order, make_attempt, says, monkeypatch):
    """The negative control: set aside without looking at what is left, and without the order's lock."""

    def unguarded(transaction_id: int, fen: int) -> bool:
        attempt = Transaction.objects.get(pk=transaction_id)
        left = attempt.state == Transaction.State.PAID and attempt.amount_fen >= attempt.reserved_fen + fen
        time.sleep(0.01)
        return (
            left and Transaction.objects.filter(pk=transaction_id).update(reserved_fen=attempt.reserved_fen + fen) == 1
        )

    monkeypatch.setattr(Transaction.objects, "reserve", unguarded)
    monkeypatch.setattr("payments.services.refund.lock", lambda attempt: None)

    def is_lost() -> bool:
        order = make_order()
        attempt = make_attempt(order)
        outcomes = five_doors(order, attempt, says, *[functools.partial(give_all_back, attempt)] * 2)
        return wrong_refunds(attempt, outcomes) != []

    assert any(is_lost() for _ in range(20))


@pytest.mark.parametrize(("guard", "gap"), [(GUARD, ""), ("ORDER BY o.id FOR NO KEY UPDATE OF o", "")])
def test_without_its_guard_the_race_is_seen_to_be_lost(shop, make_order, make_attempt, says, monkeypatch, guard, gap):
    """The negative control: take out the state guard, or the lock that makes the snapshot harmless."""
    assert guard in settling.SETTLE
    broken = settling.SETTLE.replace(guard, gap)
    monkeypatch.setattr(settling, "SETTLE", broken)

    def is_lost() -> bool:
        order = make_order()
        attempt = make_attempt(order)
        return wrong(order, five_doors(order, attempt, says)) != []

    assert any(is_lost() for _ in range(80))


@pytest.mark.rows("F51")
def test_two_attempts_paid_at_once_pay_the_order_once(shop, make_order, make_attempt, says):
    for _ in range(40):
        order = make_order()
        notices = [says.notice(make_attempt(order)) for _ in range(2)]

        outcomes = together(*(functools.partial(receive_notice, body) for body in notices))

        assert sorted(map(str, outcomes)) == ["pays_order", "surplus"]
        credits = sorted(Transfer.objects.filter(transaction__order=order).values_list("credit", flat=True))
        assert credits == ["money_in_cases", "sales"]


def test_without_its_guard_two_attempts_would_pay_an_order_twice_but_for_the_database(
    shop, make_order, make_attempt, says, monkeypatch
):
    assert ONCE in settling.SETTLE
    monkeypatch.setattr(settling, "SETTLE", settling.SETTLE.replace(ONCE, ""))
    order = make_order()
    notices = [says.notice(make_attempt(order)) for _ in range(2)]

    outcomes = together(*(functools.partial(receive_notice, body) for body in notices))

    refused, pays = sorted(map(str, outcomes), key=len, reverse=True)
    assert pays == "pays_order"
    assert "refused by order_paid_by_its_own" in refused


@pytest.mark.rows("F47")
def test_fifty_copies_of_a_notice_at_once_have_one_effect(shop, make_order, make_attempt, says):
    """Some are sent again later, with a notify_time and a signature of their own."""
    for _ in range(8):
        order = make_order()
        fields = says.fields(make_attempt(order))
        times = [f"2026-11-23 10:{minute:02}:00" for minute in range(10)]
        bodies = [says.body(says.signed({**fields, "notify_time": time})) for time in times]

        outcomes = together(*(functools.partial(receive_notice, bodies[at % 10]) for at in range(50)))

        assert Counter(map(str, outcomes)) == {"pays_order": 1, "duplicate": 49}
        assert Transfer.objects.filter(transaction__order=order).count() == 1


@pytest.mark.rows("F50")
def test_a_notice_that_overtakes_our_own_call_pays_the_order(shop_at_twin, twin, make_order, says, clocks):
    """Alipay has made the trade and the buyer has paid it while our call still waits for its answer."""
    clocks(page_deadline_s=2.0)
    order = make_order()
    twin.control("faults", swallow="1")

    def notify() -> object:
        wait_until(lambda: bool(twin.site.alipay.book.trades))
        attempt = Transaction.objects.get(order=order)
        assert attempt.state == Transaction.State.CREATED
        paid = twin.control("pay", out_trade_no=attempt.out_trade_no)
        return receive_notice(says.notice(attempt, trade_no=paid["trade_no"]))

    started, heard = together(lambda: start_payment(order, scene=Transaction.Scene.QR, actor="test"), notify)

    assert heard == Settled.PAYS_ORDER
    assert isinstance(started, Transaction), started
    order.refresh_from_db()
    attempt = Transaction.objects.get(order=order)
    assert (order.state, order.paid_by, attempt.state, attempt.in_doubt) == ("paid", attempt, "paid", False)
    assert GatewayCall.objects.get(purpose="precreate").outcome == "unknown"


@pytest.mark.rows("C12")
def test_one_key_used_by_many_at_once_makes_one_order(shop, make_order):
    made = together(*(lambda: make_order(key="the same").pk for _ in range(20)))

    assert len(set(made)) == 1
    assert Order.objects.count() == 1


def test_workers_that_claim_at_once_never_get_the_same_row(shop, make_order, make_attempt):
    for _ in range(40):
        make_attempt(make_order(), next_check_at=database_now())
    now = database_now()

    def claim() -> list[int]:
        rows = Transaction.objects.claim_due("next_check_at", now=now, lease=timedelta(minutes=1), limit=15)
        return [row.pk for row in rows]

    for _ in range(12):
        Transaction.objects.update(next_check_at=now)
        claimed = [pk for share in together(*[claim] * 4) if isinstance(share, list) for pk in share]

        assert len(claimed) == len(set(claimed)) == 40


@pytest.mark.rows("F28")
def test_batches_in_opposite_order_do_not_deadlock(shop, make_order, make_attempt, says):
    for _ in range(10):
        attempts = [make_attempt(make_order()) for _ in range(12)]
        facts = [says.facts(each) for each in attempts]

        turns = [facts, facts[::-1], facts[6:] + facts[:6]]
        sources = [settling.AskedQuery(uuid4(), attempts[0].account_id, database_now()) for _ in turns]

        outcomes = together(
            *(
                functools.partial(settle, turn, source=source, actor="poll")
                for turn, source in zip(turns, sources, strict=True)
            )
        )

        assert not any(isinstance(each, DatabaseError) for each in outcomes), outcomes
        assert Transfer.objects.filter(transaction__in=attempts).count() == 12
