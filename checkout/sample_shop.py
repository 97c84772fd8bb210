"""The sample shop that the demo sells from: an invented tea brand, 山间茶铺. Drawings lie under static/shop/goods."""

from dataclasses import dataclass

from django.db import transaction

from checkout.models import Category, Product, Stock, Variant


@dataclass(frozen=True, slots=True)
class Kind:
    """One variant: article number, size in both languages, price in fen, pieces in stock."""

    sku: str
    zh: str
    en: str
    fen: int
    stock: int


@dataclass(frozen=True, slots=True)
class Goods:
    slug: str
    category: str
    zh: str
    en: str
    summary_zh: str
    summary_en: str
    text_zh: str
    text_en: str
    kinds: tuple[Kind, ...]


CATEGORIES = (
    ("green", "绿茶", "Green tea"),
    ("dark", "乌龙、红茶与普洱", "Oolong, black and pu'er"),
    ("ware", "茶器", "Tea ware"),
    ("gifts", "礼盒与品鉴", "Gifts and tastings"),
)
GOODS = (
    Goods(
        "longjing",
        "green",
        "明前龙井",
        "Spring Longjing",
        "清明前采，扁平光滑",
        "Picked before the spring rains, flat and smooth",
        "茶汤嫩绿，有炒豆的香气。八十度的水最好，冲泡三次滋味不减。",
        "A pale green cup with the scent of roasted beans. Best with water of 80 degrees; good for three infusions.",
        (
            Kind("LJ-50", "50 克", "50 g", 12800, 40),
            Kind("LJ-100", "100 克", "100 g", 23800, 3),
            Kind("LJ-250", "250 克", "250 g", 56800, 0),
        ),
    ),
    Goods(
        "biluochun",
        "green",
        "洞庭碧螺春",
        "Biluochun",
        "卷曲带毫，花果香",
        "Curled and downy, with a scent of fruit blossom",
        "产自湖边果园，先放水后投茶，看它慢慢沉下去。",
        "Grown between fruit trees by a lake. Pour the water first, then watch the leaves sink.",
        (Kind("BLC-50", "50 克", "50 g", 9800, 25), Kind("BLC-125", "125 克", "125 g", 21800, 12)),
    ),
    Goods(
        "maojian",
        "green",
        "信阳毛尖",
        "Maojian",
        "细直有锋，回甘快",
        "Fine straight needles, quickly sweet",
        "山上云雾多，叶子长得慢，味道也就厚。",
        "Leaves grow slowly in mountain mist, which makes the taste full.",
        (Kind("MJ-100", "100 克", "100 g", 6800, 60),),
    ),
    Goods(
        "wulong",
        "dark",
        "铁观音",
        "Tieguanyin oolong",
        "半发酵，兰花香",
        "Half fermented, with a scent of orchids",
        "颗粒紧结，开水冲下去会慢慢舒展。可以泡七次。",
        "Tight beads that open slowly in boiling water. Good for seven infusions.",
        (Kind("TGY-125", "125 克", "125 g", 8800, 30), Kind("TGY-250", "250 克", "250 g", 16800, 2)),
    ),
    Goods(
        "dianhong",
        "dark",
        "滇红金毫",
        "Golden Yunnan black",
        "金毫显露，蜜香",
        "Golden tips, tasting of honey",
        "汤色红亮，加奶也好喝。早晨喝一杯，人就醒了。",
        "A bright red cup that takes milk well. One in the morning and you are awake.",
        (Kind("DH-100", "100 克", "100 g", 7600, 50),),
    ),
    Goods(
        "puer",
        "dark",
        "熟普小饼",
        "Small ripe pu'er cake",
        "五年陈，温和",
        "Aged five years, mild",
        "一饼一百克，撬一小块能喝一下午。放在通风的地方慢慢变好。",
        "A cake of 100 grams; a small piece lasts an afternoon. It grows better in an airy place.",
        (Kind("PE-100", "一饼 100 克", "one cake, 100 g", 5800, 80),),
    ),
    Goods(
        "celadon",
        "ware",
        "青瓷小杯",
        "Celadon cup",
        "手作，每只略有不同",
        "Made by hand, each a little different",
        "釉色像雨后的天。容量 60 毫升，手感温润。",
        "A glaze like the sky after rain. Holds 60 ml.",
        (Kind("CUP-1", "一只", "one", 4500, 18), Kind("CUP-2", "一对", "a pair", 8500, 6)),
    ),
    Goods(
        "gaiwan",
        "ware",
        "白瓷盖碗",
        "White gaiwan",
        "薄胎，不烫手",
        "Thin and cool to hold",
        "容量 120 毫升，一人一壶的量。青花一笔，是画上去的。",
        "Holds 120 ml, enough for one. The blue stroke is painted by hand.",
        (Kind("GW-120", "120 毫升", "120 ml", 13800, 9),),
    ),
    Goods(
        "teapot",
        "ware",
        "紫砂小壶",
        "Clay teapot",
        "出水利落",
        "Pours cleanly",
        "每月只做几把，用久了会发亮。",
        "Only a few are made each month; they begin to shine with use.",
        (Kind("POT-1", "150 毫升", "150 ml", 68000, 0),),
    ),
    Goods(
        "gift",
        "gifts",
        "四季礼盒",
        "Four seasons gift box",
        "四种茶各 30 克",
        "Four teas, 30 g each",
        "龙井、铁观音、滇红、熟普，每样一小罐，附一张冲泡卡。",
        "Longjing, Tieguanyin, Yunnan black and pu'er in small tins, with a card on brewing.",
        (Kind("GIFT-4", "一盒", "one box", 26800, 15),),
    ),
    Goods(
        "tasting",
        "gifts",
        "品鉴小样",
        "Tasting sample",
        "先尝一口再说",
        "Taste before you choose",
        "两小包时令绿茶，每单限一份就够。",
        "Two small bags of the season's green tea.",
        (Kind("TASTE-1", "两包", "two bags", 1800, 200),),
    ),
)


@transaction.atomic
def seed_shop() -> int:
    """Make or refresh the sample goods; stock that exists is left as sales have made it. Returns the number of products."""
    for position, (slug, zh, en) in enumerate(CATEGORIES):
        Category.objects.update_or_create(slug=slug, defaults={"name_zh": zh, "name_en": en, "position": position})
    for position, goods in enumerate(GOODS):
        product, _ = Product.objects.update_or_create(
            slug=goods.slug,
            defaults={
                "category": Category.objects.get(slug=goods.category), "name_zh": goods.zh, "name_en": goods.en,
                "summary_zh": goods.summary_zh, "summary_en": goods.summary_en, "text_zh": goods.text_zh,
                "text_en": goods.text_en, "drawing": f"shop/goods/{goods.slug}.svg", "position": position,
            },
        )  # fmt: skip
        for at, kind in enumerate(goods.kinds):
            variant, _ = Variant.objects.update_or_create(
                sku=kind.sku,
                defaults={
                    "product": product, "name_zh": kind.zh, "name_en": kind.en, "price_fen": kind.fen, "position": at,
                },
            )  # fmt: skip
            Stock.objects.get_or_create(variant=variant, defaults={"on_hand": kind.stock})
    return len(GOODS)
