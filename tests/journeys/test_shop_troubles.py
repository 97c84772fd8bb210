"""What goes otherwise between shelf and receipt, and what the shopper reads then. Each story in one width and language."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from config.local import purchase
from tests.journeys.conftest import DESKTOP, PHONE
from tests.journeys.test_shopping import TYPED, WORDS, fill_cart

ZH, EN = "zh-CN", "en-US"
ON_A_PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36"


@pytest.fixture
def sql(product) -> Iterator[Callable[..., object]]:
    """Set the scene in the product's own database: what another shopper, a colleague or the clock would do."""
    with psycopg.connect(product.environment["DATABASE_URL"], autocommit=True) as database:
        yield lambda statement, *values: database.execute(statement, values)
        database.execute("UPDATE checkout_variant SET price_fen = 8880 WHERE sku = 'LJ-50'")
        database.execute(
            "UPDATE checkout_stock SET on_hand = 500 FROM checkout_variant v WHERE v.id = variant_id AND sku = 'LJ-50'"
        )


def heading(page: Page) -> Any:
    return page.locator("#state h2")


def to_the_last_page(page: Page, shop: str, words: dict[str, str]) -> None:
    page.goto(f"{shop}/checkout/")
    for name, text in TYPED.items():
        page.fill(f"[name={name}]", text)
    page.get_by_role("button", name=words["on"]).click()


def confirm(page: Page, words: dict[str, str], way: str = "qr") -> None:
    page.locator(f"[name=way][value={way}]").check()
    page.get_by_role("button", name=words["confirm"]).click()


def at_the_last_page(open_browser: Callable[..., Any], shop: str, size: Any, language: str, **more: Any) -> Page:
    page: Page = open_browser(size, language, **more).new_page()
    fill_cart(page, shop, WORDS[language])
    to_the_last_page(page, shop, WORDS[language])
    return page


def number_on(page: Page) -> str:
    return re.sub(r"\D", "", page.locator(".ref .number").inner_text())


# --- while ordering -------------------------------------------------------------------------------------------------


def test_gone_while_the_last_page_was_open_offers_the_rest(product, open_browser, sql):
    page = open_browser(PHONE, EN).new_page()
    page.goto(f"{product.shop}/goods/gaiwan/")
    page.get_by_role("button", name="Add to cart").click()
    fill_cart(page, product.shop, WORDS[EN])
    to_the_last_page(page, product.shop, WORDS[EN])
    sql("UPDATE checkout_stock SET on_hand = held FROM checkout_variant v WHERE v.id = variant_id AND sku = 'LJ-50'")

    confirm(page, WORDS[EN])

    expect(page.get_by_role("alert")).to_contain_text("is sold out")
    expect(page.get_by_role("button", name=WORDS[EN]["confirm"])).to_have_count(0)
    page.get_by_role("button", name="Go on with the rest").click()
    confirm(page, WORDS[EN])
    expect(page.get_by_role("heading", level=1)).to_contain_text("gaiwan")


def test_a_price_that_moved_stops_the_page_until_the_new_one_is_confirmed(product, open_browser, sql):
    page = at_the_last_page(open_browser, product.shop, DESKTOP, ZH)
    sql("UPDATE checkout_variant SET price_fen = 9900 WHERE sku = 'LJ-50'")

    confirm(page, WORDS[ZH])

    expect(page.get_by_role("alert")).to_contain_text("¥88.80 → ¥99.00")
    assert page.title().startswith("错误：")
    confirm(page, WORDS[ZH])
    expect(page.locator(".amount")).to_have_text("¥99.00")


# --- ways to pay ----------------------------------------------------------------------------------------------------


