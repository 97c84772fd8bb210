"""One reason, many refunds: planned, confirmed by the total, asked for once an order, approved by another as a whole."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.sessions.backends.cache import SessionStore
from django.db import IntegrityError, OperationalError, transaction

from payments.errors import (
    NotAllowed,
    NothingFound,
    NotWaiting,
    RefundableMoved,
    RefundRefused,
    SamePerson,
    StaleFactor,
    TooMany,
)
from payments.models import AuditEvent, Order, OutboxMessage, Refund, RefundBatch, RefundBatchItem, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.invariants import check_invariants
from payments.queries.refund_batches import holding, progress
from payments.services import bulk_refund, plan_batch, send_refunds
from payments.services.approve_refund import approve, ask_as_staff, reject, withdraw
from payments.services.bulk_refund import approve_batch, confirm_batch, go_on, stop_batch
from payments.services.place_order import Line, place_order
from payments.services.receive_notice import receive_notice
from payments.services.refund import fail_refund
from payments.services.second_factor import mark_proved
from tests.conftest import journalled, make_merchant
from tests.payments.test_approve_refund import person
from tests.payments.test_races import together

Item, State, Scope, Why = RefundBatchItem.State, RefundBatch.State, RefundBatch.Scope, RefundBatchItem.Why
Sell = Callable[..., Order]
TEA, CUP = "TEA-1", "CUP-1"


@pytest.fixture
def hong(db) -> User:
    return person("hong@example.com", "finance")


@pytest.fixture
def qian(db) -> User:
    return person("qian@example.com", "approver")


@pytest.fixture
def fresh(db) -> SessionStore:
    """A session whose second factor was proved just now."""
    session = SessionStore()
    mark_proved(session, database_now())
    return session


@pytest.fixture
def sell(make_attempt, says) -> Sell:
    """An order of two packets of tea and a cup, with delivery, paid unless told otherwise."""

    def make(*, paid: bool = True, tea: int = 50_00, cup: int = 30_00) -> Order:
        lines = [Line("茶", Money(tea), quantity=2, sku=TEA)]
        if cup:
            lines.append(Line("杯", Money(cup), sku=CUP))
        order = place_order(
            lines=lines, title="茶", language="zh-hans", caller="test", now=database_now(), shipping=Money(10_00)
        )
        if paid:
            receive_notice(says.notice(make_attempt(order)))
            order.refresh_from_db()
        return order

    return make


@pytest.fixture
def shop(merchant) -> None:
    """A merchant, on the connection of the test."""


def plan(who: User, scope: RefundBatch.Scope = Scope.WHOLE, **more: Any) -> RefundBatch:
    words = {"reason": Refund.Reason.RECALLED, "skus": [TEA] if scope == Scope.GOODS else [], **more}
    return plan_batch.plan_batch(Order.objects.all(), person=who, scope=scope, **words)


def confirmed(who: User, scope: RefundBatch.Scope = Scope.WHOLE) -> RefundBatch:
    batch = plan(who, scope)
    assert confirm_batch(batch, person=who, typed=batch.total)
    return batch


def done(batch: RefundBatch) -> RefundBatch:
    for _ in range(50):
        if not go_on():
            break
    batch.refresh_from_db()
    return batch


def items(batch: RefundBatch) -> list[tuple[str, str, int]]:
    return list(batch.items.order_by("pk").values_list("state", "why", "amount_fen"))


def test_a_plan_says_for_each_order_how_much_or_why_not_and_asks_for_nothing(shop, sell, hong):
    sell(), sell(paid=False), sell()
    part, whole, over = sell(), sell(), sell()
    assert part.paid_by and whole.paid_by and over.paid_by  # noqa: PT018  # for the types
    ask_as_staff(part.paid_by, Money(20_00), person=hong, reason=Refund.Reason.PRICE)
    ask_as_staff(whole.paid_by, Money(140_00), person=hong, reason=Refund.Reason.PRICE)
    Transaction.objects.filter(pk=over.paid_by.pk).update(finished=True)

    batch = plan(hong)
    assert items(batch) == [
        ("planned", "", 140_00), ("left_out", Why.NOT_PAID, 0), ("planned", "", 140_00), ("planned", "", 120_00),
        ("left_out", Why.ON_ITS_WAY, 0), ("left_out", Why.OVER, 0),
    ]  # fmt: skip
    assert (batch.state, batch.orders, batch.total_fen) == (State.DRAFT, 3, 400_00)
    assert Refund.objects.count() == 2, "only those from before"
    assert go_on() == 0


def test_only_the_lines_of_the_goods_with_what_is_left_of_them(shop, sell, hong):
    first, second, other = sell(), sell(), sell()
    assert second.paid_by and other.paid_by  # noqa: PT018  # for the types
    ask_as_staff(second.paid_by, Money(50_00), person=hong, reason=Refund.Reason.PRICE, lines={"1": 50_00})
    ask_as_staff(other.paid_by, Money(100_00), person=hong, reason=Refund.Reason.PRICE, lines={"1": 100_00})
    cups_alone = plan(hong, Scope.GOODS, skus=["NO-SUCH"])

    batch = plan(hong, Scope.GOODS)
    assert items(batch) == [("planned", "", 100_00), ("planned", "", 50_00), ("left_out", Why.GOODS_BACK, 0)]
    assert batch.items.get(order=first).lines == {"1": 100_00}
    assert {why for _, why, _ in items(cups_alone)} == {Why.OTHER_GOODS}


def test_orders_are_found_by_goods_and_days_in_shanghai(shop, sell):
    inside, before, after, other = sell(), sell(), sell(), sell()
    now = database_now()
    today = (now + timedelta(hours=8)).date()
    start = (now + timedelta(hours=8)).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=8)
    for order, at in ((inside, start), (before, start - timedelta(seconds=1)), (after, start + timedelta(days=1))):
        Order.objects.filter(pk=order.pk).update(paid_at=at)

    assert {*holding([TEA], paid_from=today, paid_until=today)} == {inside, other}
    assert not holding(["NO-SUCH"], paid_from=today, paid_until=today).exists()


def test_who_may_not_plans_confirms_and_approves_nothing(shop, sell, hong, fresh):
    sell()
    with pytest.raises(NotAllowed):
        plan(person("help@example.com", "support"))
    batch = plan(hong)
    with pytest.raises(NotAllowed):
        confirm_batch(batch, person=person("boss@example.com", "owner"), typed=batch.total)
    with pytest.raises(NotAllowed):
        approve_batch(batch, person=hong, session=fresh, seen=batch.total)
    hong.groups.clear()
    with pytest.raises(NotAllowed):
        confirm_batch(batch, person=User.objects.get(pk=hong.pk), typed=batch.total)


def test_nothing_found_and_too_many_are_said(shop, sell, hong, monkeypatch):
    with pytest.raises(NothingFound):
        plan(hong)
    monkeypatch.setattr(plan_batch, "MOST", 1)
    sell(), sell()
    with pytest.raises(TooMany):
        plan(hong)


def test_another_total_confirms_nothing(shop, sell, hong):
    sell()
    batch = plan(hong)
    with pytest.raises(RefundRefused):
        confirm_batch(batch, person=hong, typed=Money(140_01))
    batch.refresh_from_db()
    assert batch.state == State.DRAFT


@pytest.mark.rows("M08")
def test_each_order_is_asked_for_once_within_the_limits_of_one_person(shop, sell, hong, clocks):
    clocks(refund_alone_fen=200_00, refund_alone_day_fen=300_00)
    for _ in range(4):
        sell()
    batch = confirmed(hong)
    assert not confirm_batch(batch, person=hong, typed=batch.total), "a second press"
    done(batch)

    states = list(Refund.objects.order_by("pk").values_list("state", "approver", "requester", "reason_code"))
    who = f"staff:{hong.pk}"
    assert states == [("approved", "rule:small", who, "recalled")] * 2 + [("requested", "", who, "recalled")] * 2
    assert (batch.state, progress(batch).asked, progress(batch).waiting.fen) == (State.ASKED, 4, 280_00)
    assert [*AuditEvent.objects.about(batch).values_list("action", "actor")] == [
        ("planned", who), ("confirmed", who), ("all_asked", "refunds"),
    ]  # fmt: skip


@pytest.mark.rows("M08")
def test_two_batches_about_the_same_orders_ask_once(shop, sell, hong):
    sell(), sell()
    first, second = (plan(hong, Scope.GOODS, skus=[CUP]) for _ in range(2))  # twice as much would be left
    for batch in (first, second):
        confirm_batch(batch, person=hong, typed=batch.total)
    done(first), done(second)

    assert Refund.objects.count() == 2
    assert [state for state, _, _ in items(first)] == [Item.ASKED, Item.ASKED]
    assert {why for _, why, _ in items(second)} == {Why.MOVED}


def test_an_order_that_changed_and_a_right_that_was_lost_end_with_their_reason(shop, sell, hong):
    changed, _other = sell(), sell()
    batch = confirmed(hong)
    assert changed.paid_by
    ask_as_staff(changed.paid_by, Money(1_00), person=hong, reason=Refund.Reason.PRICE)
    done(batch)
    assert [why for _, why, _ in items(batch)] == [Why.MOVED, ""]

    sell()
    late = confirmed(hong)
    hong.groups.clear()
    assert {why for _, why, _ in items(done(late))} == {Why.ON_ITS_WAY, Why.NOT_ALLOWED}


def test_what_was_left_out_is_never_asked_for(shop, sell, hong):
    sell()
    sell(paid=False)
    batch = done(confirmed(hong))
    assert [state for state, _, _ in items(batch)] == [Item.ASKED, Item.LEFT_OUT]


@pytest.mark.rows("M12")
def test_a_second_person_approves_all_that_waits_at_once(shop, sell, hong, qian, fresh):
    for _ in range(3):
        sell(tea=150_00)
    batch = done(confirmed(hong))
    alone, refused = (batch.items.order_by("pk")[at].refund for at in (0, 1))
    approve(alone, person=qian, session=fresh)
    reject(refused, person=qian, why="used")

    with pytest.raises(RefundableMoved):
        approve_batch(batch, person=qian, session=fresh, seen=batch.total)
    approve_batch(batch, person=qian, session=fresh, seen=Money(340_00))
    with pytest.raises(NotWaiting):
        approve_batch(batch, person=qian, session=fresh, seen=Money(340_00))
    done(batch)

    assert [*Refund.objects.order_by("pk").values_list("state", flat=True)] == ["approved", "rejected", "approved"]
    assert (batch.state, batch.approved_by) == (State.APPROVED, qian)
    assert OutboxMessage.objects.filter(topic="refund.approved").count() == 2, "each buyer hears of it"
    assert AuditEvent.objects.filter(action="approved", actor=f"staff:{qian.pk}").count() == 2


@pytest.mark.rows("M12")
def test_who_asked_never_approves_the_batch_in_service_or_database(shop, sell, fresh):
    me = person("both@example.com", "owner")
    sell(tea=150_00)
    batch = done(confirmed(me))

    with pytest.raises(SamePerson):
        approve_batch(batch, person=me, session=fresh, seen=batch.total)
    now = database_now()
    with pytest.raises(IntegrityError), transaction.atomic():
        RefundBatch.objects.filter(pk=batch.pk).update(state="approving", approved_by=me, approved_at=now, due_at=now)
    assert Refund.objects.get().state == Refund.State.REQUESTED


def test_approval_wants_a_fresh_factor(shop, sell, hong, qian):
    sell(tea=150_00)
    batch = done(confirmed(hong))
    with pytest.raises(StaleFactor):
        approve_batch(batch, person=qian, session=SessionStore(), seen=batch.total)


def test_an_approver_who_loses_the_right_meanwhile_approves_no_more(shop, sell, hong, qian, fresh):
    sell(tea=150_00)
    batch = done(confirmed(hong))
    approve_batch(batch, person=qian, session=fresh, seen=batch.total)
    qian.groups.clear()
    done(batch)

    assert (batch.state, batch.approved_by, Refund.objects.get().state) == (State.ASKED, None, Refund.State.REQUESTED)
    other = person("other@example.com", "approver")
    approve_batch(batch, person=other, session=fresh, seen=batch.total)
    assert done(batch).state == State.APPROVED


def part_left(*states: str) -> RefundBatch:
    """What waits of the only batch is approved; then its refunds are brought to these states, in their order."""
    for refund, state in zip(Refund.objects.order_by("pk"), states, strict=True):
        steps = {"sent": ["approved", "sent"], "approved": ["approved"], "requested": []}[state]
        for step in steps:
            called = {"called_at": database_now(), "in_doubt": True} if step == "sent" else {}
            Refund.objects.filter(pk=refund.pk).update(
                state=step, approver="staff:9", approved_at=database_now(), **called
            )
    return RefundBatch.objects.get()


@pytest.mark.rows("M12")
def test_a_colleague_does_not_agree_to_the_whole_and_every_amount_is_free_again(shop, sell, hong, qian):
    for _ in range(3):
        sell(tea=150_00)
    batch = done(confirmed(hong))
    with pytest.raises(RefundRefused):
        stop_batch(batch, person=qian, why="  ")
    stop_batch(batch, person=qian, why="not our fault")
    with pytest.raises(NotWaiting):
        stop_batch(batch, person=qian, why="twice")
    done(batch)

    assert (batch.state, batch.stopped_by, batch.stop_reason) == (State.STOPPED, qian, "not our fault")
    assert [*Refund.objects.values_list("state", "answer")] == [("rejected", "not our fault")] * 3
    assert {*Transaction.objects.values_list("reserved_fen", flat=True)} == {0}
    assert confirmed(hong).total == batch.total, "it can be asked for anew"
    said = AuditEvent.objects.about(batch).values_list("action", "actor")
    assert [*said][-2:] == [("stop_asked", f"staff:{qian.pk}"), ("all_stopped", "refunds")]


@pytest.mark.rows("F07")
def test_who_asked_stops_it_half_way_and_what_has_left_is_followed(shop, sell, hong, clocks):
    for _ in range(4):
        sell(tea=150_00)
    batch = done(confirmed(hong))
    part_left("sent", "approved", "requested", "requested")
    stop_batch(batch, person=hong, why="another batch was meant")
    done(batch)

    assert [*Refund.objects.order_by("pk").values_list("state", flat=True)] == ["sent", "lapsed", "lapsed", "lapsed"]
    assert (progress(batch).sent.orders, progress(batch).unsent.orders, batch.state) == (1, 0, State.STOPPED)
    assert [*Transaction.objects.order_by("pk").values_list("reserved_fen", flat=True)] == [340_00, 0, 0, 0]
    assert not Refund.objects.filter(state="lapsed", next_check_at__isnull=False).exists(), "none leaves later"
    with pytest.raises(NotWaiting):
        stop_batch(batch, person=hong, why="again")


def test_a_batch_at_every_step_breaks_no_rule(shop, sell, hong, qian, fresh):
    def holds(batch: RefundBatch) -> RefundBatch:
        assert not [each.name for each in check_invariants() if each.hits and each.name == "I-36"]
        return batch

    for _ in range(3):
        sell(tea=150_00)
    batch = holds(plan(hong, Scope.GOODS))
    confirm_batch(batch, person=hong, typed=batch.total)
    holds(batch)
    reject(holds(done(batch)).items.order_by("pk")[0].refund, person=qian, why="used")
    approve_batch(batch, person=qian, session=fresh, seen=Money(600_00))
    holds(batch)
    stop_batch(holds(done(batch)), person=qian, why="x")
    holds(batch)
    assert holds(done(batch)).state == State.STOPPED


def test_stopping_while_it_asks_leaves_the_rest_unasked(shop, sell, hong, monkeypatch):
    for _ in range(3):
        sell()
    batch, asking = confirmed(hong), ask_as_staff

    def stopped_meanwhile(*args: Any, **more: Any) -> Refund:
        refund = asking(*args, **more)
        stop_batch(batch, person=hong, why="wrong goods")
        return refund

    monkeypatch.setattr(bulk_refund, "ask_as_staff", stopped_meanwhile)
    assert go_on() == 1, "the next one is not begun"
    done(batch)

    assert items(batch)[1:] == [("refused", Why.STOPPED, 140_00)] * 2
    assert (batch.state, Refund.objects.get().state) == (State.STOPPED, "lapsed")


def test_who_may_not_stops_nothing_and_what_is_over_is_not_stopped(shop, sell, hong, qian):
    sell(tea=150_00)
    draft = plan(hong)
    with pytest.raises(NotWaiting):
        stop_batch(draft, person=hong, why="x")
    batch = done(confirmed(hong))
    for other in (person("f@example.com", "finance"), person("s@example.com", "support")):
        with pytest.raises(NotAllowed):
            stop_batch(batch, person=other, why="x")
    part_left_now = Refund.objects.filter(batch_item__batch=batch)
    part_left_now.update(state="approved", approver="staff:9", approved_at=database_now())
    part_left_now.update(state="sent", in_doubt=True, called_at=database_now())
    with pytest.raises(NotWaiting):
        stop_batch(batch, person=qian, why="x")
    batch.refresh_from_db()
    assert batch.state == State.ASKED


def test_an_order_that_is_held_up_comes_again_and_stops_no_other(shop, sell, hong, monkeypatch):
    first, _second = sell(), sell()
    batch, asking = confirmed(hong), ask_as_staff

    def held(attempt: Transaction, *args: Any, **more: Any) -> Refund:
        if attempt.order_id == first.pk:
            raise OperationalError("lock timeout")
        return asking(attempt, *args, **more)

    monkeypatch.setattr(bulk_refund, "ask_as_staff", held)
    go_on()
    batch.refresh_from_db()
    assert [state for state, _, _ in items(batch)] == [Item.PLANNED, Item.ASKED]
    assert batch.due_at and batch.due_at > database_now(), "not in a hot loop"  # noqa: PT018  # for the types

    monkeypatch.undo()
    RefundBatch.objects.update(due_at=database_now())
    assert done(batch).state == State.ASKED


def test_what_was_planned_is_what_is_asked_for_says_the_database(shop, sell, hong):
    sell()
    batch = done(confirmed(hong))
    item = batch.items.get()
    for change in (
        lambda: RefundBatch.objects.filter(pk=batch.pk).update(total_fen=1),
        lambda: RefundBatch.objects.filter(pk=batch.pk).update(state="draft", confirmed_at=None),
        lambda: RefundBatchItem.objects.filter(pk=item.pk).update(amount_fen=1),
        lambda: RefundBatchItem.objects.filter(pk=item.pk).update(state="planned", refund=None),
        lambda: RefundBatchItem.objects.create(batch=batch, order=item.order, amount_fen=1, seen_fen=1),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_a_plan_of_many_orders_costs_the_same_few_queries(shop, sell, hong, django_assert_max_num_queries):
    for _ in range(12):
        sell()
    with django_assert_max_num_queries(12):
        plan(hong)


class TestCommitted:
    """On real connections."""

    pytestmark = pytest.mark.usefixtures("committed_db")

    @pytest.fixture
    def boss(self, committed_db, identity) -> User:
        make_merchant(identity, "http://127.0.0.1:9/gateway.do")
        return User.objects.create_superuser("boss@example.com", "x")

    @pytest.mark.rows("M08", "F52")
    def test_workers_presses_and_tabs_at_once_ask_once(self, boss, sell):
        for _ in range(4):
            sell()
        batch = plan(boss, Scope.GOODS, skus=[CUP])  # there is enough left of each order to ask twice
        pressed = together(*[lambda: confirm_batch(batch, person=boss, typed=batch.total)] * 3)
        assert sorted(map(str, pressed)) == ["False", "False", "True"]

        planned = list(batch.items.select_related("order__paid_by").order_by("pk"))
        batch.refresh_from_db()
        together(*[lambda: bulk_refund._each(batch, planned, partial(bulk_refund._ask_one, batch=batch), 2e9)] * 3)

        assert Refund.objects.count() == 4
        assert [state for state, _, _ in items(batch)] == [Item.ASKED] * 4

    def test_a_refund_that_is_stopped_while_it_leaves_is_either_sent_or_taken_back(self, boss, sell):
        for _ in range(4):
            sell()
        done(confirmed(boss))
        now, second = database_now(), timedelta(seconds=1)
        claimed = Refund.objects.claim_due(now=now, lease=60 * second, apart=second, limit=4)
        for refund in claimed:
            sent, withdrawn = together(
                partial(send_refunds._intend, refund), partial(withdraw, refund, person=boss, why="wrong goods")
            )
            refund.refresh_from_db()
            aside = Transaction.objects.get(pk=refund.transaction_id).reserved_fen
            assert (sent, withdrawn, refund.state, aside) in (
                (True, False, "sent", 140_00),
                (False, True, "lapsed", 0),
            )
        assert len(claimed) == 4

    @pytest.mark.rows("F07")
    def test_a_worker_that_dies_between_two_orders_leaves_the_rest_to_the_next(self, boss, sell, monkeypatch):
        for _ in range(3):
            sell()
        batch, marking = confirmed(boss), RefundBatchItem.objects.mark_asked

        def dies(item_id: int, refund: Refund) -> bool:
            if batch.items.filter(state=Item.ASKED).exists():
                raise KeyboardInterrupt
            return marking(item_id, refund)

        with monkeypatch.context() as patched:
            patched.setattr(RefundBatchItem.objects, "mark_asked", dies)
            with pytest.raises(KeyboardInterrupt):
                go_on()
        assert Refund.objects.count() == 1, "the second was undone with its mark"
        assert go_on() == 0, "its lease still runs"
        RefundBatch.objects.update(due_at=database_now())

        assert done(batch).state == State.ASKED
        assert Refund.objects.count() == 3


def test_a_refund_that_ended_without_money_may_be_asked_for_by_a_new_batch(shop, sell, hong):
    sell()
    first = done(confirmed(hong))
    refund = Refund.objects.get()
    assert fail_refund(refund, actor="refunds", evidence=journalled(refund, outcome="certainly_not"))

    second = done(confirmed(hong))
    assert (progress(first).ended.orders, progress(second).on_their_way.orders) == (1, 1)
