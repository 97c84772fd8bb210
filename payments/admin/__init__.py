"""Staff's pages: they look, search and decide; no record of money is edited by a form."""

from payments.admin import api_keys, batches, bills, books, cases, frame, money, orders, people, refunds, webhooks

__all__ = [
    "api_keys",
    "batches",
    "bills",
    "books",
    "cases",
    "frame",
    "money",
    "orders",
    "people",
    "refunds",
    "webhooks",
]
