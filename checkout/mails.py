"""Mails to buyers, in their language; each caused by one outbox message."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from payments.models import Order


def send_receipt(message: dict[str, Any]) -> None:
    """ "We have your money", for an order that is paid. Orders without an address get none.

    message  payload of "order.paid": order_id
    """
    order = Order.objects.get(pk=message["order_id"])
    if not order.contact_email:
        return
    with translation.override(order.language):
        values = {
            "order": order,
            "lines": order.lines.order_by("position"),
            "link": settings.SITE_URL + reverse("payments:pay", args=[order.token]),
            "shop": {
                "name": settings.SHOP_NAME,
                "contact": settings.SHOP_CONTACT,
                "what_next": settings.SHOP_WHAT_NEXT,
            },
        }
        subject = render_to_string("mails/paid_subject.txt", values).strip()
        body = render_to_string("mails/paid.txt", values)
    headers = {"Message-ID": f"<{message['dedupe_key']}@{settings.SITE_URL.split('//')[-1].split(':')[0]}>"}
    EmailMessage(subject, body, to=[order.contact_email], headers=headers).send()
