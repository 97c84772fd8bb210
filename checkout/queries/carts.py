"""What a cart holds now: today's prices and stock beside what the shopper saw last."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from checkout.models import Cart, CartLine, Variant
from payments.money import Money


@dataclass(frozen=True, slots=True)
class Item:
    """One line as it stands now. `free` counts pieces that may be sold; 0 where the variant is withdrawn."""

    line: CartLine
    variant: Variant
    quantity: int
    price: Money
    free: int

    @property
    def total(self) -> Money:
        return Money(self.price.fen * self.quantity)

    @property
    def was(self) -> Money | None:
        """The price the shopper saw before, where it has moved."""
        return Money(self.line.seen_fen) if self.line.seen_fen != self.price.fen else None

    @property
    def gone(self) -> bool:
        return self.free == 0

    @property
    def short(self) -> bool:
        """Fewer are left than wanted."""
        return 0 < self.free < self.quantity


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole cart with its sums. `own` are variants whose pieces the cart's own unpaid order holds."""

    items: tuple[Item, ...]

    @property
    def pieces(self) -> int:
        return sum(item.quantity for item in self.items)

    @property
    def goods(self) -> Money:
        return Money(sum(item.total.fen for item in self.items))

    @property
    def delivery(self) -> Money:
        return delivery_cost(self.goods)

    @property
    def total(self) -> Money:
        return Money(self.goods.fen + self.delivery.fen)

    @property
    def problems(self) -> tuple[Item, ...]:
        """Lines that can't be ordered as they are."""
        return tuple(item for item in self.items if item.gone or item.short)

    @property
    def moved(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.was is not None)


def delivery_cost(goods: Money) -> Money:
    """What sending goods of this worth costs the buyer; free from a threshold where the shop sets one."""
    free_from = settings.SHOP_DELIVERY_FREE_FROM_FEN
    return Money(0) if not goods.fen or (free_from and goods.fen >= free_from) else Money(settings.SHOP_DELIVERY_FEN)


def contents(cart: Cart | None) -> Contents:
    """The cart's lines in the order they were added: one query, however many lines."""
    if cart is None:
        return Contents(())
    lines = (
        CartLine.objects.filter(cart=cart)
        .select_related("variant__product", "variant__stock")
        .order_by("added_at", "pk")
    )
    return Contents(tuple(_items(lines)))


def _items(lines: Iterable[CartLine]) -> Iterable[Item]:
    for line in lines:
        variant = line.variant
        stock = getattr(variant, "stock", None)
        sold = variant.is_listed and variant.product.is_listed and stock is not None
        yield Item(line, variant, line.quantity, variant.price, stock.free if sold and stock else 0)
