"""The parcel of a paid order leaves, and arrives."""

from django.db import transaction

from checkout.errors import MoneyGoesBack
from checkout.models import Delivery
from payments.models import AuditEvent, Order, OutboxMessage

State = Delivery.State


def send_delivery(order_id: int, *, carrier: str, actor: str) -> bool:
    """The parcel is on its way, and the buyer gets a mail. False unless it was being prepared: paid, and not sent yet.

    carrier  who brings it and under which number, as the buyer reads it; may be empty

    Raises MoneyGoesBack: decided under the order's lock, which every refund takes first.
    """
    with transaction.atomic():
        order = Order.objects.locked(order_id)
        if goes_back(order):
            raise MoneyGoesBack(order.number)
        if not Delivery.objects.mark_sent(order_id, carrier=carrier):
            return False
        AuditEvent.objects.add(order, "sent", actor=actor, cause=carrier[:100])
        OutboxMessage.objects.create(
            topic="order.sent", dedupe_key=f"order.sent:{order_id}", payload={"order_id": order_id}
        )
    return True


def goes_back(order: Order) -> bool:
    """Whether all that was paid is back, on its way back, or asked for."""
    paid = order.paid_by
    return paid is not None and 0 < paid.amount_fen <= paid.refunded_fen + paid.reserved_fen


def confirm_arrival(order_id: int, *, actor: str) -> bool:
    """The parcel has arrived. False unless it was on its way."""
    with transaction.atomic():
        order = Order.objects.locked(order_id)
        if not Delivery.objects.mark_delivered(order_id):
            return False
        AuditEvent.objects.add(order, "delivered", actor=actor)
    return True
