"""The buyer gives an unpaid order up."""

from django.db import transaction

from payments.errors import NotPayable
from payments.models import AuditEvent, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.services import close


def cancel_order(order: Order, *, actor: str) -> Order:
    """End an unpaid order now, at Alipay first. Its goods go back at once; money that still comes is late money.

    Cancelling a cancelled order changes nothing. Raises NotPayable when it is paid, or while Alipay gives no certain
    answer about an attempt.
    """
    for attempt in Transaction.objects.unsettled().filter(order=order, superseded=False).select_related("account"):
        if not close.retire(attempt, actor=actor):
            raise NotPayable("Alipay has not said yet what became of an attempt to pay")
    with transaction.atomic(durable=True):
        order = Order.objects.locked(order.pk)
        if order.state == Order.State.CLOSED:
            return order
        if order.state != Order.State.AWAITING_PAYMENT:
            raise NotPayable(f"the order is {order.get_state_display()}")
        if Transaction.objects.unsettled().filter(order=order, superseded=False).exists():
            raise NotPayable("an attempt to pay was started meanwhile")
        now = database_now()
        order.state, order.closed_at, order.cancelled_at = Order.State.CLOSED, now, now
        order.expires_at = min(order.expires_at, now)
        order.save(update_fields=["state", "closed_at", "cancelled_at", "expires_at"])
        AuditEvent.objects.add(order, "cancelled", actor=actor, state=order.state)
        OutboxMessage.objects.create(
            topic="order.closed", dedupe_key=f"order.closed:{order.pk}", payload={"order_id": order.pk}
        )
    return order
