"""Plain pages: the shop's rules in short, and the living style page."""

from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from checkout.forms import ContactForm
from checkout.sample_shop import GOODS
from checkout.views.doors import too_often
from payments.views import problems


@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    """Delivery, refunds, what we keep, which cookies there are."""
    return render(request, "checkout/rules.html", {
        "delivery_fen": settings.SHOP_DELIVERY_FEN, "free_from_fen": settings.SHOP_DELIVERY_FREE_FROM_FEN,
        "life_min": settings.PAYMENTS["order_life_s"] // 60,
    })  # fmt: skip


CLOSED_TO_ENGINES = (
    "/cart/", "/checkout/", "/pay/", "/order/", "/orders/", "/account/", "/admin/", "/alipay/", "/about/style/",
)  # fmt: skip
COLOURS = ("paper", "raised", "ink", "soft", "line", "edge", "accent", "alipay", "good", "warn", "bad")
PROBLEMS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "400": lambda request: problems.bad_request(request, Exception()),
    "403": lambda request: problems.forbidden(request, Exception()),
    "404": lambda request: problems.not_found(request, Exception()),
    "form": problems.form_too_old,
    "429": lambda request: too_often(request, 30),
    "500": problems.broken,
    "503": problems.closed,
}


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Search engines may read the shop window; carts, orders and accounts are nobody's reading."""
    closed = "".join(f"Disallow: {path}\n" for path in CLOSED_TO_ENGINES)
    return HttpResponse(f"User-agent: *\n{closed}", content_type="text/plain; charset=utf-8")


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """Every piece the pages are made of, for those who change them. Not in production."""
    if not settings.SHOW_STYLE_PAGE:
        raise Http404
    filled = ContactForm({"name": "林小满", "mobile": "12", "email": "lin@example.com"})
    return render(request, "checkout/style.html", {
        "form": filled, "number": "2026112300000000", "colours": COLOURS, "problems": PROBLEMS,
        "drawings": [f"shop/goods/{each.slug}.svg" for each in GOODS],
    })  # fmt: skip


@require_safe
def problem(request: HttpRequest, name: str) -> HttpResponse:
    """Each page for what goes wrong, to be looked at. Not in production."""
    if not settings.SHOW_STYLE_PAGE or name not in PROBLEMS:
        raise Http404
    return PROBLEMS[name](request)
