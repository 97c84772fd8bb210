"""What the shop sells, holds and sends; what is owed and paid are records of `payments`."""

from checkout.models.cart import Cart, CartLine
from checkout.models.catalogue import Category, Product, Variant
from checkout.models.delivery import Delivery
from checkout.models.stock import Stock, StockHold

__all__ = ["Cart", "CartLine", "Category", "Delivery", "Product", "Stock", "StockHold", "Variant"]
