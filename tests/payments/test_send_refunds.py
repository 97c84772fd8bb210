"""The refund ladder against a pretend Alipay: each refund moves money there at most once, and here only on its word."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from payments import gateway
from payments.alipay.outcomes import CertainlyNot, Next, Unknown
from payments.errors import FirstInDoubt, RefundRefused
from payments.models import AuditEvent, Case, GatewayCall, Order, Refund, Transaction, Transfer, User
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.invariants import check_invariants
from payments.sandbox.alipay import Refused
from payments.services import poll, send_refunds
from payments.services.approve_refund import ask_as_staff
from payments.services.refund import approve_refund, request_refund
from payments.services.start_payment import start_payment
from tests.conftest import Twin, make_merchant
from tests.payments.test_races import together

State = Refund.State


@pytest.fixture(autouse=True)
def soon(clocks):
    """Nothing waits, except where a test says so."""
    clocks(refund_ladder_s=[0, 0, 0, 0], refund_absent_s=0, refunds_apart_s=0, call_deadline_s=0.5)


@pytest.fixture
def paid(connected, make_order, twin) -> Transaction:
    return pay(make_order(), twin)


def pay(order: Order, twin: Twin) -> Transaction:
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    Transaction.objects.filter(pk=attempt.pk).update(next_check_at=database_now())
    assert poll.ask_about_due(limit=10)
    attempt.refresh_from_db()
    assert attempt.state == Transaction.State.PAID
    return attempt


def approved(paid: Transaction, fen: int = 3000) -> Refund:
    refund = request_refund(paid, Money(fen), requester="staff:1", origin=Refund.Origin.STAFF, reason="broken")
    approve_refund(refund, approver="staff:2")
    refund.refresh_from_db()
    return refund


def in_book(twin: Twin, paid: Transaction) -> list[tuple[str, int]]:
    """What the pretend Alipay gave back, by its own book."""
    return [(each.out_request_no, each.fen) for each in twin.site.alipay.book.trades[paid.out_trade_no].refunds]


def drain() -> None:
    """As many steps as the ladder could need."""
    for _ in range(12):
        send_refunds.send_due(limit=1)


def state_of(refund: Refund) -> tuple[str, bool]:
    refund.refresh_from_db()
    return refund.state, refund.in_doubt


def all_hold() -> bool:
    return not [each for each in check_invariants() if each.hits]


def test_an_approved_refund_leaves_once_and_is_booked(paid, twin):
    refund = approved(paid)

    assert (send_refunds.send_due(limit=5), send_refunds.send_due(limit=5)) == (1, 0)

    assert state_of(refund) == (State.SUCCEEDED, False)
    assert in_book(twin, paid) == [(refund.out_request_no, 3000)]
    call = GatewayCall.objects.get(purpose="refund")
    assert (call.number, call.amount_fen, call.outcome) == (refund.out_request_no, 3000, "done")
    assert refund.evidence == f"call:{call.pk}"
    assert Order.objects.get().state == Order.State.PARTLY_REFUNDED
    assert [event.state for event in AuditEvent.objects.about(refund)] == ["requested", "approved", "sent", "succeeded"]
    assert all_hold()


@pytest.mark.parametrize(("language", "shown"), [("zh-hans", "收到时已损坏"), ("en", "arrived damaged")])
def test_alipay_shows_the_buyer_the_kind_of_reason_and_never_a_note_for_colleagues(
    connected, make_order, twin, language, shown
):
    paid = pay(make_order(language=language), twin)
    refund = request_refund(
        paid, Money(1), requester="staff:1", origin=Refund.Origin.STAFF, reason="third time this month",
        reason_code=Refund.Reason.DAMAGED,
    )  # fmt: skip
    approve_refund(refund, approver="staff:2")
    drain()

    (there,) = twin.site.alipay.book.trades[paid.out_trade_no].refunds
    assert there.reason == shown


def test_nothing_leaves_before_a_second_person_approves(paid, twin):
    request_refund(paid, Money(1), requester="staff:1", origin=Refund.Origin.STAFF)

    assert send_refunds.send_due(limit=5) == 0
    assert in_book(twin, paid) == []


@pytest.mark.rows("F36", "F37", "F38")
@pytest.mark.parametrize(("fault", "calls"), [("lose", 2), ("swallow", 1), ("http_500", 2)])
def test_a_lost_answer_is_in_doubt_until_a_query_ends_it_and_money_moves_once(paid, twin, fault, calls):
    """Lost before: the query shows nothing, and the same number leaves again. Lost after: the query settles it."""
    refund = approved(paid)
    twin.control("faults", **{fault: "1"})

    send_refunds.send_due(limit=1)
    assert state_of(refund) == (State.SENT, True)
    with pytest.raises(RefundRefused):
        request_refund(paid, Money(5881), requester="staff:1", origin=Refund.Origin.STAFF)
    drain()

    assert state_of(refund) == (State.SUCCEEDED, False)
    assert in_book(twin, paid) == [(refund.out_request_no, 3000)]
    assert GatewayCall.objects.filter(purpose="refund").count() == calls
    assert len(set(GatewayCall.objects.filter(purpose="refund").values_list("request_hash", flat=True))) == 1
    assert all_hold()


@pytest.mark.rows("F37")
def test_a_success_in_which_no_money_moved_waits_for_the_query(paid, twin, settings):
    """Alipay's answer to a repeat: code 10000, fund_change N."""
    refund = approved(paid)
    site = twin.site.alipay
    site.refund(site.book.trades[paid.out_trade_no], Money(3000), refund.out_request_no, database_now())

    send_refunds.send_due(limit=1)
    assert state_of(refund) == (State.SENT, True)
    assert not Transfer.objects.filter(cause="refund").exists()
    send_refunds.send_due(limit=1)

    assert state_of(refund) == (State.SUCCEEDED, False)
    assert GatewayCall.objects.get(purpose="refund_query").code == "10000"
    assert in_book(twin, paid) == [(refund.out_request_no, 3000)]


