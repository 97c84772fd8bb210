"""Money back: set aside before anything leaves, never more than was paid, approved by another, settled once."""

import pytest
from django.db import IntegrityError, transaction

from payments.errors import BooksDisagree, RefundRefused
from payments.models import AuditEvent, Order, OutboxMessage, Refund, Transaction, Transfer
from payments.money import Money
from payments.queries.explain import explain
from payments.queries.invariants import check_invariants
from payments.services.receive_notice import receive_notice
from payments.services.refund import (
    approve_refund,
    fail_refund,
    reject_refund,
    request_refund,
    settle_refund,
)
from tests.conftest import journalled

State = Refund.State


@pytest.fixture
def paid(unsettled, says) -> Transaction:
    receive_notice(says.notice(unsettled))
    unsettled.refresh_from_db()
    return unsettled


def ask(paid: Transaction, fen: int) -> Refund:
    return request_refund(paid, Money(fen), requester="staff:1", origin=Refund.Origin.STAFF)


def counters(paid: Transaction) -> tuple[int, int]:
    paid.refresh_from_db()
    return paid.refunded_fen, paid.reserved_fen


def all_hold() -> bool:
    return not [each for each in check_invariants() if each.hits]


@pytest.mark.rows("I-08")
def test_no_more_is_set_aside_than_was_paid(paid):
    ask(paid, 8000)

    with pytest.raises(RefundRefused):
        ask(paid, 881)
    ask(paid, 880)

    assert counters(paid) == (0, 8880)
    assert Refund.objects.count() == 2
    assert all_hold()


def test_what_is_unpaid_or_no_longer_refundable_is_refused(unsettled, paid):
    Transaction.objects.mark_finished(paid.pk)

    with pytest.raises(RefundRefused):
        ask(paid, 1)
    assert not Refund.objects.exists()


def test_nothing_can_be_refunded_before_it_is_paid(unsettled):
    with pytest.raises(RefundRefused):
        ask(unsettled, 1)


def test_only_another_person_approves_and_only_once(paid):
    refund = ask(paid, 100)

    with pytest.raises(RefundRefused):
        approve_refund(refund, approver="staff:1")
    approve_refund(refund, approver="staff:2")
    with pytest.raises(RefundRefused):
        approve_refund(refund, approver="staff:3")

    refund.refresh_from_db()
    assert (refund.state, refund.approver) == (State.APPROVED, "staff:2")


def test_a_confirmed_refund_is_booked_once(paid):
    refund = ask(paid, 3000)
    approve_refund(refund, approver="staff:2")

    assert settle_refund(refund, actor="refunds", evidence=journalled(refund))
    assert not settle_refund(refund, actor="refunds", evidence="call:1")

    assert counters(paid) == (3000, 0)
    assert Order.objects.get().state == Order.State.PARTLY_REFUNDED
    assert list(Transfer.objects.filter(refund=refund).values_list("debit", "credit", "fen")) == [
        ("refunds", "alipay_receivable", 3000)
    ]
    assert [event.state for event in AuditEvent.objects.about(refund)] == ["requested", "approved", "succeeded"]
    assert OutboxMessage.objects.filter(topic="refund.succeeded").count() == 1
    story = explain(Order.objects.get().number)
    assert story is not None
    assert (story["order"]["refunded_fen"], story["refunds"][0]["out_request_no"]) == (3000, refund.out_request_no)
    assert all_hold()


def test_parts_that_sum_to_the_whole_make_the_order_refunded(paid):
    for fen in (8000, 880):
        refund = ask(paid, fen)
        approve_refund(refund, approver="staff:2")
        settle_refund(refund, actor="refunds", evidence=journalled(refund))

    assert counters(paid) == (8880, 0)
    assert Order.objects.get().state == Order.State.REFUNDED
    assert all_hold()


@pytest.mark.parametrize("end", ["rejected", "failed"])
def test_a_refund_that_moves_no_money_frees_its_amount_once(paid, end):
    refund = ask(paid, 8880)
    if end == "failed":
        approve_refund(refund, approver="staff:2")
    endings = [
        fail_refund(refund, actor="refunds", evidence=journalled(refund, outcome="certainly_not")) if end == "failed"
        else reject_refund(refund, actor="staff:2", why="the goods were used")
        for _ in range(2)
    ]  # fmt: skip

    assert endings == [True, False]
    assert counters(paid) == (0, 0)
    assert ask(paid, 8880).amount_fen == 8880
    assert all_hold()


@pytest.mark.parametrize(
    "values",
    [
        {"amount_fen": 0},
        {"state": State.APPROVED, "approver": "staff:1"},
        {"state": State.SENT},
        {"state": State.SUCCEEDED, "approver": "staff:2"},
        {"origin": "external"},
    ],
)
def test_the_database_refuses_what_no_service_may_write(paid, values):
    row = {
        "transaction": paid, "out_request_no": "R1", "amount_fen": 1, "origin": "staff", "requester": "staff:1", **values
    }  # fmt: skip

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.create(**row)
    assert Transaction.objects.reserve(paid.pk, 1)
    Refund.objects.create(**{**row, "amount_fen": 1, "state": State.REQUESTED, "approver": "", "origin": "staff"})


@pytest.mark.rows("I-08", "I-09")
@pytest.mark.parametrize("values", [{"refunded_fen": 8881}, {"refunded_fen": -1}, {"reserved_fen": -1}])
def test_the_database_refuses_to_give_back_more_than_was_paid_or_less_than_nothing(paid, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        Transaction.objects.filter(pk=paid.pk).update(**values)


@pytest.mark.rows("I-03")
def test_a_number_is_used_for_one_refund(paid):
    refund = ask(paid, 1)

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.create(
            transaction=paid, out_request_no=refund.out_request_no, amount_fen=1, origin="staff", requester="staff:1"
        )


def test_an_amount_that_is_not_set_aside_is_never_booked(paid):
    """Our own books disagree: nothing is written, and it is said aloud, in optimised Python as well."""
    sent, asked = ask(paid, 500), ask(paid, 500)
    approve_refund(sent, approver="staff:2")
    Refund.objects.filter(pk=sent.pk).update(state=State.SENT)
    Transaction.objects.filter(pk=paid.pk).update(reserved_fen=0)

    with pytest.raises(BooksDisagree):
        settle_refund(sent, actor="poll", evidence="call:1")
    with pytest.raises(BooksDisagree):
        reject_refund(asked, actor="staff:2", why="no")

    assert set(Refund.objects.values_list("state", flat=True)) == {"sent", "requested"}
    assert not Transfer.objects.filter(cause=Transfer.Cause.REFUND).exists()
    Transaction.objects.filter(pk=paid.pk).update(reserved_fen=1000)  # as it must be at a commit
