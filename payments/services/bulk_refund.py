"""A bulk refund from its confirmation to its end: one refund an order, asked for and approved as every other.

The pages only confirm and approve; the work is done in chunks by a worker, claimed by a lease, and goes on where it was when a
worker died. Each refund goes through `ask_as_staff` and `word_of`, with their limits; nothing is decided here.
"""

import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.contrib.sessions.backends.base import SessionBase
from django.db import DatabaseError, transaction

from payments.errors import NotAllowed, NotWaiting, RefundableMoved, RefundRefused, SamePerson
from payments.models import AuditEvent, Refund, RefundBatch, RefundBatchItem, User
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.refund_batches import progress, waiting_fen
from payments.services.approve_refund import actor, ask_as_staff, check_approver, withdraw, word_of

logger = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)
AGAIN = timedelta(seconds=5)  # where an order could not be had, for example because its row was held
CHUNK = 200
State, Why = RefundBatch.State, RefundBatchItem.Why


def confirm_batch(batch: RefundBatch, *, person: User, typed: Money) -> bool:
    """Let a planned batch be asked for, in the name of who planned it. True for the press that did it, False for a repeat.

    typed  the total, as the person wrote it

    Raises NotAllowed, RefundRefused (another total; nothing to refund).
    """
    if batch.requested_by_id != person.pk or not person.has_perm("payments.request_bulk_refund"):
        raise NotAllowed("only who planned a bulk refund confirms it")
    if not batch.orders or typed != batch.total:
        raise RefundRefused("the total that was typed is not the total of this bulk refund")
    with transaction.atomic():
        if not RefundBatch.objects.mark_confirmed(batch.pk, now=database_now()):
            return False
        AuditEvent.objects.add(
            batch, "confirmed", actor=actor(person), state=State.ASKING, orders=batch.orders, fen=batch.total_fen
        )
    return True


def approve_batch(batch: RefundBatch, *, person: User, session: SessionBase, seen: Money) -> None:
    """The word of a second person for all refunds of a batch that wait.

    seen  what waited, in all, on the page with the button

    Raises NotAllowed, StaleFactor, SamePerson, RefundableMoved (another sum waits now), NotWaiting.
    """
    check_approver(person, session)
    if batch.requested_by_id == person.pk:
        raise SamePerson("who asks for refunds can't approve them")
    with transaction.atomic():
        if not RefundBatch.objects.mark_approving(batch.pk, approver_id=person.pk, now=database_now()):
            raise NotWaiting("this bulk refund is not waiting for approval")
        now_fen = waiting_fen(batch)
        if now_fen != seen.fen or not now_fen:
            raise RefundableMoved(now_fen)
        AuditEvent.objects.add(batch, "approval_given", actor=actor(person), state=State.APPROVING, fen=now_fen)


def stop_batch(batch: RefundBatch, *, person: User, why: str) -> None:
    """Take back all of a batch that has not left for Alipay: by who asked for it, or by who may approve and does not agree.

    What has left is followed to its end as every refund is.
    why  compulsory; a buyer who was told that money is on its way reads it

    Raises NotAllowed, RefundRefused (no reason), NotWaiting (nothing is left to take back).
    """
    if not may_stop(batch, person):
        raise NotAllowed("a bulk refund is stopped by who asked for it, or by who may approve it")
    if not why.strip():
        raise RefundRefused("stopping needs a reason")
    with transaction.atomic():
        words = why.strip()[:200]
        moved = RefundBatch.objects.mark_stopping(batch.pk, person_id=person.pk, why=words, now=database_now())
        left = progress(batch).unsent
        if not moved or not left.orders:
            raise NotWaiting("nothing of this bulk refund is left to take back")
        AuditEvent.objects.add(
            batch, "stop_asked", actor=actor(person), state=State.STOPPING, orders=left.orders, fen=left.fen
        )


def may_stop(batch: RefundBatch, person: User) -> bool:
    own = batch.requested_by_id == person.pk and person.has_perm("payments.request_bulk_refund")
    return own or person.has_perm("payments.approve_refund")


def go_on(*, seconds: float = 20.0) -> int:
    """Claim a batch that is due and work on it for about so long. Safe to run twice, beside itself, or never.

    Returns how many orders were looked at.
    """
    batch = RefundBatch.objects.claim_due(now=database_now(), lease=LEASE)
    if batch is None:
        return 0
    return WORK[State(batch.state)](batch, time.monotonic() + seconds)


def _ask(batch: RefundBatch, until: float) -> int:
    planned = batch.items.filter(state=RefundBatchItem.State.PLANNED)
    some = planned.select_related("order__paid_by").order_by("pk")[:CHUNK]
    looked, held_up = _each(batch, list(some), lambda item: _ask_one(item, batch), until)
    if planned.exists():
        _later(batch, held_up=held_up)
        return looked
    with transaction.atomic():
        if RefundBatch.objects.mark_asked(batch.pk):
            AuditEvent.objects.add(batch, "all_asked", actor="refunds", state=State.ASKED)
    return looked


