"""What workers do for the shop."""

from celery import shared_task

from checkout.services import stock_alerts
from checkout.services.carts import tidy_carts


@shared_task
def tidy_old_carts() -> None:
    """Forget what lay too long: drafts, guests' carts, wishes to be told."""
    tidy_carts()
    stock_alerts.forget_old()


@shared_task
def tell_who_waits() -> None:
    """Write to shoppers whose goods are back."""
    stock_alerts.tell(limit=500)
