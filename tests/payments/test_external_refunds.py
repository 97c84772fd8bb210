"""Refund notices, and refunds made in Alipay's console: a notice is a hint, Alipay's answer about a number is a fact."""

import urllib.parse
from itertools import permutations

import pytest

from payments.models import (
    AuditEvent,
    Case,
    GatewayCall,
    InboundMessage,
    Order,
    OutboxMessage,
    Refund,
    Transaction,
    Transfer,
)
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.invariants import check_invariants
from payments.sandbox.notices import signed_notice
from payments.services import send_refunds
from payments.services.external_refund import record_external_refund
from payments.services.receive_notice import receive_notice
from payments.services.refund import request_refund
from payments.services.relay_outbox import relay_outbox
from payments.services.settle import Settled
from payments.services.start_payment import start_payment
from tests.conftest import Twin
from tests.payments.test_send_refunds import approved, pay

State = Refund.State


@pytest.fixture(autouse=True)
def soon(clocks, settings):
    clocks(refund_ladder_s=[0, 0, 0, 0], refund_absent_s=0, refunds_apart_s=0, call_deadline_s=0.5)
    settings.OUTBOX_HANDLERS = {"refund.heard": settings.OUTBOX_HANDLERS["refund.heard"]}


@pytest.fixture
def paid(connected, make_order, twin) -> Transaction:
    return pay(make_order(), twin)


def console_refund(twin: Twin, paid: Transaction, yuan: str, number: str = "") -> None:
    """Somebody refunds in Alipay's console."""
    more = {"out_request_no": number} if number else {}
    twin.control("refund", out_trade_no=paid.out_trade_no, refund_amount=yuan, **more)


def notices(twin: Twin) -> list[bytes]:
    """The bodies of all notices that the pretend Alipay has made so far."""
    alipay = twin.site.alipay
    made = alipay.book.deliveries.values()
    return [urllib.parse.urlencode(signed_notice(alipay, each.fields, database_now())).encode() for each in made]


def hear_all(twin: Twin) -> None:
    for body in notices(twin):
        receive_notice(body)
    relay()


def relay() -> None:
    OutboxMessage.objects.filter(delivered_at=None).update(due_at=database_now())
    relay_outbox(limit=100)


def counters(paid: Transaction) -> tuple[int, int]:
    paid.refresh_from_db()
    return paid.refunded_fen, paid.reserved_fen


def kinds() -> list[str]:
    return sorted(Case.objects.open().values_list("kind", flat=True))


def all_hold() -> bool:
    return not [each for each in check_invariants() if each.hits]


def test_a_refund_made_in_the_console_is_discovered_and_booked_once(paid, twin):
    console_refund(twin, paid, "30.00")

    for _ in range(3):
        hear_all(twin)

    refund = Refund.objects.get()
    assert (refund.origin, refund.state, refund.amount_fen) == ("external", "succeeded", 3000)
    assert refund.evidence == f"call:{GatewayCall.objects.get(purpose='refund_query').pk}"
    assert counters(paid) == (3000, 0)
    assert Order.objects.get().state == Order.State.PARTLY_REFUNDED
    assert kinds() == []
    assert all_hold()


@pytest.mark.rows("I-31")
def test_what_a_bill_told_of_under_another_number_is_booked_once_when_the_notice_comes(paid, twin):
    assert record_external_refund(paid, "X", Money(3000), actor="bill", evidence="bill:1")
    console_refund(twin, paid, "30.00", "Y")

    hear_all(twin)
    hear_all(twin)

    assert list(Refund.objects.values_list("out_request_no", "other_no")) == [("X", "Y")]
    assert (counters(paid), kinds()) == ((3000, 0), [])
    console_refund(twin, paid, "30.00", "Z")
    hear_all(twin)
    assert (Refund.objects.count(), counters(paid)) == (2, (6000, 0)), "a second one of the same amount is another"


def test_the_notice_alone_books_nothing(paid, twin):
    """Its refund_fee is all that went back on the trade, never this refund alone."""
    console_refund(twin, paid, "30.00")
    console_refund(twin, paid, "5.00")

    outcomes = [receive_notice(body) for body in notices(twin)]

    assert outcomes[-2:] == [Settled.ASKED, Settled.ASKED]
    assert not Transfer.objects.filter(cause="refund").exists()
    relay()
    assert sorted(Refund.objects.values_list("amount_fen", flat=True)) == [500, 3000]
    assert counters(paid) == (3500, 0)


