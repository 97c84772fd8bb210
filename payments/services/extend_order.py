"""The buyer needs more time (WCAG 2.2.1): the order is kept some minutes longer, with a code that lives as long."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction

from payments.errors import OrderRefused
from payments.models import AuditEvent, Order, Transaction
from payments.models.clock import database_now
from payments.services import ask
from payments.services.start_payment import Scene, start_payment

logger = structlog.get_logger(__name__)


def extend_order(order: Order, *, actor: str) -> bool:
    """Keep an unpaid order longer, near its end and at most so often as the settings say. True when it was.

    The trade at Alipay keeps the time it was made with, so an attempt nobody has opened is replaced by one that lives
    as long as the order. A scanned one is left alone: somebody is about to confirm it.
    """
    clocks, now = settings.PAYMENTS, database_now()
    with transaction.atomic(durable=True):
        order = Order.objects.locked(order.pk)
        if not Order.objects.extend(
            order.pk, by=timedelta(seconds=clocks["extension_s"]), near=timedelta(seconds=clocks["extension_offer_s"]),
            most=clocks["extensions"], now=now,
        ):  # fmt: skip
            return False
        AuditEvent.objects.add(order, "extended", actor=actor, state=order.state)
    order.refresh_from_db()
    for attempt in (
        Transaction.objects.unsettled().filter(order=order, superseded=False).select_related("account", "order")
    ):
        _renew(order, attempt, actor)
    return True


def _renew(order: Order, attempt: Transaction, actor: str) -> None:
    ask.ask_now(attempt, actor=actor)
    attempt.refresh_from_db()
    if attempt.scanned_at is not None or attempt.state not in Transaction.UNSETTLED:
        return
    if attempt.scene in Transaction.BY_ONE_BUYER:  # begun anew by him alone
        return
    try:
        start_payment(order, scene=Scene(attempt.scene), actor=actor, fresh=True)
    except OrderRefused as refusal:  # the page says that we don't know yet; more time is given all the same
        logger.info("attempt_refused", order=order.number, why=str(refusal))
