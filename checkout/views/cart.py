"""The cart: every change is a POST, every page a GET."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from checkout.errors import CartFull
from checkout.forms import AddForm, ChangeForm
from checkout.models import Cart, Variant
from checkout.queries.carts import contents
from checkout.queries.goods import FEW, last_seen
from checkout.services import carts
from checkout.views.doors import SeeOther, cart_for, cart_of, seen_ids, with_cart


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    cart = cart_of(request)
    merged = cart.merged if cart else 0
    if cart and merged:
        Cart.objects.filter(pk=cart.pk).update(merged=0)
    inside = contents(cart)
    seen = [] if inside.items else last_seen(seen_ids(request))
    return render(request, "checkout/cart.html", {
        "cart": cart, "contents": inside, "merged": merged, "seen": seen, "few": FEW,
    })  # fmt: skip


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Into the cart, then back to the product with the answer in its status line."""
    form = AddForm(request.POST)
    chosen = (
        Variant.objects.filter(pk=form.cleaned_data["variant"], is_listed=True, product__is_listed=True)
        .select_related("product")
        .first()
        if form.is_valid()
        else None
    )
    if chosen is None:
        return _refused(request, form)
    cart = cart_for(request)
    try:
        pieces = carts.add(cart, chosen, form.cleaned_data["quantity"])
    except CartFull:
        messages.error(request, _("The cart is full; check out first, then go on."))
    else:
        messages.success(request, _("In the cart: {n} × {title}.").format(n=pieces, title=chosen.title))
    return with_cart(SeeOther(f"{chosen.product.get_absolute_url()}?kind={chosen.sku}"), cart)


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    form, cart = ChangeForm(request.POST), cart_of(request)
    if not form.is_valid():
        return _refused(request, form)
    if cart is not None:
        carts.set_quantity(cart, form.cleaned_data["variant"], form.cleaned_data["quantity"])
    return SeeOther(reverse("checkout:cart"))


@require_POST
def accept(request: HttpRequest) -> HttpResponse:
    """Go on with today's prices and what is left."""
    cart = cart_of(request)
    if cart is not None:
        carts.accept_changes(cart)
    onward = "checkout:confirm" if request.POST.get("onward") == "confirm" else "checkout:cart"
    return SeeOther(reverse(onward))


def _refused(request: HttpRequest, form: AddForm | ChangeForm) -> HttpResponse:
    said = [str(error) for errors in form.errors.values() for error in errors] if "quantity" in form.errors else []
    if not said:
        said = [_("This item is not for sale at the moment.")]
    cart = cart_of(request)
    return render(
        request, "checkout/cart.html", {"cart": cart, "contents": contents(cart), "refused": said}, status=400
    )
