"""Mails to buyers, in their language, and to staff about their accounts; each caused by one outbox message."""

import contextlib
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from checkout.letters import letter
from checkout.models import Variant
from checkout.receipts import receipt_pdf
from checkout.services.accounts import ticket_for
from checkout.services.stock_alerts import address_in
from payments.models import Order, Refund, User
from payments.queries.paying import PayState, paying
from payments.queries.refunds_told import was_promised
from payments.services.people import told_of


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


def send_on_its_way(message: dict[str, Any]) -> None:
    """ "Your order is on its way", with who brings it."""
    order = Order.objects.select_related("delivery").get(pk=message["order_id"])
    mail = _about(order, "sent", message, page="checkout:order")
    if mail is not None:
        mail.send()


def send_doubt(message: dict[str, Any]) -> None:
    """ "We are checking your payment; don't pay again", ten minutes into a doubt that is not over."""
    order = Order.objects.get(pk=message["order_id"])
    seen = paying(order.token)
    if seen is not None and seen.state is PayState.IN_DOUBT:
        mail = _about(order, "doubt", message, page="payments:pay", until=seen.doubt_until, by=seen.answer_by)
        if mail is not None:
            mail.send()


def send_back_in_stock(message: dict[str, Any]) -> None:
    """ "It is back", to somebody who asked for this one mail; not when it is gone again.

    message  payload of "goods.back": variant_id, the sealed address, the reader's language
    """
    variant = Variant.objects.select_related("product").filter(pk=message["variant_id"], is_listed=True).first()
    if variant is None:
        return
    with translation.override(message["language"]):
        values = {"variant": variant, "link": settings.SITE_URL + variant.product.get_absolute_url(), "shop": _shop()}
        _mail("back", values, address_in(message["sealed"]), message["dedupe_key"]).send()


def send_extra(message: dict[str, Any]) -> None:
    """ "Your extra money is on its way back": it came late or twice, and nobody need ask for it.

    message  payload of "surplus.refunding": order_id, refund_id
    """
    order = Order.objects.get(pk=message["order_id"])
    refund = Refund.objects.select_related("transaction").get(pk=message["refund_id"])
    mail = _about(order, "extra", message, page="checkout:order", refund=refund)
    if mail is not None:
        mail.send()


def send_refund_news(message: dict[str, Any]) -> None:
    """How a refund stands: request received, agreed, not agreed, sent back. What the robots return, `send_extra` tells.

    A buyer who did not ask hears nothing of what staff refuse each other, but of what was promised and then stopped.

    message  payload of "refund.requested", "refund.approved", "refund.rejected", "refund.succeeded": order_id, refund_id
    """
    refund = Refund.objects.select_related("transaction__order").get(pk=message["refund_id"])
    order, news = refund.transaction.order, message["dedupe_key"].split(":")[0].removeprefix("refund.")
    if order is None or refund.origin == Refund.Origin.ROBOT:
        return
    if news == "rejected" and not (refund.origin == Refund.Origin.BUYER or was_promised(refund)):
        return
    mail = _about(order, "refund", message, page="checkout:order", refund=refund, news=news, why=message.get("why", ""))
    if mail is not None:
        mail.send()


def send_ticket(message: dict[str, Any]) -> None:
    """The link that makes an account or opens it again.

    message  payload of "account.ticket": the sealed address, and the reader's language
    """
    email, ticket = ticket_for(message["sealed"], order_id=message.get("order_id"))
    with translation.override(message["language"] or settings.LANGUAGE_CODE):
        values = {"link": settings.SITE_URL + reverse("checkout:password", args=[ticket]), "shop": _shop()}
        _mail("ticket", values, email, message["dedupe_key"]).send()


def send_person_changed(message: dict[str, Any]) -> None:
    """ "A staff account was changed", to whose it is, at their old address too, and to those who may confirm it.

    message  payload of "person.changed": person_id, by_id, the sealed address before, if that was changed
    """
    person, by = (User.objects.get(pk=message[key]) for key in ("person_id", "by_id"))
    link = settings.SITE_URL + reverse("admin:payments_user_change", args=[person.pk])
    with translation.override(settings.LANGUAGE_CODE):
        values = {"person": person, "by": by, "link": link, "shop": _shop()}
        for at, address in enumerate(told_of(person, by=by, sealed=message["sealed"])):
            _mail("person", values, address, f"{message['dedupe_key']}:{at}").send()


def _about(
    order: Order, name: str, message: dict[str, Any], *, page: str, **more: Any
) -> EmailMultiAlternatives | None:
    """The mail of this name about an order, in its language, with more values; None without an address."""
    if not order.contact_email:
        return None
    with translation.override(order.language):
        values = {
            "order": order,
            "lines": order.lines.order_by("position"),
            "link": settings.SITE_URL + reverse(page, args=[order.token]),
            "shop": _shop(),
            **more,
        }
        return _mail(name, values, order.contact_email, message["dedupe_key"])


def _mail(name: str, values: dict[str, Any], to: str, dedupe_key: str) -> EmailMultiAlternatives:
    subject = render_to_string(f"mails/{name}_subject.txt", values).strip()
    body = render_to_string(f"mails/{name}.txt", values)
    host = settings.SITE_URL.split("//")[-1].split(":")[0]
    safe = "".join(each if each.isalnum() or each in ".-" else "." for each in dedupe_key)
    mail = EmailMultiAlternatives(subject, body, to=[to], headers={"Message-ID": f"<{safe}@{host}>"})
    mail.attach_alternative(letter(body, subject=subject, language=translation.get_language()), "text/html")
    return mail


def _shop() -> dict[str, str]:
    return {"name": settings.SHOP_NAME, "contact": settings.SHOP_CONTACT, "what_next": settings.SHOP_WHAT_NEXT}
