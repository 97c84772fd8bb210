"""The sample shop is whole in both languages, and may be made again over a shop in use."""

import re
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from django.contrib.staticfiles import finders

from checkout.models import Category, Product, Stock, Variant
from checkout.sample_shop import CATEGORIES, GOODS, seed_shop

KINDS = [kind for goods in GOODS for kind in goods.kinds]
CHINESE = [getattr(goods, name) for goods in GOODS for name in ("name_zh", "summary_zh", "text_zh")] + [
    kind.name_zh for kind in KINDS
]
HAN = r"[\u4e00-\u9fff]"


def rows() -> list[list[dict]]:
    models: tuple[Any, ...] = (Category, Product, Variant, Stock)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_made_twice_the_rows_are_the_same(db):
    assert seed_shop() == Product.objects.count() == 14
    first = rows()

    seed_shop()
    assert rows() == first
    assert Category.objects.count() == len(CATEGORIES)


def test_stock_that_was_sold_meanwhile_stays_sold_and_an_old_price_comes_back(db):
    seed_shop()
    Stock.objects.filter(variant__sku="LJ-50").update(on_hand=7, held=2)
    Variant.objects.filter(sku="LJ-50").update(price_fen=1)

    seed_shop()
    stock = Stock.objects.get(variant__sku="LJ-50")
    assert (stock.on_hand, stock.held, stock.variant.price_fen) == (7, 2, 8880)


@pytest.mark.parametrize("goods", GOODS, ids=lambda goods: goods.slug)
def test_every_product_has_a_small_drawing_that_loads_nothing(goods):
    path = finders.find(f"shop/goods/{goods.slug}.svg")
    assert path, "no such drawing"
    with open(path, "rb") as file:
        drawing = file.read()

    assert len(drawing) < 4096
    assert Xml.fromstring(drawing).get("viewBox") == "0 0 480 480"
    assert not re.search(rb"<(script|style|text|image|use|foreignObject)|href|url\(|\son\w+=", drawing)


@pytest.mark.parametrize("goods", GOODS, ids=lambda goods: goods.slug)
def test_every_text_is_there_in_both_languages(goods):
    for name in ("name", "summary", "text"):
        assert re.search(HAN, getattr(goods, f"{name}_zh"))
        assert re.search(r"[a-z]", getattr(goods, f"{name}_en"))
        assert not re.search(HAN, getattr(goods, f"{name}_en"))
    assert 2 <= len(re.findall(r"[。！？]", goods.text_zh)) <= 3
    assert 2 <= len(re.findall(r"[.!?](?:\s|$)", goods.text_en)) <= 3


@pytest.mark.parametrize("text", CHINESE)
def test_chinese_has_full_width_marks_and_a_space_beside_latin_and_digits(text):
    assert not re.search(r"[,;:!?()]|\.(?!\d)", text)
    assert not re.search(rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}", text)


def test_prices_and_stock_show_every_state_a_shop_window_has():
    prices = sorted(kind.price_fen for kind in KINDS)
    assert (prices[0], prices[1], prices[-1]) == (0, 18_00, 680_00)
    assert len({kind.sku for kind in KINDS}) == len(KINDS)
    assert all(1 <= len(goods.kinds) <= 3 for goods in GOODS)

    gone = [goods.slug for goods in GOODS if not any(kind.stock for kind in goods.kinds)]
    some_gone = [kind.sku for goods in GOODS if goods.slug not in gone for kind in goods.kinds if not kind.stock]
    assert gone == ["keemun"]
    assert some_gone == ["LJ-250", "CC-6"]
    assert sum(2 <= kind.stock <= 3 for kind in KINDS) >= 3


def test_every_product_can_be_stored_as_a_form_would_check_it(db):
    seed_shop()
    for record in (*Product.objects.all(), *Variant.objects.all(), *Category.objects.all()):
        record.full_clean()
