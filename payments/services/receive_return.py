"""The buyer's browser comes back from Alipay. It proves nothing about money: it only makes us ask."""

from datetime import timedelta

import structlog
from django.conf import settings

from payments import gateway
from payments.alipay.notices import read_form, verified
from payments.errors import BadSignature, MalformedNotice
from payments.models import InboundMessage, Order, Transaction
from payments.models.clock import database_now

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
