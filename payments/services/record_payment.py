"""Payments that Alipay knows nothing of: cash or a bank transfer that staff record, and orders with nothing to pay.

They settle an order through the same records as Alipay's money: a transaction, its transfer, the audit trail, the outbox.
"""

import secrets

from django.db import transaction

from payments.alipay.clock import BEIJING
from payments.errors import BooksDisagree, NotPayable
from payments.models import AuditEvent, Order, OutboxMessage, Transaction, Transfer
from payments.models.clock import database_now
from payments.models.ledger import Account
from payments.services import close

Scene = Transaction.Scene
INTO = {Scene.CASH: Account.CASH, Scene.BANK: Account.BANK}


def record_payment(order: Order, *, way: Scene, reference: str, actor: str) -> Transaction:
    """Make the order paid in full by money that reached the merchant beside Alipay.

    way        CASH, BANK, or FREE for an order of nothing
    reference  what proves it: the slip's or the transfer's number; kept with the transaction
    Attempts at Alipay are ended first, as for any change of method.
    Raises NotPayable (not awaiting payment, an attempt in doubt, or the way does not fit the amount).
    """
    if way not in Transaction.BY_HAND or (way == Scene.FREE) != (order.total_fen == 0):
        raise NotPayable("this way of payment does not fit the amount")
    for attempt in Transaction.objects.unsettled().filter(order=order, superseded=False).select_related("account"):
        if not close.retire(attempt, actor=actor):
            raise NotPayable("Alipay has not said yet what became of an attempt to pay")
    with transaction.atomic():
        return settle_by_hand(order, way=way, reference=reference, actor=actor)


def settle_by_hand(order: Order, *, way: Scene, reference: str, actor: str) -> Transaction:
    """The writing half, inside the caller's database transaction. Raises NotPayable."""
    order = Order.objects.locked(order.pk)
    if order.state != Order.State.AWAITING_PAYMENT:
        raise NotPayable(f"the order is {order.get_state_display()}")
    if Transaction.objects.unsettled().filter(order=order, superseded=False).exists():
        raise NotPayable("an attempt to pay was started meanwhile")
    now, evidence = database_now(), f"{way}:{reference}"[:80]
    paid = Transaction.objects.create(
        order=order, account_id=order.account_id, scene=way, app_id="", seller_id="", amount_fen=order.total_fen,
        out_trade_no=f"{now.astimezone(BEIJING):%Y%m%d}{secrets.token_hex(8).upper()}", receipt_fen=order.total_fen,
        state=Transaction.State.PAID, evidence=evidence, time_expire=now, presented_at=now, paid_at=now, settled_at=now,
        finished=True,
    )  # fmt: skip
    moved = Order.objects.filter(pk=order.pk, state=Order.State.AWAITING_PAYMENT, paid_by=None).update(
        state=Order.State.PAID, paid_by=paid, paid_at=now
    )
    if moved != 1:
        raise BooksDisagree(f"{order.number}: awaits payment and is paid by something")
    if way in INTO:
        Transfer.objects.create(
            transaction=paid, cause=Transfer.Cause.CAPTURE, debit=INTO[way], credit=Account.SALES,
            fen=order.total_fen, evidence=evidence,
        )  # fmt: skip
    AuditEvent.objects.add(paid, "recorded", actor=actor, state=paid.state, cause=evidence)
    AuditEvent.objects.add(order, "paid", actor=actor, state=Order.State.PAID, cause=evidence)
    OutboxMessage.objects.create(
        topic="order.paid", dedupe_key=f"paid:{paid.pk}", payload={"order_id": order.pk, "transaction_id": paid.pk}
    )
    return paid
