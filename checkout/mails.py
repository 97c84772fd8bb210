"""Mails to buyers, in their language; each caused by one outbox message."""

import contextlib
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from checkout.receipts import receipt_pdf
from checkout.services.accounts import ticket_for
from payments.models import Order


def send_receipt(message: dict[str, Any]) -> None:
    """ "We have your money", for an order that is paid, with the receipt as PDF. Orders without an address get none.

    message  payload of "order.paid": order_id
    """
    order = Order.objects.get(pk=message["order_id"])
    mail = _about(order, "paid", message, page="payments:pay")
    if mail is not None:
        with contextlib.suppress(ImproperlyConfigured):  # no font for Chinese: the text is a receipt as well
            mail.attach(f"receipt-{order.number}.pdf", receipt_pdf(order), "application/pdf")
        mail.send()


def send_awaiting(message: dict[str, Any]) -> None:
    """ "Your order awaits payment", some minutes after it was placed, when it still does."""
    order = Order.objects.get(pk=message["order_id"])
    if order.state == Order.State.AWAITING_PAYMENT:
        mail = _about(order, "awaiting", message, page="payments:pay")
        if mail is not None:
            mail.send()


def send_unpaid(message: dict[str, Any]) -> None:
    """ "No payment arrived", with the way back. Not to buyers who cancelled the order themselves."""
    order = Order.objects.get(pk=message["order_id"])
    if order.state == Order.State.CLOSED and order.cancelled_at is None:
        mail = _about(order, "unpaid", message, page="checkout:order")
        if mail is not None:
            mail.send()


def send_ticket(message: dict[str, Any]) -> None:
    """The link that makes an account or opens it again.

    message  payload of "account.ticket": the sealed address, and the reader's language
    """
    email, ticket = ticket_for(message["sealed"])
    with translation.override(message["language"] or settings.LANGUAGE_CODE):
        values = {"link": settings.SITE_URL + reverse("checkout:password", args=[ticket]), "shop": _shop()}
        _mail("ticket", values, email, message["dedupe_key"]).send()


def _about(order: Order, name: str, message: dict[str, Any], *, page: str) -> EmailMessage | None:
    """The mail of this name about an order, in its language; None without an address."""
    if not order.contact_email:
        return None
    with translation.override(order.language):
        values = {
            "order": order,
            "lines": order.lines.order_by("position"),
            "link": settings.SITE_URL + reverse(page, args=[order.token]),
            "shop": _shop(),
        }
        return _mail(name, values, order.contact_email, message["dedupe_key"])


def _mail(name: str, values: dict[str, Any], to: str, dedupe_key: str) -> EmailMessage:
    subject = render_to_string(f"mails/{name}_subject.txt", values).strip()
    body = render_to_string(f"mails/{name}.txt", values)
    host = settings.SITE_URL.split("//")[-1].split(":")[0]
    safe = "".join(each if each.isalnum() or each in ".-" else "." for each in dedupe_key)
    return EmailMessage(subject, body, to=[to], headers={"Message-ID": f"<{safe}@{host}>"})


def _shop() -> dict[str, str]:
    return {"name": settings.SHOP_NAME, "contact": settings.SHOP_CONTACT, "what_next": settings.SHOP_WHAT_NEXT}
