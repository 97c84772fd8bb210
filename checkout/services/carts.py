"""Fill, change and merge carts. Quantities are bounded here and by the database; prices are never taken from a client."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from checkout.errors import CartFull
from checkout.models import Cart, CartLine, Variant
from checkout.models.cart import MOST_LINES, MOST_OF_ONE
from payments.models import Order, User

DRAFT_KEPT = timedelta(days=7)
CART_KEPT = timedelta(days=90)


def find_cart(token: str | None, user: User | None) -> Cart | None:
    """The shopper's cart: by account when signed in, else by the browser's token. None where there is none yet."""
    if user is not None:
        return Cart.objects.select_related("order").filter(owner=user).first()
    return Cart.objects.select_related("order").filter(token=token, owner=None).first() if token else None


def new_cart(user: User | None) -> Cart:
    """An empty cart; for an account the one it has, if another tab was faster."""
    if user is None:
        return Cart.objects.create()
    try:
        with transaction.atomic():
            return Cart.objects.create(owner=user)
    except IntegrityError:
        return Cart.objects.get(owner=user)


def lock(cart: Cart) -> None:
    """Nobody else changes it until the commit."""
    Cart.objects.select_for_update().get(pk=cart.pk)


def add(cart: Cart, variant: Variant, quantity: int) -> int:
    """Put pieces into the cart; returns how many of the variant are in it now, at most 99.

    Raises CartFull when one more line would be too many.
    """
    with transaction.atomic():
        lock(cart)
        line = CartLine.objects.filter(cart=cart, variant=variant).first()
        if line is None and CartLine.objects.filter(cart=cart).count() >= MOST_LINES:
            raise CartFull
        line = line or CartLine(cart=cart, variant=variant, quantity=0)
        line.quantity = min(line.quantity + quantity, MOST_OF_ONE)
        line.seen_fen = variant.price_fen
        line.save()
        _touched(cart)
    return line.quantity


def put(cart: Cart, variant: Variant, quantity: int) -> None:
    """So many pieces of one variant, whatever was in the cart before. Raises CartFull."""
    with transaction.atomic():
        lock(cart)
        if quantity and not CartLine.objects.filter(cart=cart, variant=variant).exists():
            add(cart, variant, quantity)
        else:
            set_quantity(cart, variant.pk, quantity)


def set_quantity(cart: Cart, variant_id: int, quantity: int) -> None:
    """Change one line; 0 removes it. A line that another tab removed stays removed."""
    lines = CartLine.objects.filter(cart=cart, variant_id=variant_id)
    if quantity:
        lines.update(quantity=min(quantity, MOST_OF_ONE))
    else:
        lines.delete()
    _touched(cart)


def accept_changes(cart: Cart) -> None:
    """The shopper has seen today's prices and stock: remember the prices, take what is left, drop what is gone."""
    with transaction.atomic():
        for line in (
            CartLine.objects.select_for_update(of=("self",)).filter(cart=cart).select_related("variant__product")
        ):
            variant = line.variant
            stock = getattr(variant, "stock", None)
            free = stock.free if stock and variant.is_listed and variant.product.is_listed else 0
            if not free:
                line.delete()
            else:
                line.quantity, line.seen_fen = min(line.quantity, free), variant.price_fen
                line.save(update_fields=["quantity", "seen_fen"])
        _touched(cart)


def merge(guest: Cart | None, user: User) -> Cart:
    """At sign-in the browser's cart joins the account's; the account's cart says how many pieces it had before."""
    with transaction.atomic():
        if guest is None or guest.owner_id is not None:
            return find_cart(None, user) or new_cart(user)
        own = Cart.objects.select_for_update().filter(owner=user).first()
        if own is None:
            Cart.objects.filter(pk=guest.pk, owner=None).update(owner=user)
            guest.refresh_from_db()
            return guest
        earlier = sum(CartLine.objects.filter(cart=own).values_list("quantity", flat=True))
        for line in CartLine.objects.filter(cart=guest).select_related("variant"):
            add(own, line.variant, line.quantity)
        if own.order_id is None:
            own.order_id, guest.order_id = guest.order_id, None
            guest.save(update_fields=["order"])
        own.draft, own.merged = guest.draft or own.draft, min(earlier, 9_999)
        own.save(update_fields=["order", "draft", "merged"])
        guest.delete()
        return own


def empty_after_payment(message: dict[str, int]) -> None:
    """For "order.paid": what was bought leaves the cart it came from; what was added since stays."""
    with transaction.atomic():
        cart = Cart.objects.select_for_update(of=("self",)).filter(order_id=message["order_id"]).first()
        if cart is None:
            return
        bought = {line.sku: line.quantity for line in Order.objects.get(pk=message["order_id"]).lines.all()}
        for line in CartLine.objects.filter(cart=cart, variant__sku__in=bought).select_related("variant"):
            rest = line.quantity - bought[line.variant.sku]
            if rest > 0:
                CartLine.objects.filter(pk=line.pk).update(quantity=rest)
            else:
                line.delete()
        Cart.objects.filter(pk=cart.pk).update(order=None)


def keep_after_closing(message: dict[str, int]) -> None:
    """For "order.closed": the cart may be ordered again."""
    Cart.objects.filter(order_id=message["order_id"]).update(order=None)


def tidy_carts() -> int:
    """Forget drafts after 7 days and guests' carts after 90; returns how many rows changed."""
    now = timezone.now()
    drafts = Cart.objects.filter(draft__isnull=False, changed_at__lt=now - DRAFT_KEPT).update(draft=None)
    old = Cart.objects.filter(owner=None, order=None, changed_at__lt=now - CART_KEPT)
    return drafts + old.delete()[0]


def _touched(cart: Cart) -> None:
    Cart.objects.filter(pk=cart.pk).update(changed_at=Now())
