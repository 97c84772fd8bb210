"""Check out in two pages: contact and delivery, then check and pay."""

import secrets

import structlog
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from checkout.errors import CartEmpty, DetailsMissing, GoodsGone, OrderExists, PricesMoved
from checkout.forms import ConfirmForm, ContactForm
from checkout.models import Cart
from checkout.queries.carts import contents
from checkout.queries.deliveries import details_of, last_delivery
from checkout.services.place_purchase import draft, keep_draft, place_purchase
from checkout.views.doors import SeeOther, cart_of, limited, on_a_phone, remember, shopper
from payments.errors import OrderRefused
from payments.models import Order, Transaction
from payments.money import Money
from payments.services.attempt_requests import pay_address
from payments.services.cancel_order import cancel_order
from payments.services.start_payment import start_payment
from payments.views.browsers import App, app_of, note_start

logger = structlog.get_logger(__name__)
Scene = Transaction.Scene


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def contact(request: HttpRequest) -> HttpResponse:
    cart = cart_of(request)
    inside = contents(cart)
    if cart is None or not inside.items:
        return SeeOther(reverse("checkout:cart"))
    if cart.order is not None and _unpaid(cart.order):
        return _exists(request, cart.order)
    form = ContactForm(request.POST if request.method == "POST" else None, initial=draft(cart))
    if request.method == "POST" and form.is_valid():
        keep_draft(cart, form.cleaned_data)
        return SeeOther(reverse("checkout:confirm"))
    status = 400 if form.errors else 200
    return render(request, "checkout/contact.html", {
        "form": form, "contents": inside, "saved": last_delivery(shopper(request)),
    }, status=status)  # fmt: skip


@require_POST
def saved(request: HttpRequest) -> HttpResponse:
    """The address of the account's last order, as one choice."""
    cart, earlier = cart_of(request), last_delivery(shopper(request))
    if cart is not None and earlier is not None:
        keep_draft(cart, details_of(earlier))
    return SeeOther(reverse("checkout:confirm"))


@never_cache
@limited("place", most=30, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """What, where, total and the way to pay; the POST makes the order, once."""
    cart = cart_of(request)
    if request.method == "POST":
        return _placed(request, cart)
    if cart is not None and cart.order is not None and _unpaid(cart.order):
        return _exists(request, cart.order)
    return _review(request, cart)


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """ "Change it": the unpaid order ends, its goods are in the cart still."""
    cart = cart_of(request)
    if cart is not None and cart.order is not None and _unpaid(cart.order):
        try:
            cancel_order(cart.order, actor="buyer")
        except OrderRefused as refusal:
            logger.info("cancel_refused", order=cart.order.number, why=str(refusal))
            return SeeOther(reverse("payments:pay", args=[cart.order.token]))
        Cart.objects.filter(pk=cart.pk).update(order=None)
    return SeeOther(reverse("checkout:cart"))


def _placed(request: HttpRequest, cart: Cart | None) -> HttpResponse:
    form = ConfirmForm(request.POST)
    if cart is None or not form.is_valid():
        return _review(request, cart, status=400)
    values = form.cleaned_data
    try:
        order = place_purchase(
            cart, key=values["key"], seen_total=Money(values["total_fen"]), language=get_language() or "zh-hans",
            user=shopper(request),
        )  # fmt: skip
    except OrderExists as exists:
        return _exists(request, exists.order)
    except (PricesMoved, GoodsGone):
        return _review(request, cart, moved=True, status=409)
    except (CartEmpty, DetailsMissing):
        return _review(request, cart)
    except OrderRefused:
        return _review(request, cart, refused=True, status=400)
    except OperationalError:  # another request holds this cart for longer than the lock may be waited for
        logger.warning("cart_busy", cart=cart.pk)
        response = _review(request, cart, busy=True, status=409)
        response["Retry-After"] = "1"
        return response
    remember(request, order)
    note_start(request, order.pk)
    way = Scene(values["way"])
    return SeeOther(_where_to_pay(order, way, leaves=app_of(request) is not App.WECHAT))


def _where_to_pay(order: Order, way: Transaction.Scene, *, leaves: bool) -> str:
    """Alipay's own page where that was chosen, else our paying page; which also says why, when nothing could start.

    leaves  whether this browser gets to Alipay's page; where it can't, ours says how to go on
    """
    ours = reverse("payments:pay", args=[order.token])
    if order.state != Order.State.AWAITING_PAYMENT:
        return ours
    try:
        attempt = start_payment(order, scene=way, actor="buyer")
    except OrderRefused as refusal:
        logger.info("attempt_refused", order=order.number, why=str(refusal))
        return ours
    shown = attempt.scene == way != Scene.QR and attempt.state == Transaction.State.PRESENTED
    return pay_address(attempt) if shown and leaves else ours


def _review(
    request: HttpRequest, cart: Cart | None, *, moved: bool = False, refused: bool = False, busy: bool = False,
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    inside = contents(cart)
    if cart is None or not inside.items:
        return SeeOther(reverse("checkout:cart"))
    details = draft(cart)
    if not details.get("mobile"):
        return SeeOther(reverse("checkout:contact"))
    ways = [Scene.WAP, Scene.QR] if on_a_phone(request) else [Scene.QR, Scene.PAGE]
    if app_of(request) is App.ALIPAY:
        ways = [Scene.WAP]
    return render(request, "checkout/confirm.html", {
        "contents": inside, "details": details, "key": secrets.token_urlsafe(24), "ways": ways, "chosen": ways[0],
        "moved": moved or bool(inside.problems or inside.moved), "refused": refused, "busy": busy,
        "life_min": settings.PAYMENTS["order_life_s"] // 60,
    }, status=status)  # fmt: skip


def _unpaid(order: Order) -> bool:
    return order.state == Order.State.AWAITING_PAYMENT


def _exists(request: HttpRequest, order: Order) -> HttpResponse:
    return render(request, "checkout/exists.html", {"order": order}, status=409 if request.POST else 200)
