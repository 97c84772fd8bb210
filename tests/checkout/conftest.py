"""A small shop: two listed products with stock, and a browser that can fill a cart."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.test import Client

from checkout.models import Category, Product, Stock, Variant

CONTACT = {
    "name": "林小满", "mobile": "138 0000 0000", "region": "浙江省杭州市西湖区", "address": "龙井路 1 号",
    "email": "lin@example.com", "note": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _forget_tries():
    cache.clear()


@pytest.fixture
def make_variant(committed_db) -> Callable[..., Variant]:
    tea, _ = Category.objects.get_or_create(slug="tea", defaults={"name_zh": "茶", "name_en": "Tea"})

    def make(sku: str = "LJ-50", fen: int = 12800, stock: int = 10, **product: object) -> Variant:
        words = {"slug": sku.lower(), "category": tea, "name_zh": f"茶 {sku}", "name_en": f"Tea {sku}"}
        made = Product.objects.create(**{**words, **product})
        variant = Variant.objects.create(product=made, sku=sku, name_zh="50 克", name_en="50 g", price_fen=fen)
        Stock.objects.create(variant=variant, on_hand=stock)
        return variant

    return make


@pytest.fixture
def buy(client: Client, committed_db, connected):
    """Steps of one browser through the shop. `confirm` posts what the confirming page offered, changed as wanted."""

    def add(variant: Variant, quantity: object = 1):
        return client.post("/cart/add", {"variant": variant.pk, "quantity": quantity})

    def contact(**changes: str):
        return client.post("/checkout/", {**CONTACT, **changes})

    def offered() -> dict[str, str]:
        page = client.get("/checkout/pay/")
        assert page.status_code == 200, page
        return {"key": page.context["key"], "total_fen": page.context["contents"].total.fen, "way": "qr"}

    def confirm(**changes: object):
        return client.post("/checkout/pay/", {**offered(), **changes})

    return SimpleNamespace(client=client, add=add, contact=contact, offered=offered, confirm=confirm)
