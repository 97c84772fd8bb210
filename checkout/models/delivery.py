"""To whom and where an order goes, and how far it has come: an axis of its own beside the order's money."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, personal, public


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def mark_sent(self, order_id: int, *, carrier: str) -> bool:
        """On its way. True for the one caller who did it: only what is paid and being prepared is sent."""
        moved = self.filter(pk=order_id, state=Delivery.State.PREPARING).update(
            state=Delivery.State.SENT, sent_at=Now(), carrier=carrier
        )
        return moved == 1

    def mark_delivered(self, order_id: int) -> bool:
        moved = self.filter(pk=order_id, state=Delivery.State.SENT).update(
            state=Delivery.State.DELIVERED, delivered_at=Now()
        )
        return moved == 1


class Delivery(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", _("waiting for payment")
        PREPARING = "preparing", _("being prepared")
        SENT = "sent", _("sent")
        DELIVERED = "delivered", _("delivered")

    order = internal(models.OneToOneField("payments.Order", models.PROTECT, primary_key=True, related_name="delivery"))
    buyer = internal(
        models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="deliveries")
    )
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    name = personal(SealedField(_("name")))
    mobile = personal(SealedField(_("mobile, digits only")))
    region = personal(SealedField(_("region")))
    address = personal(SealedField(_("address")))
    note = personal(SealedField(_("note"), null=True, blank=True))
    state = public(models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING))
    sent_at = public(models.DateTimeField(_("sent"), null=True, blank=True))
    delivered_at = public(models.DateTimeField(_("delivered"), null=True, blank=True))
    carrier = public(models.CharField(_("carrier and number"), max_length=80, blank=True, default=""))
    created_at = public(models.DateTimeField(_("created"), db_default=Now()))

    objects: ClassVar[DeliveryQuerySet] = DeliveryQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions = (("send_delivery", "Can send parcels"),)
        indexes = (models.Index(fields=["buyer", "-order"], name="delivery_by_buyer"),)

    def __str__(self) -> str:
        return str(self.order)
