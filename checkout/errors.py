"""Why the shop says no. Nothing has happened then; the page says what to do next.

CheckoutError
├── CartEmpty       nothing to order
├── CartFull        more lines than a cart takes
├── DetailsMissing  contact or address are not given yet
├── OrderExists     an unpaid order was made of this cart already
├── PricesMoved     the total is not the one that was shown
├── GoodsGone       some goods are sold out or withdrawn
├── TooManyUnpaid   the program's unpaid orders hold as many goods as they may
└── MoneyGoesBack   a parcel is not sent: all of its money is back, or a refund of it is asked for
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments.models import Order


class CheckoutError(Exception): ...


class CartEmpty(CheckoutError): ...


class CartFull(CheckoutError): ...


class DetailsMissing(CheckoutError): ...


class PricesMoved(CheckoutError): ...


class OrderExists(CheckoutError):
    def __init__(self, order: "Order") -> None:
        super().__init__(order.number)
        self.order = order


class TooManyUnpaid(CheckoutError): ...


class MoneyGoesBack(CheckoutError): ...


class GoodsGone(CheckoutError):
    """`variant_ids`: those of which fewer are free than wanted."""

    def __init__(self, variant_ids: list[int]) -> None:
        super().__init__(f"variants {variant_ids}")
        self.variant_ids = variant_ids
