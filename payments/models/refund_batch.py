"""Many refunds for one reason, such as a recalled product: what was planned, who confirmed it, and how far it is.

A batch moves no money. Each of its items is asked for through the one door of staff's refunds, and moves in the commit that
asks, so that no order is asked for twice however often the work is begun. See docs/states.md.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal
from payments.models.checks import check
from payments.models.refund import Refund
from payments.money import Money


class RefundBatchQuerySet(models.QuerySet["RefundBatch"]):
    def claim_due(self, *, now: datetime, lease: timedelta) -> "RefundBatch | None":
        """Take the batch that has waited longest; after `lease` another may go on with it. None where none is due."""
        due = self.filter(due_at__lte=now).order_by("due_at").select_related(*RefundBatch.PEOPLE).first()
        if due is None or not self.filter(pk=due.pk, due_at=due.due_at).update(due_at=now + lease):
            return None
        return due

    def go_on_at(self, batch: "RefundBatch", when: datetime) -> None:
        self.filter(pk=batch.pk, state=batch.state).update(due_at=when)

    def mark_confirmed(self, batch_id: int, *, now: datetime) -> bool:
        """True for the one press that did it: another of the same batch moves nothing."""
        moved = self.filter(pk=batch_id, state=RefundBatch.State.DRAFT).update(
            state=RefundBatch.State.ASKING, confirmed_at=now, due_at=now
        )
        return moved == 1

    def mark_asked(self, batch_id: int) -> bool:
        """Every item has been asked for or refused; or its approver may no longer approve, so that another must."""
        moved = self.filter(pk=batch_id, state__in=(RefundBatch.State.ASKING, RefundBatch.State.APPROVING)).update(
            state=RefundBatch.State.ASKED, approved_by=None, approved_at=None, due_at=None
        )
        return moved == 1

    def mark_approving(self, batch_id: int, *, approver_id: int, now: datetime) -> bool:
        """A second person lets all go that waits. False for who asked, and when it is not waiting."""
        moved = (
            self.filter(pk=batch_id, state=RefundBatch.State.ASKED)
            .exclude(requested_by=approver_id)
            .update(state=RefundBatch.State.APPROVING, approved_by=approver_id, approved_at=now, due_at=now)
        )
        return moved == 1

    def mark_approved(self, batch_id: int) -> bool:
        moved = self.filter(pk=batch_id, state=RefundBatch.State.APPROVING).update(
            state=RefundBatch.State.APPROVED, due_at=None
        )
        return moved == 1

    def mark_stopping(self, batch_id: int, *, person_id: int, why: str, now: datetime) -> bool:
        """Nothing more of it leaves from here on. False for one that was never confirmed, or is stopped already."""
        moved = self.filter(pk=batch_id, state__in=RefundBatch.UNDER_WAY).update(
            state=RefundBatch.State.STOPPING, stopped_by=person_id, stopped_at=now, stop_reason=why, due_at=now
        )
        return moved == 1

    def mark_stopped(self, batch_id: int) -> bool:
        moved = self.filter(pk=batch_id, state=RefundBatch.State.STOPPING).update(
            state=RefundBatch.State.STOPPED, due_at=None
        )
        return moved == 1


class RefundBatch(models.Model):
    class State(models.TextChoices):
        DRAFT = "draft", _("not confirmed")
        ASKING = "asking", _("asking")
        ASKED = "asked", _("asked for")
        APPROVING = "approving", _("approving")
        APPROVED = "approved", _("approved as a whole")
        STOPPING = "stopping", _("stopping")
        STOPPED = "stopped", _("stopped")

    class Scope(models.TextChoices):
        WHOLE = "whole", _("all that is left of each order")
        GOODS = "goods", _("only the lines of these goods")

    AT_WORK = (State.ASKING, State.APPROVING, State.STOPPING)
    PEOPLE = ("requested_by", "approved_by", "stopped_by")
    UNDER_WAY = (State.ASKING, State.ASKED, State.APPROVING, State.APPROVED)

    requested_by = internal(
        models.ForeignKey(
            settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False, verbose_name=_("requested by")
        )
    )
    approved_by = internal(
        models.ForeignKey(
            settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", db_index=False,
            verbose_name=_("approved by"),
        )
    )  # fmt: skip
    state = internal(models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT))
    stopped_by = internal(
        models.ForeignKey(
            settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", db_index=False,
            verbose_name=_("stopped by"),
        )
    )  # fmt: skip
    scope = internal(models.CharField(_("how much"), max_length=8, choices=Scope))
    reason_code = internal(models.CharField(_("kind of reason"), max_length=16, choices=Refund.Reason))
    note = internal(models.CharField(_("note"), max_length=200, blank=True, default=""))
    skus = internal(models.JSONField(_("article numbers"), default=list, blank=True))
    paid_from = internal(models.DateField(_("paid from"), null=True, blank=True))
    paid_until = internal(models.DateField(_("paid until"), null=True, blank=True))
    orders = internal(models.IntegerField(_("orders")))
    total_fen = internal(models.BigIntegerField(_("total (fen)")))
    created_at = internal(models.DateTimeField(_("planned"), db_default=Now()))
    confirmed_at = internal(models.DateTimeField(_("confirmed"), null=True, blank=True))
    approved_at = internal(models.DateTimeField(_("approved"), null=True, blank=True))
    due_at = internal(models.DateTimeField(_("goes on"), null=True, blank=True))
    stopped_at = internal(models.DateTimeField(_("stopped"), null=True, blank=True))
    stop_reason = internal(
        models.CharField(_("why it was stopped"), max_length=200, blank=True, db_default="", default="")
    )

    objects: ClassVar[RefundBatchQuerySet] = RefundBatchQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("bulk refund")
        verbose_name_plural = _("bulk refunds")
        permissions = (("request_bulk_refund", "Can ask for refunds of many orders at once"),)
        constraints = (
            check("refund_batch_approved_by_another", "approved_by_id <> requested_by_id"),
            check("refund_batch_confirmed_once", "(confirmed_at IS NULL) = (state = 'draft')"),
            check(
                "refund_batch_approved_by_one",
                "state IN ('stopping', 'stopped') OR (approved_by_id IS NULL) = (state NOT IN ('approving', 'approved'))",
            ),
            check("refund_batch_due_at_work", "(due_at IS NULL) = (state NOT IN ('asking', 'approving', 'stopping'))"),
            check(
                "refund_batch_stopped_by_one_with_a_reason",
                "num_nulls(stopped_by_id, stopped_at, nullif(stop_reason, ''))"
                " = CASE WHEN state IN ('stopping', 'stopped') THEN 0 ELSE 3 END",
            ),
            check("refund_batch_of_something", "orders >= 0 AND total_fen >= orders"),
        )
        indexes = (models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="refund_batch_due"),)

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def total(self) -> Money:
        return Money(self.total_fen)


class RefundBatchItemQuerySet(models.QuerySet["RefundBatchItem"]):
    def mark_asked(self, item_id: int, refund: Refund) -> bool:
        """In the commit that asked. False, and the caller undoes its request, when another has done it."""
        planned = self.filter(pk=item_id, state=RefundBatchItem.State.PLANNED)
        return planned.update(state=RefundBatchItem.State.ASKED, refund=refund) == 1

    def mark_refused(self, item_id: int, why: "RefundBatchItem.Why") -> bool:
        planned = self.filter(pk=item_id, state=RefundBatchItem.State.PLANNED)
        return planned.update(state=RefundBatchItem.State.REFUSED, why=why) == 1

    def mark_stopped(self, batch: RefundBatch) -> int:
        """None of those that are still planned will be asked for. Returns how many they were."""
        planned = self.filter(batch=batch, state=RefundBatchItem.State.PLANNED)
        return planned.update(state=RefundBatchItem.State.REFUSED, why=RefundBatchItem.Why.STOPPED)


class RefundBatchItem(models.Model):
    """What a batch wants of one order, as it stood when the batch was planned; then what came of it."""

    class State(models.TextChoices):
        PLANNED = "planned", _("to be refunded")
        LEFT_OUT = "left_out", _("left out")
        ASKED = "asked", _("asked for")
        REFUSED = "refused", _("refused")

    class Why(models.TextChoices):
        NOT_PAID = "not_paid", _("nothing was paid")
        OVER = "over", _("Alipay takes no more refunds of it")
        ON_ITS_WAY = "on_its_way", _("what is left is on its way back or waits for a decision")
        ALL_BACK = "all_back", _("all of it went back already")
        GOODS_BACK = "goods_back", _("these goods went back already, or are on their way")
        OTHER_GOODS = "other_goods", _("none of these goods in it")
        MOVED = "moved", _("somebody refunded meanwhile")
        NOT_ALLOWED = "not_allowed", _("who confirmed may no longer ask for refunds")
        REFUSED = "refused", _("no longer refundable")
        STOPPED = "stopped", _("the bulk refund was stopped before")

    batch = internal(models.ForeignKey(RefundBatch, models.PROTECT, related_name="items", db_index=False))
    order = internal(models.ForeignKey("payments.Order", models.PROTECT, related_name="+"))
    state = internal(models.CharField(_("state"), max_length=8, choices=State, default=State.PLANNED))
    why = internal(models.CharField(_("why not"), max_length=12, choices=Why, blank=True, default=""))
    amount_fen = internal(models.BigIntegerField(_("amount (fen)")))
    seen_fen = internal(models.BigIntegerField(_("was refundable (fen)")))
    lines = internal(models.JSONField(_("by line (fen)"), default=dict, blank=True))
    refund = internal(models.OneToOneField(Refund, models.PROTECT, null=True, blank=True, related_name="batch_item"))

    objects: ClassVar[RefundBatchItemQuerySet] = RefundBatchItemQuerySet.as_manager()  # type: ignore[assignment]  # with these

    class Meta:
        verbose_name = _("order of a bulk refund")
        verbose_name_plural = _("orders of a bulk refund")
        constraints = (
            models.UniqueConstraint(fields=["batch", "order"], name="order_once_per_refund_batch"),
            check("refund_batch_item_asked_has_its_refund", "(refund_id IS NULL) = (state <> 'asked')"),
            check("refund_batch_item_says_why_not", "(why = '') = (state IN ('planned', 'asked'))"),
            check("refund_batch_item_within_what_was_left", "amount_fen BETWEEN 0 AND seen_fen"),
            check("refund_batch_item_wants_something", "(amount_fen > 0) = (state <> 'left_out')"),
        )

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.order_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_fen)
