"""What is owed. Which transaction pays it is `paid_by`; what the shop does with the goods is not our subject."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, personal, public, secret
from payments.models.checks import check
from payments.money import Money


class OrderQuerySet(models.QuerySet["Order"]):
    def locked(self, order_id: int | None) -> "Order":
        """The order's row, held until the transaction ends: the first lock every money use-case takes."""
        assert order_id is not None, "a stray payment has no order to lock"
        return self.select_for_update(no_key=True, of=("self",)).get(pk=order_id)

    def mark_closed(self, order_id: int, *, expired_before: datetime, now: datetime) -> bool:
        """End an unpaid order whose time and grace are over. True for the one caller who did it.

        No attempt can be added meanwhile: starting one needs an order that has time left.
        """
        moved = self.filter(
            pk=order_id, state=Order.State.AWAITING_PAYMENT, paid_by=None, expires_at__lte=expired_before
        ).update(state=Order.State.CLOSED, closed_at=now)
        return moved == 1

    def extend(self, order_id: int, *, by: timedelta, near: timedelta, most: int, now: datetime) -> bool:
        """Keep an unpaid order longer, when its end is near and not too often yet. True for the one press that did it."""
        moved = self.filter(
            pk=order_id, state=Order.State.AWAITING_PAYMENT, extensions__lt=most, expires_at__gt=now,
            expires_at__lte=now + near,
        ).update(expires_at=F("expires_at") + by, extensions=F("extensions") + 1)  # fmt: skip
        return moved == 1

    def mark_reopened(self, order_id: int) -> bool:
        """Closed no more, because its money came after all. In the caller's commit it becomes paid."""
        moved = self.filter(pk=order_id, state=Order.State.CLOSED, paid_by=None).update(
            state=Order.State.AWAITING_PAYMENT
        )
        return moved == 1

    def mark_paid_late(self, order_id: int, transaction_id: int, *, paid_at: datetime) -> bool:
        """Paid by money that is booked already. True for the one caller who did it."""
        moved = self.filter(pk=order_id, state=Order.State.AWAITING_PAYMENT, paid_by=None).update(
            state=Order.State.PAID, paid_by=transaction_id, paid_at=paid_at
        )
        return moved == 1


class Order(models.Model):
    class State(models.TextChoices):
        AWAITING_PAYMENT = "awaiting_payment", _("awaiting payment")
        PAID = "paid", _("paid")
        PARTLY_REFUNDED = "partly_refunded", _("partly refunded")
        REFUNDED = "refunded", _("refunded")
        CLOSED = "closed", _("closed")

    number = public(models.CharField(_("number"), max_length=32))
    token = secret(models.CharField(_("token"), max_length=64))
    # the program that placed it through the API, and that program's own name for it
    client = internal(models.ForeignKey("payments.ApiClient", models.PROTECT, null=True, blank=True, db_index=False))
    reference = internal(
        models.CharField(_("the other shop's number"), max_length=64, blank=True, db_default="", default="")
    )
    account = internal(models.ForeignKey("payments.MerchantAccount", models.PROTECT, db_index=False))
    title = public(models.CharField(_("what for"), max_length=256))
    goods_fen = public(models.BigIntegerField(_("goods (fen)")))
    shipping_fen = public(models.BigIntegerField(_("delivery (fen)"), default=0))
    discount_fen = public(models.BigIntegerField(_("discount (fen)"), default=0))
    total_fen = public(models.BigIntegerField(_("total (fen)")))
    # over amounts and lines as they were placed; payments.models.order.content_hash
    content_hash = internal(models.CharField(_("hash of what was ordered"), max_length=64, db_default="", default=""))
    state = public(models.CharField(_("state"), max_length=20, choices=State, default=State.AWAITING_PAYMENT))
    paid_by = internal(
        models.OneToOneField("payments.Transaction", models.PROTECT, null=True, blank=True, related_name="pays_order")
    )
    language = internal(models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    contact_email = personal(SealedField(_("e-mail for the receipt"), null=True, blank=True))
    extensions = internal(models.SmallIntegerField(_("extensions"), default=0))
    created_at = public(models.DateTimeField(_("placed"), db_default=Now()))
    expires_at = public(models.DateTimeField(_("kept until")))
    paid_at = public(models.DateTimeField(_("paid"), null=True, blank=True))
    closed_at = public(models.DateTimeField(_("closed"), null=True, blank=True))
    cancelled_at = public(models.DateTimeField(_("cancelled by the buyer"), null=True, blank=True))

    objects: ClassVar[OrderQuerySet] = OrderQuerySet.as_manager()  # type: ignore[assignment]  # a manager with these methods

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = (
            ("record_payment", "Can record cash and bank transfers"),
            ("charge_counter", "Can charge at the counter"),
            ("ask_alipay", "Can have Alipay asked"),
        )
        constraints = (
            models.UniqueConstraint(fields=["number"], name="order_number_once"),
            models.UniqueConstraint(fields=["token"], name="order_token_once"),
            check("order_amounts_not_negative", "least(goods_fen, shipping_fen, discount_fen, total_fen) >= 0"),
            check("order_total_is_the_sum", "total_fen = goods_fen + shipping_fen - discount_fen"),
            # awaiting and closed orders have no payment; paid, partly refunded and refunded ones have
            check("order_paid_by_a_transaction", "(paid_by_id IS NULL) = (left(state, 1) < 'd')"),
        )
        indexes = (
            models.Index(fields=["expires_at"], condition=Q(state="awaiting_payment"), name="order_awaiting_by_expiry"),
            models.Index(fields=["client", "-id"], condition=Q(client__isnull=False), name="order_by_client"),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Money:
        return Money(self.total_fen)

    @property
    def number_tail(self) -> str:
        return self.number[-4:]


class OrderLine(models.Model):
    """One line as it was when the order was placed; never changed afterwards."""

    order = internal(
        models.ForeignKey(Order, models.PROTECT, related_name="lines", db_index=False)
    )  # order_line_once has one
    position = public(models.PositiveSmallIntegerField(_("position")))
    title = public(models.CharField(_("title"), max_length=256))
    sku = public(models.CharField(_("article number"), max_length=40, blank=True, default=""))
    unit_price_fen = public(models.BigIntegerField(_("unit price (fen)")))
    quantity = public(models.PositiveIntegerField(_("quantity")))

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        constraints = (
            models.UniqueConstraint(fields=["order", "position"], name="order_line_once"),
            models.CheckConstraint(
                condition=Q(unit_price_fen__gte=0) & Q(quantity__gt=0), name="order_line_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.title}"

    @property
    def total(self) -> Money:
        return Money(self.unit_price_fen * self.quantity)


def content_hash(order: Order, lines: Sequence[OrderLine]) -> str:
    """SHA-256 over amounts and lines. The database computes the same again from its rows (I-02), so keep both in step."""
    content = [
        order.goods_fen, order.shipping_fen, order.discount_fen, order.total_fen,
        [[line.position, line.title, line.sku, line.unit_price_fen, line.quantity] for line in lines],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