def test_a_notice_about_our_own_refund_in_doubt_brings_the_question_forward(paid, twin, clocks):
    refund = approved(paid)
    clocks(refund_ladder_s=[3600], call_deadline_s=0.2)
    twin.control("faults", swallow="1")
    send_refunds.send_due(limit=1)
    assert send_refunds.send_due(limit=1) == 0

    hear_all(twin)
    send_refunds.send_due(limit=1)

    refund.refresh_from_db()
    assert refund.state == State.SUCCEEDED
    assert Refund.objects.count() == 1, "ours is not taken for somebody else's"
    assert kinds() == []


@pytest.mark.rows("N16")
def test_notices_after_a_refund_change_nothing_any_number_of_times(paid, twin, says):
    approved(paid)
    send_refunds.send_due(limit=1)
    payment = says.notice(paid)
    hear_all(twin)
    receive_notice(payment)
    before = books()

    for _ in range(50):
        hear_all(twin)
        receive_notice(payment)

    assert books() == before
    assert all_hold()


def books() -> tuple[object, ...]:
    return (
        list(Transfer.objects.order_by("id").values_list("debit", "credit", "fen")),
        list(Order.objects.values_list("state", flat=True)),
        list(Refund.objects.order_by("id").values_list("out_request_no", "state", "evidence")),
        list(Transaction.objects.values_list("refunded_fen", "reserved_fen", "state")),
        OutboxMessage.objects.count(), Case.objects.count(),
    )  # fmt: skip


def test_reservations_that_no_longer_fit_are_withdrawn_newest_first(paid, twin):
    older, newer = (
        approved(paid, 3000),
        request_refund(paid, Money(5000), requester="staff:1", origin=Refund.Origin.STAFF),
    )
    console_refund(twin, paid, "50.00")

    hear_all(twin)

    older.refresh_from_db()
    newer.refresh_from_db()
    assert (older.state, newer.state) == (State.APPROVED, State.LAPSED)
    assert newer.evidence.startswith("call:")
    assert counters(paid) == (5000, 3000)
    assert kinds() == []
    assert all_hold()


def test_where_the_robots_refund_is_withdrawn_a_person_is_told_of_what_is_left(paid, twin):
    refund = request_refund(paid, paid.amount, requester="robot:surplus", origin=Refund.Origin.ROBOT)
    console_refund(twin, paid, "0.01")
    hear_all(twin)

    relay()

    refund.refresh_from_db()
    assert (refund.state, kinds()) == ("lapsed", ["surplus"])


def test_what_has_left_already_is_never_withdrawn_and_becomes_a_case(paid, twin):
    refund = approved(paid, 8880)
    Refund.objects.filter(pk=refund.pk).update(state=State.SENT, in_doubt=True, called_at=database_now())
    AuditEvent.objects.add(refund, "sent", actor="refunds", state=State.SENT)
    console_refund(twin, paid, "50.00")

    hear_all(twin)

    refund.refresh_from_db()
    assert refund.state == State.SENT
    assert counters(paid) == (5000, 8880)
    assert kinds() == ["external_refund"]
    assert [each for each in check_invariants() if each.hits] == []


def test_more_money_gone_than_we_know_of_is_a_case_until_it_is_found(paid, twin):
    """The second notice comes first: its total says that another refund is missing."""
    console_refund(twin, paid, "30.00")
    console_refund(twin, paid, "5.00")
    first, second = notices(twin)[-2:]

    receive_notice(second)
    relay()
    assert (counters(paid), kinds()) == ((500, 0), ["external_refund"])
    assert Case.objects.get().amount_fen == 3000
    receive_notice(first)
    relay()

    assert (counters(paid), kinds()) == ((3500, 0), [])


def test_the_answer_to_our_own_refund_tells_that_money_went_elsewhere(paid, twin):
    """refund_fee counts everything on the trade; the notice of the console's refund is still on its way."""
    console_refund(twin, paid, "30.00")
    refund = approved(paid, 500)

    send_refunds.send_due(limit=1)

    refund.refresh_from_db()
    assert (refund.state, counters(paid), kinds()) == (State.SUCCEEDED, (500, 0), ["external_refund"])
    assert Case.objects.get().amount_fen == 3000
    hear_all(twin)
    assert (counters(paid), kinds()) == ((3500, 0), [])


def test_closed_after_payment_means_fully_refunded_and_is_looked_for(paid, twin, says):
    """Refunded in full under the trade's own number, as a cancel does; the notice carries no refund fields."""
    console_refund(twin, paid, "88.80", number=paid.out_trade_no)

    assert receive_notice(says.notice(paid, trade_status="TRADE_CLOSED")) == Settled.ASKED
    relay()

    assert counters(paid) == (8880, 0)
    assert Order.objects.get().state == Order.State.REFUNDED
    assert receive_notice(says.notice(paid, trade_status="TRADE_CLOSED")) == Settled.BEFORE
    assert kinds() == []
    assert all_hold()


