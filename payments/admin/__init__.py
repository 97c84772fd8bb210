"""Staff's pages: they look, search and decide; no record of money is edited by a form."""

from payments.admin import books, money, orders, people, refunds, webhooks

__all__ = ["books", "money", "orders", "people", "refunds", "webhooks"]