def test_an_account_signs_in_on_the_way_and_pays_on_alipays_page(product, open_browser):
    person = "from payments.models import User; User.objects.create_user('mei@example.com', 'a long walk in the hills')"
    product.manage("shell", "-c", person)
    page = open_browser(DESKTOP, EN).new_page()
    fill_cart(page, product.shop, WORDS[EN])
    page.goto(f"{product.shop}/checkout/")
    page.get_by_role("link", name="I have one: sign in").click()
    page.fill("[name=email]", "mei@example.com")
    page.fill("[name=password]", "a long walk in the hills")
    page.locator("form:has([name=password]) button.primary").click()
    to_the_last_page(page, product.shop, WORDS[EN])

    confirm(page, WORDS[EN], "page")
    page.get_by_role("button", name="Sign in to Alipay").click()
    page.get_by_role("button", name="Confirm payment").click()

    expect(heading(page)).to_contain_text("Paid ¥88.80")
    page.get_by_role("link", name="See the order").click()
    expect(page.get_by_text("龙井路 1 号")).to_be_visible()
    page.goto(f"{product.shop}/orders/")
    expect(page.locator(".orders-list li")).to_have_count(1)
    fill_cart(page, product.shop, WORDS[EN])
    page.goto(f"{product.shop}/checkout/")
    page.get_by_role("button", name="Deliver there, as last time").click()
    expect(page.get_by_role("button", name=WORDS[EN]["confirm"])).to_be_visible()


def test_a_phone_goes_straight_to_alipay_and_back_without_script(product, open_browser):
    page = at_the_last_page(open_browser, product.shop, PHONE, ZH, java_script_enabled=False, user_agent=ON_A_PHONE)

    confirm(page, WORDS[ZH], "wap")
    page.get_by_role("button", name="登录支付宝").click()
    page.get_by_role("button", name="确认付款").click()

    for _ in range(30):
        if "已付款" in heading(page).inner_text():
            break
        page.wait_for_timeout(300)
        page.reload()
    expect(heading(page)).to_contain_text("已付款 ¥88.80")
    page.get_by_role("link", name="收据", exact=True).click()
    expect(page.locator("tfoot")).to_contain_text("¥88.80")


def test_who_lacks_money_at_alipay_comes_back_to_the_same_order_and_pays_after_all(request_payment, open_browser):
    payment = request_payment("page")
    page = open_browser(DESKTOP, EN).new_page()
    page.goto(payment.page_url)
    page.get_by_role("button", name="Sign in to Alipay on the web").click()
    page.get_by_role("button", name="Sign in to Alipay").click()
    page.get_by_role("button", name="Balance too low").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("refuses")

    page.goto(payment.page_url)
    page.get_by_role("button", name="I have paid, show the result").click()
    expect(heading(page)).to_contain_text(re.compile("not seen|Scanned"))
    assert "#now" in page.url
    assert page.evaluate("document.activeElement.id") == "now", "the answer to one's own press has the focus"
    page.goto(payment.pay_url)
    page.get_by_role("button", name="Confirm payment").click()

    expect(heading(page)).to_contain_text("Paid ¥128.00")


# --- time -----------------------------------------------------------------------------------------------------------


def test_more_time_comes_with_a_code_that_lives_as_long(request_payment, control, open_browser, manage):
    payment = request_payment(minutes=0.5)
    page = open_browser(DESKTOP, ZH).new_page()
    page.goto(payment.page_url)
    first = page.locator(".plate svg").inner_html()

    page.get_by_role("button", name="再留 10 分钟").click()

    expect(page.locator(".timer")).to_contain_text("还剩 10 分钟")
    assert page.locator(".plate svg").inner_html() != first
    attempts = manage("explain", payment.order_number, "--json")["transactions"]
    control(
        "pay",
        out_trade_no=next(each["out_trade_no"] for each in attempts if each["out_trade_no"] != payment.out_trade_no),
    )
    expect(heading(page)).to_contain_text("已付款 ¥128.00")


def test_a_code_whose_time_is_up_is_replaced_and_the_order_paid(request_payment, control, open_browser, sql, manage):
    payment = request_payment()
    page = open_browser(PHONE, EN).new_page()
    page.goto(payment.page_url)
    sql(
        "UPDATE payments_transaction SET time_expire = now() - interval '1 second' WHERE out_trade_no = %s",
        payment.out_trade_no,
    )
    expect(heading(page)).to_contain_text("Time is up, this code no longer works")
    expect(page.locator("#state")).to_contain_text("Your items are still kept.")

    page.get_by_role("button", name="Get a new code").click()

    expect(heading(page)).to_contain_text("Pay with Alipay")
    expect(page.locator(".plate svg")).to_be_attached()
    attempts = manage("explain", payment.order_number, "--json")["transactions"]
    control(
        "pay",
        out_trade_no=next(each["out_trade_no"] for each in attempts if each["out_trade_no"] != payment.out_trade_no),
    )
    expect(heading(page)).to_contain_text("Paid ¥128.00")


