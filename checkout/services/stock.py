"""Goods of an order: held when it is placed, taken when it is paid, released when it is over. Each once.

Locks: the order's row first, then stock by variant id, as everywhere money is at stake.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from checkout.errors import GoodsGone
from checkout.models import Delivery, Stock, StockHold, Variant
from payments.models import Case, Order

State = StockHold.State


def hold(order: Order, wanted: Sequence[tuple[int, int]]) -> None:
    """Set pieces aside for a new order, inside the caller's transaction: all of them or, raising GoodsGone, none.

    wanted  (variant id, pieces) pairs
    """
    gone = [variant for variant, pieces in sorted(wanted) if not Stock.objects.hold(variant, pieces)]
    if gone:
        raise GoodsGone(gone)
    StockHold.objects.bulk_create(StockHold(order=order, variant_id=at, quantity=pieces) for at, pieces in wanted)


def release(message: dict[str, Any]) -> None:
    """For "order.closed": what was held goes back on the shelf. A repeated message changes nothing."""
    with transaction.atomic():
        order = Order.objects.locked(message["order_id"])
        if order.state == Order.State.CLOSED:
            _end(order, State.RELEASED)


def take(message: dict[str, Any]) -> None:
    """For "order.paid": the held goods are sold, and the parcel may be packed. A repeated message changes nothing.

    Goods that went back to the shelf before the money came are taken again; where they are gone, a person decides.
    """
    with transaction.atomic():
        order = Order.objects.locked(message["order_id"])
        if order.state == Order.State.CLOSED:
            return
        missing = not _take_again(order)
        _end(order, State.TAKEN)
        Delivery.objects.filter(order=order, state=Delivery.State.WAITING).update(state=Delivery.State.PREPARING)
        if missing:
            Case.objects.open_once(
                Case.Kind.GOODS_GONE, f"order:{order.pk}", evidence=f"order:{order.pk}", amount_fen=order.total_fen,
                number=order.number,
            )  # fmt: skip


def retake(order_id: int) -> bool:
    """Whether a closed order's goods are still to be had at its prices, and held for it again: late money is honoured then.

    Inside the caller's transaction, which holds the order's row. An order that its buyer cancelled is not opened again.
    """
    order = Order.objects.get(pk=order_id)
    return order.cancelled_at is None and _costs_the_same(order) and _take_again(order)


def _costs_the_same(order: Order) -> bool:
    """Whether everything of the order is for sale at the price it was ordered at."""
    ordered = {line.sku: line.unit_price_fen for line in order.lines.all() if line.sku}
    sold = Variant.objects.filter(sku__in=ordered, is_listed=True, product__is_listed=True)
    return dict(sold.values_list("sku", "price_fen")) == ordered


def _take_again(order: Order) -> bool:
    """Hold released pieces once more; all of them or none. True when nothing is missing."""
    released = list(order.holds.filter(state=State.RELEASED).order_by("variant_id"))
    try:
        with transaction.atomic():
            gone = [each.variant_id for each in released if not Stock.objects.hold(each.variant_id, each.quantity)]
            if gone:
                raise GoodsGone(gone)
            for each in released:
                StockHold.objects.end(each, seen=State.RELEASED, to=State.HELD)
    except GoodsGone:
        return False
    return True


def _end(order: Order, to: StockHold.State) -> None:
    move = Stock.objects.take if to == State.TAKEN else Stock.objects.release
    for each in order.holds.filter(state=State.HELD).order_by("variant_id"):
        if StockHold.objects.end(each, seen=State.HELD, to=to):
            move(each.variant_id, each.quantity)
