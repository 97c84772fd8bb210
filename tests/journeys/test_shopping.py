"""From the shop window to a paid order, in a real browser: two widths, two languages, with script and without."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import DESKTOP, PHONE

WORDS = {
    "zh-CN": {"add": "放进购物车", "out": "去结账", "on": "下一步：核对并付款", "confirm": "确认并付款", "paid": "已付款 ¥88.80",
              "order": "已付款，准备发货"},
    "en-US": {"add": "Add to cart", "out": "Check out", "on": "On to check and pay", "confirm": "Confirm and pay",
              "paid": "Paid ¥88.80", "order": "Paid, being prepared"},
}  # fmt: skip
TYPED = {
    "name": "林小满", "mobile": "138 0000 0000", "region": "浙江省杭州市", "address": "龙井路 1 号", "email": "lin@example.com",
}  # fmt: skip


def fill_cart(page: Page, shop: str, words: dict[str, str]) -> None:
    page.goto(f"{shop}/goods/longjing/")
    page.get_by_role("button", name=words["add"]).click()
    expect(page.locator(".said p")).to_contain_text("Longjing" if "Add" in words["add"] else "明前龙井")


def check_out(page: Page, shop: str, words: dict[str, str]) -> None:
    """To the paying page of a QR code."""
    page.goto(f"{shop}/cart/")
    page.get_by_role("link", name=words["out"]).click()
    for name, text in TYPED.items():
        page.fill(f"[name={name}]", text)
    page.get_by_role("button", name=words["on"]).click()
    page.locator("[name=way][value=qr]").check()
    page.get_by_role("button", name=words["confirm"]).click()
    expect(page.locator(".amount")).to_have_text("¥88.80")


def pay(page: Page, manage, control) -> None:
    """The buyer scans and pays what this page shows."""
    number = re.sub(r"\D", "", page.locator(".ref .number").inner_text())
    (attempt,) = manage("explain", number, "--json")["transactions"]
    control("pay", out_trade_no=attempt["out_trade_no"])


@pytest.mark.rows("F75")
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize(("size", "language"), [(DESKTOP, "zh-CN"), (PHONE, "en-US")], ids=["desk-zh", "phone-en"])
def test_a_guest_buys_tea(product, manage, control, open_browser, size, language, script):
    words, page = WORDS[language], open_browser(size, language, java_script_enabled=script).new_page()
    fill_cart(page, product.shop, words)
    check_out(page, product.shop, words)
    paying = page.url

    pay(page, manage, control)

    if script:
        expect(page.locator("#state h2")).to_contain_text(words["paid"])
    else:
        for _ in range(20):
            page.goto(paying)
            if words["paid"] in page.content():
                break
            page.wait_for_timeout(300)
    assert words["paid"] in page.content()
    page.goto(paying.replace("/pay/", "/order/"))
    expect(page.get_by_role("heading", level=1)).to_have_text(words["order"])
    expect(page.get_by_text("龙井路 1 号")).to_be_visible()
    for _ in range(20):
        page.goto(f"{product.shop}/cart/")
        if page.locator(".line-of").count() == 0:
            break
        page.wait_for_timeout(300)
    assert page.locator(".line-of").count() == 0, "what was bought has left the cart"


@pytest.mark.rows("F75")
def test_going_back_finds_the_order_and_changing_it_keeps_the_cart(product, open_browser):
    page = open_browser().new_page()
    fill_cart(page, product.shop, WORDS["zh-CN"])
    check_out(page, product.shop, WORDS["zh-CN"])
    paying = page.url

    page.goto(f"{product.shop}/checkout/pay/")
    expect(page.get_by_role("heading", level=1)).to_have_text("这笔订单已经生成")
    page.get_by_role("button", name="改动订单").click()

    expect(page.locator(".line-of")).to_have_count(1)
    page.goto(paying.replace("/pay/", "/order/"))
    expect(page.get_by_role("heading", level=1)).to_have_text("已取消，没有付款")
