"""Money beyond the order: late money is honoured or goes back once, a second payment goes back once, never silence."""

import functools

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from payments import gateway
from payments.models import AuditEvent, Case, Order, OutboxMessage, Refund, Transaction, Transfer
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.invariants import check_invariants
from payments.queries.paying import paying
from payments.services import poll, send_refunds, surplus
from payments.services.external_refund import record_external_refund
from payments.services.receive_notice import receive_notice
from payments.services.refund import request_refund
from payments.services.relay_outbox import relay_outbox
from payments.services.start_payment import start_payment
from tests.conftest import journalled, make_merchant
from tests.payments.test_races import together
from tests.payments.test_send_refunds import in_book

answers = {"asked": 0, "yes": True}


def shop_says(order_id: int) -> bool:
    """Stands in for the shop, named by settings."""
    answers["asked"] += 1
    return bool(answers["yes"])


@pytest.fixture(autouse=True)
def shop(settings, clocks):
    answers.update(asked=0, yes=True)
    settings.HONOUR_LATE = f"{__name__}.shop_says"
    settings.OUTBOX_HANDLERS = {
        name: settings.OUTBOX_HANDLERS[name] for name in ("money.surplus", "surplus.refunding", "refund.heard")
    }
    clocks(refund_ladder_s=[0, 0, 0], refund_absent_s=0, refunds_apart_s=0)


@pytest.fixture
def late(order, make_attempt, says) -> Transaction:
    """Paid after its order was closed."""
    attempt = make_attempt(order, state=Transaction.State.CLOSED)
    Order.objects.filter(pk=order.pk).update(state=Order.State.CLOSED, closed_at=database_now(), contact_email=None)
    AuditEvent.objects.add(order, "closed", actor="closer", state=Order.State.CLOSED)
    receive_notice(says.notice(attempt))
    attempt.refresh_from_db()
    assert attempt.late
    return attempt


@pytest.fixture
def second(order, make_attempt, says) -> Transaction:
    """A second payment of a paid order."""
    first, other = make_attempt(order, superseded=True), make_attempt(order)
    for attempt in (first, other):
        receive_notice(says.notice(attempt))
    other.refresh_from_db()
    return other


def ledger() -> list[tuple[str, str, int]]:
    return list(Transfer.objects.order_by("id").values_list("debit", "credit", "fen"))


def all_hold() -> bool:
    return not [each for each in check_invariants() if each.hits]


@pytest.mark.rows("F49")
def test_late_money_opens_its_order_again_when_the_goods_are_still_to_be_had(late):
    message = {"order_id": late.order_id, "transaction_id": late.pk}
    relay_outbox(limit=10)
    surplus.handle(message)

    order = Order.objects.get()
    assert (order.state, order.paid_by, order.paid_at) == (Order.State.PAID, late, late.paid_at)
    assert ledger() == [("alipay_receivable", "money_in_cases", 8880), ("money_in_cases", "sales", 8880)]
    story = [(event.action, event.state, event.actor) for event in AuditEvent.objects.about(order)][-2:]
    assert story == [("reopened", "awaiting_payment", "robot:surplus"), ("paid_late", "paid", "robot:surplus")]
    assert OutboxMessage.objects.filter(topic="order.paid").count() == 1
    assert (answers["asked"], Refund.objects.count(), Case.objects.count()) == (1, 0, 0)
    seen = paying(order.token)
    assert seen is not None
    assert (seen.state, seen.late, seen.surplus) == ("paid", True, None)
    assert all_hold()


@pytest.mark.rows("F49")
def test_late_money_whose_goods_are_gone_goes_back_once_and_the_buyer_is_told(late, settings):
    answers["yes"] = False
    order = Order.objects.get()
    order.contact_email = "buyer@example.com"
    order.save()
    for _ in range(3):
        relay_outbox(limit=10)
        surplus.handle({"order_id": late.order_id, "transaction_id": late.pk})

    refund = Refund.objects.get()
    assert (refund.state, refund.origin, refund.amount_fen) == ("approved", "robot", 8880)
    assert refund.requester != refund.approver
    order.refresh_from_db()
    assert order.state == Order.State.CLOSED
    assert [each.subject for each in mail.outbox] == ["多付的 ¥88.80 正在退回"]
    assert "到账，那时订单已在" in mail.outbox[0].body
    seen = paying(order.token)
    assert seen is not None
    assert (seen.state, seen.surplus, seen.surplus_is_going, seen.surplus_back_at) == (
        "paid_late",
        Money(8880),
        True,
        None,
    )
    assert all_hold()


