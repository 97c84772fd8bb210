"""What workers do for the shop."""

from celery import shared_task

from checkout.services.carts import tidy_carts


@shared_task
def tidy_old_carts() -> None:
    tidy_carts()
