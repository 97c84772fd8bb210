"""The shop window: catalogue with search and filters, and one product."""

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from checkout.models import Category, Product
from checkout.queries.goods import FEW, SORTS, free_of, kinds_of, window
from checkout.views.doors import with_seen

PER_PAGE = 24


@require_safe
def catalogue(request: HttpRequest, slug: str = "") -> HttpResponse:
    """All goods or one category; search, filter, sort and page stand in the address."""
    category = get_object_or_404(Category, slug=slug) if slug else None
    words = request.GET.get("q", "").replace("\x00", "").strip()[:80]
    in_stock = request.GET.get("stock") == "1"
    sort = request.GET.get("sort", "") if request.GET.get("sort") in SORTS else ""
    goods = window(category=category, words=words, in_stock=in_stock, sort=sort)
    page = Paginator(goods, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "checkout/catalogue.html", {
        "category": category, "categories": list(Category.objects.all()), "page": page, "words": words,
        "in_stock": in_stock, "sort": sort, "filtered": bool(words or in_stock), "few": FEW,
    })  # fmt: skip


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    shown = get_object_or_404(Product.objects.select_related("category"), slug=slug, is_listed=True)
    variants = [(each, free_of(each)) for each in kinds_of(shown)]
    kinds = [{"variant": each, "free": free} for each, free in variants]
    chosen = request.GET.get("kind", "")
    response = render(request, "checkout/product.html", {
        "delivery_fen": settings.SHOP_DELIVERY_FEN, "free_from_fen": settings.SHOP_DELIVERY_FREE_FROM_FEN,
        "product": shown, "kinds": kinds, "few": FEW, "chosen": chosen,
        "sold_out": not any(free for _, free in variants),
        "first": next((each.sku for each, free in variants if free), ""),
        "gone": [each for each, free in variants if not free],
    })  # fmt: skip
    return with_seen(request, response, shown)
