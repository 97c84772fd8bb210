"""An order after it was placed: by its link from any browser, by the account it belongs to, or by number and mobile."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checkout.errors import CartFull
from checkout.forms import FindForm, TailForm
from checkout.models import Delivery, Variant
from checkout.receipts import receipt_pdf, returned
from checkout.services import carts
from checkout.views.doors import SeeOther, cart_for, knows, limited, remember, shopper, with_cart
from payments.errors import OrderRefused
from payments.models import Order
from payments.queries.paying import paying
from payments.queries.refunds_told import refunds_told
from payments.services.cancel_order import cancel_order
from payments.views.private import private

PER_PAGE = 20
RECEIPTED = (Order.State.PAID, Order.State.PARTLY_REFUNDED, Order.State.REFUNDED)


@private
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    order, delivery = _found(token)
    return render(request, "checkout/order.html", _shown(request, order, delivery))


@private
@limited("unlock", most=10, per_s=600)
@require_POST
def unlock(request: HttpRequest, token: str) -> HttpResponse:
    """Show name and address to who knows the last four digits of the mobile."""
    order, delivery = _found(token)
    form = TailForm(request.POST)
    if delivery is not None and form.is_valid() and (delivery.mobile or "").endswith(form.cleaned_data["tail"]):
        remember(request, order)
        return SeeOther(reverse("checkout:order", args=[token]))
    if form.is_valid():
        form.add_error("tail", _("These are not the last digits of the number given with this order."))
    return render(request, "checkout/order.html", _shown(request, order, delivery) | {"tail_form": form}, status=400)


@private
@require_POST
def cancel(request: HttpRequest, token: str) -> HttpResponse:
    order, _delivery = _found(token)
    try:
        cancel_order(order, actor="buyer")
    except OrderRefused:  # paid meanwhile, or Alipay gives no certain answer: the paying page says which
        return SeeOther(reverse("payments:pay", args=[token]))
    return SeeOther(reverse("checkout:order", args=[token]))


@private
@require_POST
def reorder(request: HttpRequest, token: str) -> HttpResponse:
    """The same goods into the cart, at today's prices, as far as they are still sold."""
    order, _delivery = _found(token)
    cart, wanted = cart_for(request), {line.sku: line.quantity for line in order.lines.all() if line.sku}
    sold = Variant.objects.filter(sku__in=wanted, is_listed=True, product__is_listed=True).select_related("product")
    added = 0
    for variant in sold:
        try:
            carts.add(cart, variant, wanted[variant.sku])
            added += 1
        except CartFull:
            break
    if added < len(wanted):
        messages.warning(request, _("Not everything of that order is still for sale."))
    return with_cart(SeeOther(reverse("checkout:cart")), cart)


@private
@require_safe
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    order, _delivery = _paid(token)
    shown = {"order": order, "lines": order.lines.order_by("position"), "returned": returned(order)}
    return render(request, "checkout/receipt.html", shown)


@private
@require_safe
def receipt_as_pdf(_request: HttpRequest, token: str) -> HttpResponse:
    order, _delivery = _paid(token)
    response = HttpResponse(receipt_pdf(order), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="receipt-{order.number}.pdf"'
    return response


@never_cache
@login_required
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The account's orders, newest first."""
    mine = Delivery.objects.filter(buyer=shopper(request)).select_related("order__paid_by").order_by("-order_id")
    page_of = Paginator(mine, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "checkout/history.html", {"page": page_of})


@private
@limited("find", most=10, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """For guests who lost the link: number and mobile. A wrong number and a wrong mobile are answered alike."""
    form = FindForm(request.POST or None)
    if form.is_valid():
        delivery = Delivery.objects.filter(order__number=form.cleaned_data["number"]).select_related("order").first()
        if delivery is not None and delivery.mobile == form.cleaned_data["mobile"]:
            remember(request, delivery.order)
            return SeeOther(reverse("checkout:order", args=[delivery.order.token]))
        form.add_error(None, _("We know no order with this number and mobile. Please look at both once more."))
    return render(request, "checkout/find.html", {"form": form}, status=400 if form.errors else 200)


def _found(token: str) -> tuple[Order, Delivery | None]:
    order = get_object_or_404(Order.objects.select_related("delivery", "paid_by", "account"), token=token)
    return order, getattr(order, "delivery", None)


def _paid(token: str) -> tuple[Order, Delivery | None]:
    order, delivery = _found(token)
    if order.state not in RECEIPTED:
        raise Http404
    return order, delivery


def _shown(request: HttpRequest, order: Order, delivery: Delivery | None) -> dict[str, Any]:
    seen = paying(order.token)
    return {
        "order": order,
        "delivery": delivery,
        "lines": order.lines.order_by("position"),
        "paying": seen,
        "refunds": refunds_told(order),
        "may_pay": order.state == Order.State.AWAITING_PAYMENT,
        "has_receipt": order.state in RECEIPTED,
        "knows": delivery is not None and knows(request, delivery),
        "tail_form": TailForm(),
    }
