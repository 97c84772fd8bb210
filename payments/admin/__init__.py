"""Staff's pages: for now they look and search; nothing about money can be changed by a form."""

from payments.admin import money, people

__all__ = ["money", "people"]
