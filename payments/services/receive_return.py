"""The buyer's browser comes back from Alipay. It proves nothing about money: it only makes us ask."""

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings

from payments import gateway
from payments.alipay.notices import Notice, read_form, verified
from payments.errors import BadSignature, MalformedNotice, NoAnswer
from payments.models import InboundMessage, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.services import ask

logger = structlog.get_logger(__name__)


def receive_return(order: Order, query: bytes) -> None:
    """Have Alipay asked about this order's attempts soon, and keep a genuine return once.

    query  the raw query string; nothing in it decides anything
    """
    now = database_now()
    lately = now - timedelta(seconds=settings.PAYMENTS["ask_again_s"])
    for attempt in Transaction.objects.unsettled().filter(order=order):
        if attempt.asked_at is None or attempt.asked_at < lately:
            Transaction.objects.want_check(attempt.pk, since=now, ask_at=now)
    try:
        notice = read_form(query)
        merchant = gateway.merchants().get(notice.get("app_id"))
        verified(notice, merchant.who.keys_for(notice.get("alipay_cert_sn")) if merchant else ())
    except (BadSignature, MalformedNotice) as refusal:
        logger.info("return_not_genuine", order=order.number, why=type(refusal).__name__)
        return
    InboundMessage.objects.get_or_create(
        fingerprint=notice.fingerprint,
        defaults={
            "kind": InboundMessage.Kind.RETURN, "app_id": notice.get("app_id")[:32], "body": query.decode("ascii"),
            "out_trade_no": notice.get("out_trade_no")[:64], "verdict": InboundMessage.Verdict.ASKED,
        },
    )  # fmt: skip
    _want_ended_asked(order, notice)  # each time: it may have been open when they came back first


def ask_about_ended(message: dict[str, Any]) -> None:
    """For "return.heard": a buyer came back from paying what is closed here. Ask until Alipay answers, and settle that.

    Raises NoAnswer while it does not: the follow-up comes again.
    """
    attempt = Transaction.objects.select_related("account", "order").get(pk=message["transaction_id"])
    if attempt.state != Transaction.State.CLOSED:
        return
    heard = ask.ask_about([attempt], actor="return", deadline_s=settings.PAYMENTS["call_deadline_s"])
    if heard[attempt.pk] is None:
        raise NoAnswer("Alipay has not said yet what became of a payment that somebody came back from")


def _want_ended_asked(order: Order, notice: Notice) -> None:
    """Once a return; the poller asks about open attempts only."""
    ended = Transaction.objects.filter(
        order=order, out_trade_no=notice.get("out_trade_no"), state=Transaction.State.CLOSED
    )
    for attempt in ended:
        OutboxMessage.objects.get_or_create(
            dedupe_key=f"return:{notice.fingerprint}",
            defaults={"topic": "return.heard", "payload": {"transaction_id": attempt.pk}},
        )
