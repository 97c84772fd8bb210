"""山间茶铺 / Hillside Tea: an invented shop to try the checkout with. Its drawings lie under static/shop/goods/."""

from typing import NamedTuple

from django.db import transaction

from checkout.models import Category, Product, Stock, Variant

BRAND_ZH, BRAND_EN = "山间茶铺", "Hillside Tea"


class Kind(NamedTuple):
    """A variant. `stock` counts only when the variant is made: later it belongs to whoever runs the shop."""

    sku: str
    name_zh: str
    name_en: str
    price_fen: int
    stock: int


class Goods(NamedTuple):
    slug: str  # also the name of its drawing
    category: str
    name_zh: str
    name_en: str
    summary_zh: str
    summary_en: str
    text_zh: str
    text_en: str
    kinds: tuple[Kind, ...]


CATEGORIES = (
    ("green-tea", "绿茶", "Green tea"),
    ("oolong-black", "乌龙与红茶", "Oolong & black"),
    ("tea-ware", "茶器", "Tea ware"),
    ("gifts", "礼盒", "Gifts"),
)

GOODS = (
    Goods(
        "longjing", "green-tea", "明前龙井", "Pre-Qingming Longjing",
        "清明前采的嫩芽，入口清甜，带一点豆香。", "Buds picked before Qingming: sweet, clean, a hint of chestnut.",
        "清明前手采，在铁锅里一点点压扁炒干。用 80 °C 的水冲泡，汤色浅，豆香久。开罐后请放在冰箱里，两个月内喝完。",
        "Picked by hand before Qingming and pressed flat in an iron pan. Brew at 80 °C for a pale cup with a lasting "
        "nutty scent. Keep it in the fridge once opened and drink it within two months.",
        (Kind("LJ-50", "50 克", "50 g", 88_80, 40), Kind("LJ-100", "100 克罐装", "100 g tin", 168_00, 24),
         Kind("LJ-250", "250 克", "250 g", 398_00, 0)),
    ),
    Goods(
        "maofeng", "green-tea", "高山毛峰", "Mountain Maofeng",
        "云雾里长的茶，清爽，适合每天喝。", "Grown in the mist; a light tea for every day.",
        "茶园在半山腰，早上多雾，叶子长得慢。香气像刚下过雨的竹林，耐泡三四次。纸袋可以封口，也可以回收。",
        "The garden lies halfway up the slope, where morning mist slows the leaf. It smells of bamboo after rain and "
        "gives three or four good cups. The paper bag closes again and can be recycled.",
        (Kind("MF-100", "100 克", "100 g", 58_00, 60), Kind("MF-250", "250 克", "250 g", 128_00, 3)),
    ),
    Goods(
        "jasmine", "green-tea", "茉莉绿茶", "Jasmine green",
        "夏天的茉莉和春天的茶，一起窨了五夜。", "Spring tea scented over five nights with summer jasmine.",
        "傍晚采花，夜里和茶铺在一起，天亮把花筛出。这样做五遍，所以茶里几乎看不见花，只闻得到花香。热泡冷泡都好喝。",
        "Flowers picked at dusk lie with the tea all night and are sifted out at dawn. After five nights there is "
        "hardly a petal left, only the scent. Good hot, good cold.",
        (Kind("JM-100", "100 克", "100 g", 46_00, 80), Kind("JM-20", "20 克小袋", "20 g pouch", 18_00, 120)),
    ),
    Goods(
        "tasting-sample", "green-tea", "三味试饮装", "Tasting sample",
        "三小袋，各 3 克，不收钱。", "Three sachets of 3 g each, free of charge.",
        "一袋绿茶，一袋乌龙，一袋红茶，每袋正好泡一杯。第一次来的客人可以先尝后买。",
        "One green, one oolong, one black; each sachet makes one cup. If this is your first visit, taste before you buy.",
        (Kind("TS-3", "3 袋", "3 sachets", 0, 200),),
    ),
    Goods(
        "tieguanyin", "oolong-black", "清香铁观音", "Light Tieguanyin",
        "颗粒紧结，开汤有兰花香。", "Tight pearls that open into an orchid scent.",
        "叶子揉成小球，遇到热水慢慢舒展。用沸水快冲，头三泡最香。适合饭后和朋友一起喝。",
        "The leaves are rolled into pearls that unfold slowly in hot water. Pour boiling water and pour off quickly; "
        "the first three rounds smell best. A tea for after dinner, with friends.",
        (Kind("TG-125", "125 克", "125 g", 98_00, 35), Kind("TG-250", "250 克", "250 g", 188_00, 12)),
    ),
    Goods(
        "dahongpao", "oolong-black", "岩骨大红袍", "Rock-grown Dahongpao",
        "炭火慢焙，厚实，有回甘。", "Slowly roasted over charcoal: full, with a sweet return.",
        "茶树长在岩缝里，根要自己找水。焙火三道，每道隔半个月，火气退了才装罐。喜欢浓一点的人会记住它。",
        "These bushes grow in cracks of rock and must look for their own water. The leaf is roasted three times, half a "
        "month apart, and rests before it goes into the tin. People who like it strong remember it.",
        (Kind("DH-50", "50 克", "50 g", 128_00, 18), Kind("DH-100", "100 克罐装", "100 g tin", 238_00, 2)),
    ),
    Goods(
        "dianhong", "oolong-black", "滇红金芽", "Golden-bud Dianhong",
        "金色芽头，蜜香，可以加奶。", "Golden buds, a honey scent, happy with milk.",
        "只用带绒毛的芽头，做好以后是金色的。汤红亮，有蜜和红薯的甜味。早上空着肚子喝也不刺激。",
        "Only downy buds are used, and they turn golden. The cup is bright red and tastes of honey and sweet potato. "
        "It is gentle enough for early mornings.",
        (Kind("DF-100", "100 克", "100 g", 76_00, 50), Kind("DF-250", "250 克", "250 g", 168_00, 20)),
    ),
    Goods(
        "keemun", "oolong-black", "祁门红茶", "Keemun black",
        "细紧的条索，花果香，今年已经卖完。", "Fine twists with a scent of fruit; this year's is gone.",
        "每年只做一批，秋天以前多半就卖完了。香气介于玫瑰和苹果之间，不加糖也有甜味。新茶要等到明年五月。",
        "We make one batch a year, and it is usually gone by autumn. The scent lies between rose and apple, and it is "
        "sweet without sugar. The next batch comes in May.",
        (Kind("QM-100", "100 克盒装", "100 g box", 108_00, 0),),
    ),
    Goods(
        "gaiwan", "tea-ware", "白瓷盖碗", "White porcelain gaiwan",
        "薄胎白瓷，110 毫升，一个人用刚好。", "Thin white porcelain, 110 ml, right for one.",
        "碗沿外翻，拿着不烫手。釉面干净，什么茶都能泡，不留味道。手绘的两笔远山，每只都不太一样。",
        "The flared rim stays cool in the hand. The glaze holds no scent, so it suits any tea. The two strokes of hills "
        "are painted by hand, and no two are quite alike.",
        (Kind("GW-110", "110 毫升", "110 ml", 86_00, 26), Kind("GW-150", "150 毫升", "150 ml", 98_00, 14)),
    ),
    Goods(
        "teapot", "tea-ware", "紫砂小壶", "Small clay teapot",
        "出水利落，越用越润。", "Pours cleanly and grows smoother with use.",
        "一位老师傅一天只做两把。建议一把壶只泡一类茶，用完倒净晾干，不要用洗洁精。",
        "One old master makes only two a day. Keep a pot to one family of tea, rinse it with water alone, and let it "
        "dry open.",
        (Kind("TP-160", "160 毫升", "160 ml", 480_00, 3),),
    ),
    Goods(
        "glass-pitcher", "tea-ware", "玻璃公道杯", "Glass sharing pitcher",
        "耐热玻璃，看得见汤色。", "Heat-proof glass that shows the colour.",
        "先把茶倒进公道杯，再分给每个人，浓淡就一样了。壶嘴断水干净，桌上不留水渍。可以放进洗碗机。",
        "Pour the tea in here first and then share it, and every cup is the same strength. The lip cuts the stream "
        "without a drip. Safe in the dishwasher.",
        (Kind("GP-250", "250 毫升", "250 ml", 42_00, 45),),
    ),
    Goods(
        "celadon-cups", "tea-ware", "青釉品茗杯", "Celadon tasting cups",
        "雨后天色的小杯，可以单买。", "Small cups the colour of sky after rain, sold singly too.",
        "釉色会随光线变，早上偏蓝，傍晚偏绿。杯底留了一圈素胎，拿起来不滑。六只装有木盒。",
        "The glaze turns with the light: bluer in the morning, greener at dusk. A bare ring at the foot keeps it from "
        "slipping. The set of six comes in a wooden box.",
        (Kind("CC-1", "1 只", "1 cup", 36_00, 90), Kind("CC-4", "4 只", "4 cups", 128_00, 15),
         Kind("CC-6", "6 只木盒装", "6 cups, wooden box", 218_00, 0)),
    ),
    Goods(
        "four-seasons-box", "gifts", "山间四季礼盒", "Four Seasons box",
        "春夏秋冬，四种茶，四小罐。", "Spring, summer, autumn, winter: four teas in four tins.",
        "龙井、茉莉、铁观音和大红袍各一罐，每罐 50 克。盒子用再生纸板做，系一条红棉绳。下单时可以在备注里写贺卡的话。",
        "A tin each of Longjing, jasmine, Tieguanyin and Dahongpao, 50 g apiece. The box is recycled board tied with a "
        "red cotton cord. Write the words for the card in the note when you order.",
        (Kind("FS-4", "4 罐", "4 tins", 398_00, 16), Kind("FS-4C", "4 罐配盖碗", "4 tins and a gaiwan", 680_00, 5)),
    ),
    Goods(
        "travel-set", "gifts", "旅行茶具包", "Travel tea set",
        "一壶两杯，装进一只布包。", "A pot and two cups in one canvas bag.",
        "茶壶和杯子套在一起，放进背包也不会响。布包有防水衬里，泡完茶湿着也能收。送给常出差的朋友很合适。",
        "Pot and cups nest without a rattle. The canvas bag has a waterproof lining, so it can be packed wet. A good "
        "present for a friend who travels.",
        (Kind("TR-G", "灰绿", "sage", 258_00, 11), Kind("TR-B", "棕色", "brown", 258_00, 2)),
    ),
)  # fmt: skip


@transaction.atomic
def seed_shop() -> int:
    """Make the sample shop, or bring its texts and prices back to these. Stock that exists is left as it is.

    Returns the number of products.
    """
    categories = {}
    for position, (slug, name_zh, name_en) in enumerate(CATEGORIES):
        words = {"name_zh": name_zh, "name_en": name_en, "position": position}
        categories[slug], _ = Category.objects.update_or_create(slug=slug, defaults=words)
    for position, goods in enumerate(GOODS):
        words = {name: getattr(goods, name) for name in Goods._fields if name not in ("slug", "category", "kinds")}
        product, _ = Product.objects.update_or_create(
            slug=goods.slug,
            defaults={
                **words,
                "category": categories[goods.category],
                "drawing": f"shop/goods/{goods.slug}.svg",
                "position": position,
            },
        )
        for place, kind in enumerate(goods.kinds):
            variant, _ = Variant.objects.update_or_create(
                sku=kind.sku,
                defaults={
                    "product": product,
                    "name_zh": kind.name_zh,
                    "name_en": kind.name_en,
                    "price_fen": kind.price_fen,
                    "position": place,
                },
            )
            Stock.objects.get_or_create(variant=variant, defaults={"on_hand": kind.stock})
    return len(GOODS)