@pytest.mark.rows("F49")
@pytest.mark.parametrize("gone_fen", [1, None])
def test_late_money_of_which_some_went_back_meanwhile_pays_nothing(late, gone_fen):
    """As when a charge at the counter was cancelled, and Alipay has given it back before anybody honours it."""
    gone = Money(gone_fen or late.amount_fen)
    cancel = journalled(Refund(transaction=late, out_request_no=late.out_trade_no, amount_fen=gone.fen))
    assert record_external_refund(late, late.out_trade_no, gone, actor="cancel", evidence=cancel)

    relay_outbox(limit=10)

    order = Order.objects.get(pk=late.order_id)
    assert (order.state, order.paid_by_id, answers["asked"]) == (Order.State.CLOSED, None, 0)
    asked = late.refunds.filter(origin=Refund.Origin.ROBOT).values_list("amount_fen", flat=True)
    assert list(asked) == ([late.amount_fen - 1] if gone_fen else [])
    assert all_hold()


def test_money_for_an_order_the_shop_never_speaks_for_goes_back(late, settings):
    settings.HONOUR_LATE = ""
    relay_outbox(limit=10)

    assert Refund.objects.get().origin == "robot"


@pytest.mark.rows("F49")
def test_a_second_payment_goes_back_once_by_itself(second, client):
    for _ in range(3):
        relay_outbox(limit=10)
        surplus.handle({"order_id": second.order_id, "transaction_id": second.pk})

    refund = Refund.objects.get()
    assert (refund.transaction, refund.amount_fen, refund.state) == (second, 8880, "approved")
    assert answers["asked"] == 0, "the order is paid: nothing to honour"
    order = Order.objects.get()
    assert order.state == Order.State.PAID
    page = client.get(f"/pay/{order.token}/", headers={"accept-language": "en"}).content.decode()
    assert "You paid twice." in page
    assert "¥88.80 is going back to your Alipay" in page
    assert all_hold()


def test_above_the_limit_a_person_decides(second, clocks):
    clocks(refund_by_robot_fen=8879)
    for _ in range(2):
        relay_outbox(limit=10)
        surplus.handle({"order_id": second.order_id, "transaction_id": second.pk})

    assert not Refund.objects.exists()
    assert [case.kind for case in Case.objects.open()] == [Case.Kind.SURPLUS]
    assert all_hold()


def test_what_alipay_takes_no_refund_for_is_a_case(second):
    Transaction.objects.mark_finished(second.pk)
    relay_outbox(limit=10)

    assert not Refund.objects.exists()
    assert [case.kind for case in Case.objects.open()] == [Case.Kind.SURPLUS]


def test_only_what_is_left_goes_back(second):
    request_refund(second, Money(3000), requester="staff:1", origin=Refund.Origin.STAFF)
    relay_outbox(limit=10)

    assert sorted(Refund.objects.values_list("origin", "amount_fen")) == [("robot", 5880), ("staff", 3000)]


def test_the_database_refuses_a_second_robot_refund(second):
    relay_outbox(limit=10)
    refund = Refund.objects.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.create(
            transaction=second, out_request_no="R2", amount_fen=1, origin="robot", requester="robot:surplus"
        )
    assert Refund.objects.get() == refund


@pytest.mark.rows("F49")
def test_a_second_payment_is_back_at_alipay_and_in_the_books_once(connected, make_order, twin):
    order = make_order()
    first = start_payment(order, scene=Transaction.Scene.QR, actor="test")
    second = start_payment(order, scene=Transaction.Scene.QR, actor="test", fresh=True)
    for attempt in (first, second):
        twin.control("pay", out_trade_no=attempt.out_trade_no)
    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)
    relay_outbox(limit=10)
    send_refunds.send_due(limit=10)

    extra = Transaction.objects.get(pays_order=None)
    assert in_book(twin, extra) == [(Refund.objects.get().out_request_no, 8880)]
    assert ledger()[-1] == ("money_in_cases", "alipay_receivable", 8880)
    order.refresh_from_db()
    assert order.state == Order.State.PAID
    seen = paying(order.token)
    assert seen is not None
    assert (seen.state, seen.surplus_back_at, seen.next_ms) == ("paid_twice", Refund.objects.get().ended_at, 0)
    assert all_hold()


def test_where_alipay_refuses_the_robot_a_person_is_told(second, says):
    relay_outbox(limit=10)
    refund = Refund.objects.get()

    send_refunds._failed(refund, "40004 BUYER_ERROR", journalled(refund, outcome="certainly_not"))

    assert sorted(Case.objects.open().values_list("kind", flat=True)) == ["refund_refused", "surplus"]
    assert all_hold()


def test_robots_at_once_honour_or_refund_once(committed_db, identity, make_order, make_attempt, says):
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    for honoured in (True, False) * 5:
        answers["yes"] = honoured
        order = make_order()
        attempt = make_attempt(order, state=Transaction.State.CLOSED)
        Order.objects.filter(pk=order.pk).update(state=Order.State.CLOSED, closed_at=database_now())
        receive_notice(says.notice(attempt))
        message = {"order_id": order.pk, "transaction_id": attempt.pk}

        outcomes = together(*[functools.partial(surplus.handle, message)] * 6)

        assert outcomes == [None] * 6
        refunds, assigned = attempt.refunds.count(), attempt.transfers.filter(cause="assign").count()
        assert (refunds, assigned) == ((0, 1) if honoured else (1, 0))
