"""The shop window: search, filters, stock in words, and no query per product."""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.models import Product, Stock, Variant
from checkout.sample_shop import seed_shop


@pytest.fixture(autouse=True)
def _sample(committed_db):
    seed_shop()


def page(client, path, **more):
    return client.get(path, **more).content.decode()


def test_the_window_says_price_and_stock_in_words(client):
    text = page(client, "/")

    assert all(words in text for words in ("明前龙井", "¥88.80 起", "已售完", "祁门红茶"))


def test_a_price_says_what_it_buys(client):
    text = page(client, "/?q=茉莉")

    assert '<span class="price">¥18.00 起</span> <span class="unit">20 克小袋</span>' in text


def test_search_engines_hear_of_one_address_per_page(client):
    assert f'<link rel="canonical" href="{settings.SITE_URL}/goods/longjing/">' in page(
        client, "/goods/longjing/?kind=LJ-50"
    )
    assert '<meta name="description" content="明前龙井 · ' in page(client, "/goods/longjing/")
    assert "noindex" in page(client, "/?sort=price")
    assert "noindex" not in page(client, "/category/gifts/")


def test_engines_are_asked_to_leave_orders_alone(client):
    asked = page(client, "/robots.txt").splitlines()

    assert asked[0] == "User-agent: *"
    assert {"Disallow: /order/", "Disallow: /pay/", "Disallow: /account/"} <= set(asked)
    assert not any(line in ("Disallow: /", "Disallow: /goods/") for line in asked)


def test_an_upload_is_offered_in_two_widths_and_shown_before_the_drawing(client):
    Product.objects.filter(slug="longjing").update(picture="goods/ab12.jpg")

    assert 'srcset="/media/goods/ab12-480.webp 480w, /media/goods/ab12-960.webp 960w"' in page(
        client, "/goods/longjing/"
    )
    assert "longjing.svg" not in page(client, "/goods/longjing/")


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("?q=龙井", "明前龙井", "青釉品茗杯"), ("?q=celadon", "青釉品茗杯", "明前龙井"), ("?stock=1", "明前龙井", "祁门红茶"),
        ("?q=nothing", "没有符合的商品", "明前龙井"), ("?q=%00%27;--", "没有符合的商品", "明前龙井"),
    ],
)  # fmt: skip
def test_search_and_filters(client, query, there, not_there):
    text = page(client, f"/{query}")

    assert there in text
    assert f'<span class="name">{not_there}</span>' not in text


def test_the_reader_of_english_reads_english(client):
    text = page(client, "/goods/gaiwan/", headers={"accept-language": "en"})

    assert "White porcelain gaiwan" in text
    assert "白瓷盖碗" not in text


def test_sold_out_can_be_seen_and_not_bought(client):
    text = page(client, "/goods/keemun/")

    assert "已售完" in text
    assert "放进购物车" not in text


def test_the_window_asks_the_database_the_same_few_times_however_much_is_sold(client):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/").status_code == 200
        return len(seen)

    few = queries()
    tea = Product.objects.get(slug="longjing").category
    for n in range(30):
        product = Product.objects.create(slug=f"p{n}", category=tea, name_zh=f"茶 {n}", name_en=f"Tea {n}")
        Stock.objects.create(
            variant=Variant.objects.create(product=product, sku=f"P-{n}", price_fen=100 + n), on_hand=5
        )

    assert queries() == few <= 4
    assert "1 / 2" in page(client, "/")
    assert page(client, "/?page=2") != page(client, "/?page=1")


@pytest.mark.parametrize("path", ["/goods/nothing/", "/category/nothing/"])
def test_what_is_not_there_is_a_page_of_its_own(client, path):
    assert client.get(path).status_code == 404
