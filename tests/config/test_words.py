"""What shoppers read: words that are never used, and how Chinese is set."""

import re

import polib
import pytest
from django.apps import apps

from checkout.sample_shop import CATEGORIES, GOODS
from config.local.messages import CATALOGUE, texts

SHOPPERS = re.compile(
    r"templates/(checkout|payments|mails|problems)/|templates/_?\w+\.html$|checkout/(?!admin|services/import_goods)|payments/(templatetags|queries(?!/record_words))/"
)
NEVER_ZH = re.compile(r"失败|无效|非法|异常|轮询|回调|同步|付款码|请勿|！|发票(?!。)|立即到账")
NEVER_EN = re.compile(
    r"\b(oops|sorry|failed|invalid|illegal|callback|no money has been taken|instantly)\b|!", re.IGNORECASE
)
HAN = r"[\u3400-\u9fff]"
HALF_WIDTH = re.compile(rf"{HAN}\s?[,.;:!?]|[,;:!?]\s?{HAN}|{HAN}\(|\){HAN}")
NO_SPACE = re.compile(rf"{HAN}[A-Za-z0-9¥]|[A-Za-z0-9]{HAN}")


def faults_zh(text: str) -> list[str]:
    """What a reader of Chinese would stumble over."""
    plain = re.sub(r"%\(\w+\)\w|\{\w*\}", "□", text)
    return [found[0] for pattern in (NEVER_ZH, HALF_WIDTH, NO_SPACE) for found in pattern.finditer(plain)]


def shoppers_words() -> dict[str, str]:
    """English to Chinese, of every text that shoppers' pages and mails use."""
    assert apps.ready
    used = {single for (single, _plural), place in texts() if SHOPPERS.match(place)}
    return {
        entry.msgid: entry.msgstr or " ".join(entry.msgstr_plural.values())
        for entry in polib.pofile(str(CATALOGUE))
        if entry.msgid in used
    }


def test_shoppers_never_read_a_word_that_blames_or_frightens_and_chinese_is_set_as_chinese():
    words = shoppers_words()

    assert len(words) > 200
    assert {en: found for en, zh in words.items() if (found := faults_zh(zh))} == {}
    assert [en for en in words if NEVER_EN.search(en)] == []


def test_the_sample_shop_is_set_as_chinese_too():
    chinese = [name for _slug, name, _en in CATEGORIES]
    chinese += [text for each in GOODS for text in (each.name_zh, each.summary_zh, each.text_zh)]
    chinese += [kind.name_zh for each in GOODS for kind in each.kinds]

    assert [text for text in chinese if faults_zh(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "支付失败",
        "链接无效。",
        "请稍候,马上好",
        "好了.",
        "联系我们: 电话",
        "订单(已付)",
        "共3件",
        "等Alipay答复",
        "请打开{name},谢谢",
        "付款码",
    ],
)
def test_such_texts_are_found(text):
    assert faults_zh(text)


@pytest.mark.parametrize("text", ["Oops", "Payment failed.", "Invalid number", "Paid!"])
def test_such_english_is_found(text):
    assert NEVER_EN.search(text)


@pytest.mark.parametrize(
    "text",
    ["共 3 件，¥128.00。", "请填写邮箱，例如 name@example.com。", "本收据不是发票。", "「在浏览器打开」（推荐）"],
)
def test_good_texts_pass(text):
    assert not faults_zh(text)