def test_closed_after_payment_by_a_refund_that_cannot_be_found_is_a_case(paid, twin, says):
    receive_notice(says.notice(paid, trade_status="TRADE_CLOSED"))
    relay()

    assert (counters(paid), kinds()) == ((0, 0), ["external_refund"])
    assert Order.objects.get().state == Order.State.PAID


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"out_trade_no": "NOBODY_KNOWS", "trade_no": "1"}, Case.Kind.REFUND_NOTICE),
        ({"app_id": "2021999999999999"}, Case.Kind.OTHER_APP),
        ({"seller_id": None}, Case.Kind.OTHER_SELLER),
        ({"total_amount": "88.81"}, Case.Kind.OTHER_AMOUNT),
        ({"trade_no": "1"}, Case.Kind.OTHER_TRADE),
    ],
)
def test_a_refund_notice_that_does_not_fit_is_a_case_and_asks_nobody(paid, says, changes, kind):
    body = says.notice(paid, **{"refund_fee": "30.00", "out_biz_no": "R1", **changes})

    assert (receive_notice(body), receive_notice(body)) == (Settled.CASE, Settled.BEFORE)
    assert kinds() == [kind]
    assert not OutboxMessage.objects.filter(topic="refund.heard").exists()


def test_a_notice_about_a_refund_we_count_as_failed_is_a_case(paid, says):
    refund = approved(paid)
    send_refunds._failed(refund, "40004 BUYER_ERROR", "call:1")
    Case.objects.update(state=Case.State.RESOLVED, ended_at=database_now(), note="paid by hand")

    receive_notice(says.notice(paid, refund_fee="30.00", out_biz_no=refund.out_request_no))

    assert kinds() == ["refund_notice"]


@pytest.mark.parametrize("total", ["30.00", None])
def test_a_notice_about_a_refund_that_alipay_does_not_know_is_a_case(paid, says, total):
    receive_notice(says.notice(paid, refund_fee=total, out_biz_no="R1"))
    relay()

    assert (counters(paid), kinds()) == ((0, 0), ["external_refund"])


def test_no_certain_answer_keeps_the_question(paid, twin):
    console_refund(twin, paid, "30.00")
    twin.control("faults", http_500="9")  # however often a question is repeated

    hear_all(twin)
    assert OutboxMessage.objects.get(topic="refund.heard").delivered_at is None
    twin.control("faults", http_500="0")
    relay()

    assert counters(paid) == (3000, 0)


@pytest.mark.rows("F48")
@pytest.mark.parametrize("order_of_arrival", list(permutations(["paid", "part", "rest", "finished"])), ids="-".join)
def test_in_any_order_the_end_is_what_alipay_ended_with(connected, make_order, twin, says, order_of_arrival):
    """Paid, then refunded twice in the console; a word of "finished" belongs to no such trade and changes nothing."""
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    console_refund(twin, attempt, "30.00")
    console_refund(twin, attempt, "5.00")
    trade = twin.site.alipay.book.trades[attempt.out_trade_no]
    paid, part, rest = notices(twin)
    finished = says.notice(attempt, trade_no=trade.trade_no, trade_status="TRADE_FINISHED")
    bodies = {"paid": paid, "part": part, "rest": rest, "finished": finished}

    for name in order_of_arrival:
        receive_notice(bodies[name])
        relay()
    relay()

    attempt.refresh_from_db()
    assert (attempt.state, counters(attempt)) == (Transaction.State.PAID, (3500, 0))
    assert Order.objects.get().state == Order.State.PARTLY_REFUNDED
    assert Transfer.objects.filter(cause="capture").count() == 1
    assert sorted(Refund.objects.values_list("amount_fen", flat=True)) == [500, 3000]
    assert kinds() == []
    assert all_hold()
    assert InboundMessage.objects.exclude(verdict="unjudged").count() == 4


@pytest.mark.rows("F45", "F46", "F48")
def test_a_refund_notice_about_what_is_closed_here_tells_that_it_was_paid(connected, make_order, twin):
    """The closer was told something old, and the notice of the payment never comes: that of its refund does."""
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    Transaction.objects.update(state="closed", closed_at=database_now(), next_check_at=None, close_due_at=None)
    console_refund(twin, attempt, "1.00")

    receive_notice(notices(twin)[-1])
    twin.control("faults", http_500="9")
    relay()
    assert OutboxMessage.objects.get(topic="refund.heard").delivered_at is None, "no certain answer: it comes again"
    twin.control("faults", http_500="0")
    relay()

    assert counters(attempt) == (100, 0)
    assert (attempt.state, attempt.late) == (Transaction.State.PAID, True)
    assert attempt.refunds.get().origin == Refund.Origin.EXTERNAL
