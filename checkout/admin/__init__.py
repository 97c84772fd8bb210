"""Staff's pages of the shop: goods for whoever looks after them, parcels and questions for whoever serves buyers."""

from checkout.admin import deliveries, goods

__all__ = ["deliveries", "goods"]
