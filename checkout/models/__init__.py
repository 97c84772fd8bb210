"""What the shop sells, holds and sends; what is owed and paid are records of `payments`."""

from checkout.models.cart import Cart, CartLine
from checkout.models.catalogue import Category, Product, Variant
from checkout.models.delivery import Delivery
from checkout.models.question import Question
from checkout.models.stock import Stock, StockHold
from checkout.models.stock_alert import StockAlert

__all__ = [
    "Cart", "CartLine", "Category", "Delivery", "Product", "Question", "Stock", "StockAlert", "StockHold", "Variant",
]  # fmt: skip
