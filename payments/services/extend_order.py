"""The buyer asks for more time."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from payments.models import AuditEvent, Order
from payments.models.clock import database_now


def extend_order(order: Order, *, actor: str) -> bool:
    """Keep an unpaid order longer, as often as the settings allow. False when it can't be kept any longer."""
    clocks = settings.PAYMENTS
    with transaction.atomic(durable=True):
        extendable = Order.objects.filter(
            pk=order.pk, state=Order.State.AWAITING_PAYMENT, extensions__lt=clocks["extensions"],
            expires_at__gt=database_now(),
        )  # fmt: skip
        longer = timedelta(seconds=clocks["extension_s"])
        moved = extendable.update(extensions=F("extensions") + 1, expires_at=F("expires_at") + longer)
        if moved:
            AuditEvent.objects.add(order, "extended", actor=actor)
    return moved == 1