def test_a_query_comes_no_sooner_than_alipay_asks(paid, twin, clocks):
    clocks(refund_ladder_s=[10, 20, 60], refund_absent_s=10)
    refund = approved(paid)
    twin.control("faults", lose="1")
    send_refunds.send_due(limit=1)

    refund.refresh_from_db()
    assert refund.next_check_at is not None
    assert refund.called_at is not None
    assert refund.next_check_at - refund.called_at >= timedelta(seconds=10)
    assert send_refunds.send_due(limit=1) == 0


def test_not_there_means_nothing_while_the_call_is_young(paid, twin, clocks):
    """A notice may make us ask early; what such a question does not find may still be on its way."""
    refund = approved(paid)
    twin.control("faults", lose="1")
    send_refunds.send_due(limit=1)
    clocks(refund_absent_s=60)

    send_refunds.send_due(limit=1)

    assert GatewayCall.objects.get(purpose="refund_query").why == "nothing there"
    assert GatewayCall.objects.filter(purpose="refund").count() == 1
    assert state_of(refund) == (State.SENT, True)


@pytest.mark.rows("F17", "F44")
def test_after_the_last_rung_a_person_is_asked_and_it_never_counts_as_failed(paid, twin, clocks):
    clocks(call_deadline_s=0.05)
    refund = approved(paid)
    twin.control("faults", http_500="100")
    drain()

    assert state_of(refund) == (State.SENT, True)
    assert {case.kind for case in Case.objects.open()} == {Case.Kind.STUCK, Case.Kind.GATEWAY_DOWN}
    assert all_hold()

    twin.control("faults", http_500="0")
    time.sleep(0.1)  # the breaker's pause
    drain()
    assert state_of(refund) == (State.SUCCEEDED, False)
    assert not Case.objects.open().exists()


@pytest.mark.rows("M09")
def test_nobody_refunds_anew_while_the_first_has_no_certain_answer(paid, twin):
    """Its number stays the only one: a second refund under a number of its own could pay the buyer twice."""
    support = User.objects.create_superuser("ren@example.com", "x")
    first = approved(paid)
    twin.control("faults", swallow="1")
    send_refunds.send_due(limit=1)
    assert state_of(first) == (State.SENT, True)

    with pytest.raises(FirstInDoubt):
        ask_as_staff(paid, Money(3000), person=support, reason=Refund.Reason.DAMAGED)
    drain()

    assert (state_of(first), Refund.objects.count()) == ((State.SUCCEEDED, False), 1)
    assert in_book(twin, paid) == [(first.out_request_no, 3000)]
    assert ask_as_staff(paid, Money(3000), person=support, reason=Refund.Reason.DAMAGED)


def refuse(twin: Twin, monkeypatch, *sub_codes: str) -> None:
    """The pretend Alipay refuses the next refunds with these codes, and does not do them."""
    codes, site = list(sub_codes), twin.site.alipay
    real = site.refund

    def refund(trade, amount, out_request_no, now, **more):
        if codes:
            raise Refused(f"ACQ.{codes.pop(0)}", "")
        return real(trade, amount, out_request_no, now, **more)

    monkeypatch.setattr(site, "refund", refund)


