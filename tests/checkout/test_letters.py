"""Mails as HTML: the words of the text, and nothing fetched from anywhere."""

import html
import re

import pytest

from checkout.letters import letter

TEXT = """已收到 ¥174.80，14:21 付款（北京时间）。

明前龙井 50 克  × 1  ¥88.80
合计  ¥174.80
订单  2026 1123 0000 0000

查看订单
https://shop.example/order/abc-_1/

今天发出。
请留意电话。

山间茶铺 · 0571 8888 0000"""


def words(page: str) -> list[str]:
    body = page.split("<body", 1)[1].split(">", 1)[1]
    return html.unescape(re.sub(r"<[^>]+>", " ", body)).split()


@pytest.mark.parametrize("text", [TEXT, "One line.\n\nhttps://shop.example/\n\nShop", "<b>  & “tea”\n\nShop"])
def test_html_and_text_say_the_same_words_in_the_same_order(text):
    seen = words(letter(text, subject="x", language="zh-hans"))

    assert [word for word in seen if not word.startswith("http")] == [
        word for word in text.split() if not word.startswith("http")
    ]


def test_an_address_becomes_a_button_named_by_the_line_above_and_can_be_read_too():
    page = letter(TEXT, subject="x", language="zh-hans")

    assert re.search(r'<a class="button" href="https://shop\.example/order/abc-_1/"[^>]*>查看订单</a>', page)
    assert words(page).count("https://shop.example/order/abc-_1/") == 1
    assert '<html lang="zh-Hans">' in page


def test_nothing_is_fetched_and_nothing_that_people_typed_becomes_markup():
    page = letter("<img src=x>  <script>\n\nShop", subject="</title>", language="en")

    assert not re.search(r"<(img|script|link|iframe|object)|url\(|@import", page)
    assert "&lt;img" in page
    assert "<title>&lt;/title&gt;</title>" in page