def test_money_for_a_cancelled_order_is_said_to_go_back(request_payment, control, open_browser):
    payment = request_payment()
    page = open_browser(DESKTOP, EN).new_page()
    page.goto(payment.page_url.replace("/pay/", "/order/"))
    page.get_by_role("button", name="Cancel this order").click()
    page.goto(payment.page_url)
    expect(heading(page)).to_contain_text("This order was cancelled; please don't scan")

    control("pay", out_trade_no=payment.out_trade_no)

    purchase.until("known", lambda: purchase.page_state(payment) == "paid_late")
    page.reload()
    expect(heading(page)).to_contain_text("Your payment arrived after the order closed")
    expect(page.locator("#state")).to_contain_text("¥128.00")
    expect(page.get_by_role("button", name="Pay with Alipay")).to_have_count(0)


# --- nobody answers -------------------------------------------------------------------------------------------------


def test_a_dead_gateway_is_doubt_without_a_way_to_pay_until_it_answers(request_payment, control, open_browser):
    payment = request_payment()
    page = open_browser(PHONE, ZH).new_page()
    page.goto(payment.page_url)
    control("faults", http_500="1000")

    page.get_by_role("button", name="打开支付宝付款").click()
    expect(heading(page)).to_contain_text("暂时还不知道结果")
    expect(page.locator("#state")).to_contain_text("请先不要再付")
    for way in ("打开支付宝付款", "显示二维码", "在网页上登录支付宝付款"):
        expect(page.get_by_role("button", name=way)).to_have_count(0)

    control("faults", http_500="0")
    control("pay", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text("已付款 ¥128.00", timeout=20_000)


# --- other browsers -------------------------------------------------------------------------------------------------


def test_who_comes_back_without_a_session_finds_the_result_but_not_the_address(product, open_browser):
    page = at_the_last_page(open_browser, product.shop, DESKTOP, ZH)
    confirm(page, WORDS[ZH], "page")
    page.get_by_role("button", name="登录支付宝").click()
    page.context.clear_cookies()
    page.get_by_role("button", name="确认付款").click()

    expect(page.locator("main")).to_contain_text("您从支付宝回到了另一个浏览器，结果也在这里，不用再付。")
    expect(heading(page)).to_contain_text("已付款 ¥88.80")
    assert "?" not in page.url
    page.get_by_role("link", name="查看订单").click()
    expect(page.get_by_text("龙井路 1 号")).to_have_count(0)
    page.fill("[name=tail]", "0000")
    page.locator("form:has([name=tail]) button").click()
    expect(page.get_by_text("龙井路 1 号")).to_be_visible()


def test_inside_wechat_the_way_out_is_shown_and_copied(request_payment, product, open_browser):
    payment = request_payment()
    context = open_browser(PHONE, ZH, user_agent=f"{ON_A_PHONE} MicroMessenger/8.0.44")
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=product.shop)
    page = context.new_page()
    page.goto(payment.page_url)
    expect(page.locator("#state")).to_contain_text("微信里打不开支付宝")
    expect(page.get_by_role("button", name="打开支付宝付款")).to_have_count(0)

    page.get_by_role("button", name="复制链接").click()

    expect(page.locator("#said")).to_have_text("已复制")
    assert page.evaluate("navigator.clipboard.readText()") == payment.page_url


def test_an_app_that_did_not_open_is_noticed_after_three_seconds(request_payment, open_browser):
    payment = request_payment()
    page = open_browser(PHONE, EN, user_agent=ON_A_PHONE).new_page()
    page.goto(payment.page_url)
    page.route("**/start/wap", lambda route: route.fulfill(status=204))
    hint = page.get_by_text("Alipay didn't open?")
    expect(hint).to_be_hidden()

    page.get_by_role("button", name="Pay with Alipay").click()

    expect(hint).to_be_visible()
    expect(page.get_by_role("button", name="Pay on the web")).to_be_visible()
