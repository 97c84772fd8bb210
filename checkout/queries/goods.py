"""What the shop window shows: listed goods with their lowest price and whether any are left."""

from collections.abc import Sequence

from django.db.models import F, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from checkout.models import Category, Product, Variant

SORTS = {
    "": ("position", "pk"),
    "price": ("from_fen", "pk"),
    "-price": ("-from_fen", "pk"),
    "new": ("-created_at", "pk"),
}
FEW = 5


def window(
    *, category: Category | None = None, words: str = "", in_stock: bool = False, sort: str = ""
) -> QuerySet[Product]:
    """Listed products, each with its lowest price `from_fen` and that variant's `unit_zh` and `unit_en`, the number of
    its `kinds`, and `free` pieces of them all. One query.

    words  each must occur in a name or the one-line text, in either language
    """
    listed = Q(variants__is_listed=True)
    cheapest = Variant.objects.filter(product=OuterRef("pk"), is_listed=True).order_by("price_fen", "pk")
    found = Product.objects.filter(is_listed=True).annotate(
        from_fen=Min("variants__price_fen", filter=listed),
        unit_zh=Subquery(cheapest.values("name_zh")[:1]),
        unit_en=Subquery(cheapest.values("name_en")[:1]),
        kinds=Coalesce(Sum(1, filter=listed, output_field=IntegerField()), 0),
        free=Coalesce(Sum(F("variants__stock__on_hand") - F("variants__stock__held"), filter=listed), 0),
    )
    found = found.filter(from_fen__isnull=False)
    if category is not None:
        found = found.filter(category=category)
    for word in words.split()[:6]:
        found = found.filter(
            Q(name_zh__icontains=word) | Q(name_en__icontains=word)
            | Q(summary_zh__icontains=word) | Q(summary_en__icontains=word)
        )  # fmt: skip
    if in_stock:
        found = found.filter(free__gt=0)
    return found.order_by(*SORTS.get(sort, SORTS[""]))


def last_seen(ids: Sequence[int]) -> list[Product]:
    """These products as the window shows them, in this order; those no longer for sale are left out."""
    found = {product.pk: product for product in window().filter(pk__in=ids)} if ids else {}
    return [found[each] for each in ids if each in found]


def kinds_of(product: Product) -> Sequence[Variant]:
    """The product's listed variants with their stock."""
    return list(product.variants.filter(is_listed=True).select_related("stock", "product"))


def free_of(variant: Variant) -> int:
    stock = getattr(variant, "stock", None)
    return stock.free if stock else 0
