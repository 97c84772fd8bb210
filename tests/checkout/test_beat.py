"""Every bell that beat rings: twice at once, once more, after a silence, by a clock that jumps. One effect each."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils.module_loading import import_string

from checkout.models import Cart, StockAlert, Variant
from config.celery import app
from payments import gateway
from payments.models import (
    AuditEvent,
    BillDay,
    BooksCheck,
    Case,
    Duty,
    GatewayCall,
    IdempotencyRecord,
    InboundMessage,
    MerchantAccount,
    Order,
    OutboxMessage,
    Refund,
    RefundBatch,
    Transaction,
    Transfer,
    User,
    WebhookDelivery,
)
from payments.models.clock import database_now
from payments.money import Money
from payments.services.bulk_refund import confirm_batch
from payments.services.check_books import check_nightly
from payments.services.housekeeping import keep_house
from payments.services.plan_batch import plan_batch
from payments.services.refund import request_refund
from payments.services.seal_audit import seal_audit
from payments.services.start_payment import start_payment
from payments.services.watch_certificates import watch_certificates
from payments.services.webhooks import add_endpoint, send_test
from tests.conftest import Receiver, Twin, make_merchant
from tests.payments.test_races import together
from tests.payments.test_send_refunds import approved, pay

SILENCE = timedelta(minutes=30)
HOUR = timedelta(hours=1)
GRACE = timedelta(seconds=120)
BELLS = {name: entry["task"] for name, entry in app.conf.beat_schedule.items()}
Effect = Callable[[], Any]
delivered: list[str] = []


def deliver(payload: dict[str, Any]) -> None:
    """The handler of the follow-ups of these tests."""
    delivered.append(payload["dedupe_key"])


class World:
    """A shop with something to do for each bell, due since `ago`. Each method returns how to see what came of it."""

    def __init__(self, make_order: Any, make_attempt: Any, make_variant: Any, twin: Twin, receiver: Receiver) -> None:
        self.make_order, self.make_attempt, self.make_variant, self.twin = make_order, make_attempt, make_variant, twin
        self.receiver = receiver

    def poll_unsettled(self, ago: timedelta) -> Effect:
        order = self.make_order()
        attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
        self.twin.control("pay", out_trade_no=attempt.out_trade_no)
        Transaction.objects.filter(pk=attempt.pk).update(next_check_at=database_now() - ago)
        return lambda: (
            Order.objects.get(pk=order.pk).state,
            Transfer.objects.filter(transaction=attempt).count(),
            AuditEvent.objects.about(attempt).filter(action="paid").count(),
        )

    def close_due(self, ago: timedelta) -> Effect:
        order = self.make_order()
        attempt = start_payment(order, scene=Transaction.Scene.QR, actor="test")
        end = database_now() - GRACE - ago
        Order.objects.filter(pk=order.pk).update(expires_at=end)
        Transaction.objects.filter(pk=attempt.pk).update(time_expire=end, close_due_at=end + GRACE, next_check_at=None)
        return lambda: (
            Order.objects.get(pk=order.pk).state,
            OutboxMessage.objects.filter(topic="order.closed", payload__order_id=order.pk).count(),
            AuditEvent.objects.about(attempt).filter(state="closed").count(),
        )

    def send_refunds(self, ago: timedelta) -> Effect:
        refund = approved(pay(self.make_order(), self.twin))
        Refund.objects.filter(pk=refund.pk).update(next_check_at=database_now() - ago)
        trade = self.twin.site.alipay.book.trades[refund.transaction.out_trade_no]
        return lambda: (
            Refund.objects.get(pk=refund.pk).state,
            [each.fen for each in trade.refunds],
            Transfer.objects.filter(transaction=refund.transaction, cause="refund").count(),
        )

    def go_on_with_bulk_refunds(self, ago: timedelta) -> Effect:
        paid, boss = pay(self.make_order(), self.twin), User.objects.create_superuser("boss@example.com", "x")
        batch = plan_batch(
            Order.objects.filter(paid_by=paid), person=boss, scope=RefundBatch.Scope.WHOLE,
            reason=Refund.Reason.RECALLED,
        )  # fmt: skip
        confirm_batch(batch, person=boss, typed=batch.total)
        RefundBatch.objects.filter(pk=batch.pk).update(due_at=database_now() - ago)
        return lambda: (RefundBatch.objects.get(pk=batch.pk).state, Refund.objects.filter(transaction=paid).count())

    def lapse_refund_requests(self, ago: timedelta) -> Effect:
        paid, over = pay(self.make_order(), self.twin), database_now() - ago
        refund = request_refund(paid, Money(1), requester="buyer", origin=Refund.Origin.BUYER, lapses_at=over)
        return lambda: (
            Refund.objects.get(pk=refund.pk).state,
            Transaction.objects.get(pk=paid.pk).reserved_fen,
            OutboxMessage.objects.filter(topic="refund.rejected").count(),
        )

    def end_dead_calls(self, ago: timedelta) -> Effect:
        attempt = self.make_attempt(self.make_order())
        begun = database_now() - ago - timedelta(minutes=5)
        call = GatewayCall.objects.create(
            account=attempt.account, transaction=attempt, method="m", purpose="precreate", started_at=begun
        )
        return lambda: (
            GatewayCall.objects.get(pk=call.pk).outcome,
            Transaction.objects.get(pk=attempt.pk).version - attempt.version,
        )

    def relay_outbox_messages(self, ago: timedelta) -> Effect:
        OutboxMessage.objects.create(topic="test.beat", dedupe_key="test.beat:1", due_at=database_now() - ago)
        return lambda: delivered.count("test.beat:1")

    def deliver_webhooks(self, ago: timedelta) -> Effect:
        endpoint = add_endpoint(url=self.receiver.url, kinds=["order.closed"], description="", actor="staff:1")
        send_test(endpoint, actor="staff:1")
        told = WebhookDelivery.objects.filter(endpoint=endpoint)
        told.update(due_at=database_now() - ago)
        return lambda: [(each.state, each.tries.count()) for each in told.all()]

    def announce_cases(self, ago: timedelta) -> Effect:
        endpoint = add_endpoint(url=self.receiver.url, kinds=["case.opened"], description="", actor="staff:1")
        Case.objects.open_once(Case.Kind.STUCK, "webhook:beat", evidence="")
        about = {"event__data__case__subject": "webhook:beat"}
        return WebhookDelivery.objects.filter(endpoint=endpoint, **about).count

    def announce_bill_days(self, ago: timedelta) -> Effect:
        endpoint = add_endpoint(url=self.receiver.url, kinds=["bill_day.closed"], description="", actor="staff:1")
        account = MerchantAccount.objects.order_by("pk").first()
        assert account is not None
        now = database_now()
        BillDay.objects.create(
            account=account, day=(now - timedelta(days=50)).date(), state="closed", content="empty", imported_at=now,
            matched_at=now, ours_fen=0, theirs_fen=0, result_hash="r", closed_at=now, closed_by="staff:1",
        )  # fmt: skip
        return WebhookDelivery.objects.filter(endpoint=endpoint, event__data__bill_day__state="closed").count

    def keep_house(self, ago: timedelta) -> Effect:
        Duty.objects.create(name="keep_house", due_at=database_now() - ago)
        old = database_now() - timedelta(days=400)
        IdempotencyRecord.objects.create(caller="a", key="1", request_hash="x", answer={}, created_at=old)
        return lambda: (IdempotencyRecord.objects.filter(caller="a").count(), rounds("keep_house"))

    def watch_certificates_end(self, ago: timedelta) -> Effect:
        Duty.objects.create(name="watch_certificates", due_at=database_now() - ago)
        return lambda: rounds("watch_certificates")

    def seal_audit(self, ago: timedelta) -> Effect:
        Duty.objects.create(name="seal_audit", due_at=database_now() - ago)
        return lambda: rounds("seal_audit")

    def check_books_nightly(self, ago: timedelta) -> Effect:
        Duty.objects.create(name="check_books", due_at=database_now() - ago)
        return lambda: (BooksCheck.objects.count(), rounds("check_books"))

    def tend_books(self, ago: timedelta) -> Effect:
        account = MerchantAccount.objects.order_by("pk").first()
        assert account is not None
        day = BillDay.objects.create(
            account=account, day=(database_now() - timedelta(days=40)).date(), due_at=database_now() - ago
        )
        return lambda: (BillDay.objects.get(pk=day.pk).state, AuditEvent.objects.about(day).count())

    def escalate_overdue_cases(self, ago: timedelta) -> Effect:
        Case.objects.open_once(Case.Kind.BUYER_ASKS, "order:1", evidence="question:1")
        Case.objects.update(due_at=database_now() - ago)
        case = Case.objects.get(subject="order:1")
        return lambda: (Case.objects.get(pk=case.pk).severity, case.events.count())

    def tidy_old_carts(self, ago: timedelta) -> Effect:
        Cart.objects.create(changed_at=database_now() - timedelta(days=400) - ago)
        return Cart.objects.count

    def tell_who_waits(self, ago: timedelta) -> Effect:
        variant: Variant = self.make_variant()
        StockAlert.objects.create(
            variant=variant, email="a@example.com", mark="m", language="en", consented_at=database_now() - ago
        )
        return lambda: (StockAlert.objects.count(), OutboxMessage.objects.filter(topic="goods.back").count())


# What one ring must come to, however often it is heard.
ONCE: dict[str, Any] = {
    "poll_unsettled": ("paid", 1, 1), "close_due": ("closed", 1, 1), "send_refunds": ("succeeded", [3000], 1),
    "go_on_with_bulk_refunds": ("asked", 1), "lapse_refund_requests": ("lapsed", 0, 1),
    "end_dead_calls": ("unknown", 1), "relay_outbox_messages": 1,
    "deliver_webhooks": [("delivered", 1)], "announce_cases": 1, "announce_bill_days": 1,
    "keep_house": (0, 1), "watch_certificates_end": 1, "seal_audit": 1, "check_books_nightly": (1, 1),
    "tend_books": ("closed", 3), "escalate_overdue_cases": ("high", 1), "tidy_old_carts": 0, "tell_who_waits": (0, 1),
}  # fmt: skip


def rounds(duty: str) -> int:
    """How often a duty was taken: every taking raises its version."""
    return Duty.objects.get(name=duty).version


def ring(name: str) -> Callable[[], object]:
    task = import_string(BELLS[name])
    return lambda: task()


@pytest.fixture
def world(committed_db, identity, twin, make_order, make_attempt, make_variant, clocks, settings, receiver) -> World:
    clocks(refund_ladder_s=[0, 0, 0, 0], refund_absent_s=0, refunds_apart_s=0)
    settings.OUTBOX_HANDLERS = {"test.beat": [f"{__name__}.deliver"]}
    settings.BILL_KINDS = []  # a day needs none: it is compared with nothing
    delivered.clear()
    twin.control("faults", mute="true")
    if not MerchantAccount.objects.exists():
        make_merchant(identity, f"{twin.url}/gateway.do")
    gateway.merchants(refresh=True)
    return World(make_order, make_attempt, make_variant, twin, receiver)


def test_every_bell_of_beat_stands_in_this_table():
    assert set(BELLS) == set(ONCE)


@pytest.mark.rows("F13", "F15")
@pytest.mark.parametrize("name", ONCE)
def test_a_task_delivered_twice_at_once_and_once_more_has_one_effect(world, name):
    effect = getattr(world, name)(timedelta(0))
    assert effect() != ONCE[name], "there is something to do"

    assert together(*[ring(name)] * 2) == [None, None]
    assert effect() == ONCE[name]
    ring(name)()
    assert effect() == ONCE[name]


@pytest.mark.rows("F12")
def test_after_half_an_hour_without_beat_one_ring_of_each_bell_catches_up(world):
    effects = {name: getattr(world, name)(SILENCE) for name in ONCE}

    for name in BELLS:
        ring(name)()

    assert {name: effect() for name, effect in effects.items()} == ONCE


DUTIES: dict[str, Callable[[], object]] = {
    "keep_house": keep_house, "check_books": check_nightly, "watch_certificates": watch_certificates,
    "seal_audit": seal_audit,
}  # fmt: skip


def clock_jumps(by: timedelta) -> None:
    """The clock against everything that stands written: what was due later is due now, or the other way round."""
    for duty in Duty.objects.all():
        Duty.objects.filter(pk=duty.pk).update(due_at=duty.due_at - by)


@pytest.mark.rows("F14")
@pytest.mark.parametrize("name", DUTIES)
def test_a_clock_that_jumps_over_the_hour_of_a_duty_and_back_gives_one_result(world, name):
    Duty.objects.create(name=name, due_at=database_now() + HOUR / 2)
    DUTIES[name]()
    assert rounds(name) == 0, "not due yet"

    clock_jumps(HOUR)
    DUTIES[name]()
    DUTIES[name]()
    assert rounds(name) == 1
    clock_jumps(-HOUR)
    DUTIES[name]()

    assert rounds(name) == 1
    assert Duty.objects.get(name=name).last_done_period != ""


def beijing_hour(moment: datetime) -> int:
    return (moment + timedelta(hours=8)).hour


def test_a_green_night_is_kept_and_the_next_is_at_three_in_shanghai(world):
    assert (check_nightly(), check_nightly()) == (True, False)

    kept = BooksCheck.objects.get()
    assert (kept.reach, kept.broken, kept.checked > 20) == (BooksCheck.Reach.FULL, 0, True)
    duty = Duty.objects.get(name="check_books")
    assert timedelta(0) < duty.due_at - database_now() <= timedelta(days=1)
    assert beijing_hour(duty.due_at) == 3
    assert not Case.objects.exists()


def test_red_nights_are_kept_and_said_and_are_one_case(world, caplog):
    InboundMessage.objects.create(body="x", verdict="refused", fingerprint="f" * 64)

    for _ in range(2):
        Duty.objects.update(due_at=database_now())
        assert check_nightly()

    first, second = BooksCheck.objects.order_by("pk")
    assert (first.broken, second.broken) == (1, 1)
    case = Case.objects.get()
    assert (case.kind, case.subject, case.evidence) == ("books", "invariant:I-26", f"books_check:{first.pk}")
    said = [each for each in caplog.records if "books_contradict_themselves" in each.getMessage()]
    assert [each.levelname for each in said] == ["ERROR", "ERROR"]