@pytest.mark.rows("F42")
@pytest.mark.parametrize("code", ["SELLER_BALANCE_NOT_ENOUGH", "REFUND_CHARGE_ERROR"])
def test_what_can_be_mended_is_sent_again_under_the_same_number(paid, twin, monkeypatch, code):
    refund = approved(paid)
    refuse(twin, monkeypatch, code, code)

    send_refunds.send_due(limit=1)
    assert state_of(refund) == (State.SENT, False)
    told = ["refund_refused"] if code == "SELLER_BALANCE_NOT_ENOUGH" else []
    assert list(Case.objects.open().values_list("kind", flat=True)) == told
    drain()

    assert state_of(refund) == (State.SUCCEEDED, False)
    assert in_book(twin, paid) == [(refund.out_request_no, 3000)]
    assert not Case.objects.open().exists()


@pytest.mark.rows("F42")
@pytest.mark.parametrize("code", ["TRADE_NOT_ALLOW_REFUND", "BUYER_NOT_EXIST", "REASON_TRADE_BEEN_FREEZEN"])
def test_a_certain_no_ends_it_with_evidence_and_a_case(paid, twin, monkeypatch, code):
    refund = approved(paid)
    refuse(twin, monkeypatch, code)

    send_refunds.send_due(limit=1)

    assert state_of(refund) == (State.FAILED, False)
    assert refund.evidence == f"call:{GatewayCall.objects.get(purpose='refund').pk}"
    case = Case.objects.get()
    assert (case.kind, case.amount_fen, case.facts["code"]) == ("refund_refused", 3000, f"40004 {code}")
    assert request_refund(paid, Money(8880), requester="staff:1", origin=Refund.Origin.STAFF), "the amount is free"
    assert all_hold()


@pytest.mark.rows("F42")
@pytest.mark.parametrize("code", ["TRADE_HAS_CLOSE", "REFUND_AMT_NOT_EQUAL_TOTAL"])
def test_a_no_that_says_the_trade_moved_on_is_believed_after_a_query(paid, twin, monkeypatch, code):
    refund = approved(paid)
    refuse(twin, monkeypatch, code)

    send_refunds.send_due(limit=1)
    assert state_of(refund) == (State.SENT, True)
    send_refunds.send_due(limit=1)

    assert state_of(refund) == (State.FAILED, False)
    assert refund.evidence == f"call:{GatewayCall.objects.get(purpose='refund_query').pk}"
    assert [case.kind for case in Case.objects.open()] == [Case.Kind.REFUND_REFUSED]


def test_a_no_to_the_repeat_is_not_a_no_to_the_first(paid, twin, monkeypatch):
    """The first call went through unseen; whatever the second is told, a query finds the money."""
    refund = approved(paid)
    twin.control("faults", swallow="1")
    send_refunds.send_due(limit=1)
    monkeypatch.setattr(send_refunds, "_ask", lambda refund: True)
    refuse(twin, monkeypatch, "TRADE_NOT_ALLOW_REFUND")
    send_refunds.send_due(limit=1)
    assert state_of(refund) == (State.SENT, True)

    monkeypatch.undo()
    refund.refresh_from_db()
    Refund.objects.update(called_at=database_now() - timedelta(minutes=1), next_check_at=database_now())
    send_refunds.send_due(limit=1)

    assert state_of(refund) == (State.SUCCEEDED, False)


def test_past_the_window_nothing_more_is_refundable_here_either(paid, twin):
    refund = approved(paid)
    twin.control("clock", ahead_s=str(366 * 86400))

    drain()

    paid.refresh_from_db()
    twin.control("clock", ahead_s="0")
    assert state_of(refund) == (State.FAILED, False)
    assert paid.finished
    assert Case.objects.get().facts["code"].endswith("TRADE_HAS_FINISHED")
    with pytest.raises(RefundRefused):
        request_refund(paid, Money(1), requester="staff:1", origin=Refund.Origin.STAFF)


def test_a_fault_of_our_own_configuration_fails_no_refund(paid, twin):
    refund = approved(paid)
    ours = twin.site.alipay.identity
    twin.site.alipay.identity = replace(ours, app_id="2021000000000000")
    send_refunds.send_due(limit=1)
    twin.site.alipay.identity = ours

    assert state_of(refund) == (State.SENT, False)
    assert [case.kind for case in Case.objects.open()] == [Case.Kind.REFUSED_CALL]
    drain()
    assert state_of(refund) == (State.SUCCEEDED, False)


def test_a_gateway_that_is_not_reached_leaves_no_doubt(paid, identity, twin):
    refund = approved(paid)
    paid.account.gateway_url, here = "http://127.0.0.1:9/gateway.do", paid.account.gateway_url
    paid.account.save()
    gateway.merchants(refresh=True)

    send_refunds.send_due(limit=1)
    assert state_of(refund) == (State.SENT, False)
    paid.account.gateway_url = here
    paid.account.save()
    gateway.merchants(refresh=True)
    drain()

    assert state_of(refund) == (State.SUCCEEDED, False)
    assert GatewayCall.objects.filter(purpose="refund_query").count() == 0


