"""From a cart to an order: prices looked up, goods held, address kept, all in one commit."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from checkout.errors import CartEmpty, DetailsMissing, GoodsGone, OrderExists, PricesMoved, TooManyUnpaid
from checkout.models import Cart, Delivery, StockHold
from checkout.models.catalogue import in_language
from checkout.queries.carts import Contents, contents
from checkout.services import stock
from payments.models import ApiClient, IdempotencyRecord, Order, OutboxMessage, User
from payments.models.clock import database_now
from payments.money import Money
from payments.services.place_order import Line, place_order

REMIND_AFTER = timedelta(minutes=10)  # so long a buyer may take before we write "not paid yet"


def place_purchase(
    cart: Cart, *, key: str, seen_total: Money, language: str, user: User | None, client_id: int | None = None
) -> Order:
    """Make the order that this cart's shopper has confirmed. The same key gives the same order, however often it comes.

    seen_total  what the page said; another total now is never charged
    client_id   the program that orders it for its buyer
    Raises CartEmpty, DetailsMissing, OrderExists (unpaid, of this cart, another key), PricesMoved, GoodsGone,
    TooManyUnpaid (of that program); OrderRefused where the sum is more than Alipay takes.
    """
    caller = f"cart:{cart.pk}"
    earlier = _earlier(caller, key)
    if earlier is not None:
        return earlier
    with transaction.atomic():
        cart = Cart.objects.select_for_update(of=("self",)).select_related("order").get(pk=cart.pk)
        earlier = _earlier(caller, key)  # a parallel request may have made it while we waited for the cart
        if earlier is not None:
            return earlier
        if cart.order is not None and cart.order.state == Order.State.AWAITING_PAYMENT:
            raise OrderExists(cart.order)
        details = draft(cart)
        now_in_it = contents(cart)
        _check(now_in_it, details, seen_total)
        if client_id is not None:
            _see_that_it_holds_few(client_id)
        order = place_order(
            lines=[
                Line(title=item.variant.title, unit_price=item.price, quantity=item.quantity, sku=item.variant.sku)
                for item in now_in_it.items
            ],
            title=_title(now_in_it), language=language, caller=caller, key=key, now=database_now(),
            shipping=now_in_it.delivery, contact_email=details.get("email", ""), client_id=client_id,
        )  # fmt: skip
        stock.hold(order, [(item.variant.pk, item.quantity) for item in now_in_it.items])
        Delivery.objects.create(
            order=order, buyer=user, name=details["name"], mobile=details["mobile"], region=details["region"],
            address=details["address"], note=details.get("note") or None,
        )  # fmt: skip
        Cart.objects.filter(pk=cart.pk).update(order=order)
        OutboxMessage.objects.create(
            topic="order.placed", dedupe_key=f"order.placed:{order.pk}", payload={"order_id": order.pk},
            due_at=order.created_at + REMIND_AFTER,
        )  # fmt: skip
    return order


def remind_now(message: dict[str, Any]) -> None:
    """For "attempt.refused": the mail with the way back goes at once instead of after ten minutes; still once."""
    OutboxMessage.objects.filter(dedupe_key=f"order.placed:{message['order_id']}", delivered_at=None).update(
        due_at=Now()
    )


def draft(cart: Cart) -> dict[str, str]:
    """Contact and delivery as typed so far; empty before the first page was filled in."""
    kept: dict[str, str] = json.loads(cart.draft) if cart.draft else {}
    return kept


def keep_draft(cart: Cart, values: dict[str, Any]) -> None:
    """Remember what was typed, sealed; it lives 7 days."""
    cart.draft = json.dumps(values, ensure_ascii=False)
    cart.save(update_fields=["draft"])


def _earlier(caller: str, key: str) -> Order | None:
    made = IdempotencyRecord.objects.filter(caller=caller, key=key).first()
    return Order.objects.get(pk=made.answer["order_id"]) if made and made.answer else None


def _check(wanted: Contents, details: dict[str, str], seen_total: Money) -> None:
    if not wanted.items:
        raise CartEmpty
    if not details.get("mobile"):
        raise DetailsMissing
    if wanted.problems:
        raise GoodsGone([item.variant.pk for item in wanted.problems])
    if wanted.total != seen_total:
        raise PricesMoved


def _see_that_it_holds_few(client_id: int) -> None:
    """Behind one program stand any number of buyers, so no limit by address or account bounds what they hold unpaid."""
    ApiClient.objects.select_for_update(no_key=True).get(pk=client_id)  # its orders are counted one after another
    held = StockHold.objects.filter(
        state=StockHold.State.HELD, order__client_id=client_id, order__state=Order.State.AWAITING_PAYMENT
    )
    if held.values("order").distinct().count() >= settings.API_MOST_HELD:
        raise TooManyUnpaid


def _title(wanted: Contents) -> str:
    """What Alipay and the paying page say it is for: goods named as far as a line holds them."""
    names = [item.variant.title for item in wanted.items]
    shown, rest = names[:2], len(names) - 2
    return in_language("，", ", ").join(shown) + (f" +{rest}" if rest > 0 else "")