def _ask_one(item: RefundBatchItem, batch: RefundBatch) -> None:
    """Ask and mark in one commit. What is not what it was when the batch was planned is not asked for."""
    assert item.order.paid_by is not None, "planned: something was paid"
    try:
        with transaction.atomic(durable=True):
            refund = ask_as_staff(
                item.order.paid_by, item.amount, person=batch.requested_by, reason=Refund.Reason(batch.reason_code),
                note=batch.note, lines=item.lines or None, seen_refundable=Money(item.seen_fen),
            )  # fmt: skip
            if not RefundBatchItem.objects.mark_asked(item.pk, refund):
                raise NotWaiting("another worker asked for it")  # ours is undone
    except NotWaiting:
        return
    except RefundableMoved:
        _refuse(item, Why.MOVED)
    except NotAllowed:
        _refuse(item, Why.NOT_ALLOWED)
    except RefundRefused:
        _refuse(item, Why.REFUSED)


def _refuse(item: RefundBatchItem, why: RefundBatchItem.Why) -> None:
    if RefundBatchItem.objects.mark_refused(item.pk, why):
        logger.info("bulk_refund_left_an_order", batch=item.batch_id, order=item.order_id, why=why)


def _approve(batch: RefundBatch, until: float) -> int:
    person = batch.approved_by
    assert person is not None, "the database: a batch is approved by one"
    waiting = batch.items.filter(refund__state=Refund.State.REQUESTED, refund__lapses_at__gt=database_now())
    some = waiting.select_related("refund__transaction").order_by("pk")[:CHUNK]
    try:
        looked, held_up = _each(batch, list(some), lambda item: _approve_one(item, person), until)
    except NotAllowed:
        with transaction.atomic():
            if RefundBatch.objects.mark_asked(batch.pk):
                AuditEvent.objects.add(batch, "approval_ended", actor="refunds", cause=actor(person), state=State.ASKED)
        return 0
    if waiting.exists():
        _later(batch, held_up=held_up)
        return looked
    with transaction.atomic():
        if RefundBatch.objects.mark_approved(batch.pk):
            AuditEvent.objects.add(batch, "all_approved", actor="refunds", state=State.APPROVED)
    return looked


def _approve_one(item: RefundBatchItem, person: User) -> None:
    assert item.refund is not None, "asked for"
    try:
        word_of(item.refund, person=person)
    except NotWaiting:
        return  # a colleague decided about this one alone, or it lapsed


def _stop(batch: RefundBatch, until: float) -> int:
    """What is planned is not asked for, and what was asked for is taken back unless it has left.

    A worker that still asks or approves beside this one moves a row that is looked at again here before the end is said.
    """
    person = batch.stopped_by
    assert person is not None, "the database: a batch is stopped by one"
    looked = RefundBatchItem.objects.mark_stopped(batch)
    unsent = batch.items.filter(refund__state__in=(Refund.State.REQUESTED, Refund.State.APPROVED))
    some = unsent.select_related("refund__transaction").order_by("pk")[:CHUNK]
    taken, held_up = _each(batch, list(some), lambda item: _withdraw_one(item, person, batch.stop_reason), until)
    if unsent.exists():
        _later(batch, held_up=held_up)
        return looked + taken
    with transaction.atomic():
        if RefundBatch.objects.mark_stopped(batch.pk):
            AuditEvent.objects.add(batch, "all_stopped", actor="refunds", state=State.STOPPED)
    return looked + taken


def _withdraw_one(item: RefundBatchItem, person: User, why: str) -> None:
    assert item.refund is not None, "asked for"
    withdraw(item.refund, person=person, why=why)


WORK = {State.ASKING: _ask, State.APPROVING: _approve, State.STOPPING: _stop}


def _each(
    batch: RefundBatch, items: list[RefundBatchItem], step: Callable[[RefundBatchItem], None], until: float
) -> tuple[int, bool]:
    """Take the step for each while there is time and the batch is as it was: nobody has stopped it.

    Returns how many were taken, and whether one was held up.
    """
    looked, held_up = 0, False
    for item in items:
        if time.monotonic() > until or not RefundBatch.objects.filter(pk=batch.pk, state=batch.state).exists():
            break
        looked += 1
        try:
            step(item)
        except DatabaseError:  # a lock that took too long: this one comes again, the others go on
            logger.exception("bulk_refund_held_up", batch=item.batch_id, order=item.order_id)
            held_up = True
    return looked, held_up


def _later(batch: RefundBatch, *, held_up: bool) -> None:
    RefundBatch.objects.go_on_at(batch, database_now() + (AGAIN if held_up else timedelta(0)))