def test_refunds_of_one_trade_keep_their_distance_and_others_do_not_wait(connected, make_order, twin, clocks):
    first, other = pay(make_order(), twin), pay(make_order(), twin)
    pair, single = [approved(first, 1000), approved(first, 2000)], approved(other)
    clocks(refunds_apart_s=1.0)

    assert send_refunds.send_due(limit=10) == 2
    assert state_of(single)[0] == state_of(pair[0])[0] == State.SUCCEEDED
    assert state_of(pair[1])[0] == State.APPROVED
    time.sleep(1.05)
    send_refunds.send_due(limit=10)

    at = [each.at for each in twin.site.alipay.book.trades[first.out_trade_no].refunds]
    assert at[1] - at[0] >= timedelta(seconds=1)


def test_a_refund_still_on_its_way_keeps_the_next_one_back(paid, clocks):
    """Claimed by two workers at once, the second finds the first on the road and waits, whatever the claim said."""
    pair = [approved(paid, 1000), approved(paid, 2000)]
    clocks(refunds_apart_s=0, call_deadline_s=15.0)
    Refund.objects.filter(pk=pair[0].pk).update(
        state=State.SENT, in_doubt=True, called_at=database_now(), next_check_at=database_now() + timedelta(minutes=1)
    )
    assert send_refunds.send_due(limit=1) == 1

    assert state_of(pair[1]) == (State.APPROVED, False)
    assert not GatewayCall.objects.filter(purpose="refund").exists()


@pytest.mark.rows("F10", "F07")
@pytest.mark.parametrize("sent_by_the_other", [True, False])
def test_a_worker_that_slept_past_its_lease_sends_nothing(paid, twin, sent_by_the_other):
    """Claimed, then claimed by another; then the first one wakes up."""
    refund = approved(paid)
    sleeper, second = (
        Refund.objects.claim_due(now=database_now(), lease=timedelta(0), apart=timedelta(0), limit=1)[0]
        for _ in range(2)
    )
    if sent_by_the_other:
        send_refunds.step(second)

    send_refunds.step(sleeper)

    assert state_of(refund) == (State.SUCCEEDED if sent_by_the_other else State.APPROVED, False)
    assert GatewayCall.objects.filter(purpose="refund").count() == int(sent_by_the_other)
    assert len(in_book(twin, paid)) == int(sent_by_the_other)


@pytest.mark.rows("F10")
def test_a_late_answer_cannot_end_what_was_claimed_anew(paid):
    refund = approved(paid)
    Refund.objects.filter(pk=refund.pk).update(state=State.SENT, called_at=database_now())
    refund.refresh_from_db()
    Refund.objects.claim_due(now=database_now(), lease=timedelta(minutes=1), apart=timedelta(0), limit=1)

    send_refunds._after_sending(refund, CertainlyNot("40004", "BUYER_ERROR", Next.BY_HAND), "call:1")
    send_refunds._after_sending(refund, Unknown("late"), "call:1")

    refund.refresh_from_db()
    assert (refund.state, refund.in_doubt) == (State.SENT, False)
    assert not Case.objects.exists()


def test_money_that_went_although_we_gave_it_up_is_never_silent(paid):
    refund = approved(paid)
    send_refunds._failed(refund, "40004 BUYER_ERROR", "call:1")

    send_refunds._succeeded(refund, "call:2")

    assert state_of(refund)[0] == State.FAILED
    assert Case.objects.open().filter(kind=Case.Kind.REFUND_NOTICE).count() == 1


@pytest.fixture
def running(committed_db, identity, twin) -> Twin:
    twin.control("faults", mute="true")
    make_merchant(identity, f"{twin.url}/gateway.do")
    gateway.merchants(refresh=True)
    return twin


@pytest.mark.rows("F15", "F52")
def test_workers_at_once_send_each_refund_once(running, make_order, clocks):
    clocks(call_deadline_s=5.0)
    paid = [pay(make_order(), running) for _ in range(3)]
    refunds = [approved(each, fen) for each in paid for fen in (100, 200, 300)]

    until = time.monotonic() + 30
    while Refund.objects.filter(state__in=(State.APPROVED, State.SENT)).exists() and time.monotonic() < until:
        outcomes = together(*[lambda: send_refunds.send_due(limit=3)] * 4)
        assert not any(isinstance(each, Exception) for each in outcomes), outcomes

    assert {each.state for each in Refund.objects.all()} == {State.SUCCEEDED}
    assert GatewayCall.objects.filter(purpose="refund").count() == len(refunds)
    for each in paid:
        assert sorted(fen for _, fen in in_book(running, each)) == [100, 200, 300]
    assert all_hold()
