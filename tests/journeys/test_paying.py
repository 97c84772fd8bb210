"""A buyer pays, in every way this shop knows, and sees the truth at each step."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from config.local import purchase
from tests.journeys.conftest import DESKTOP, PHONE

WORDS = {
    "zh-CN": {
        "waiting": "扫一扫付款", "scanned": "已扫码，请在手机上确认", "paid": "已付款 ¥128.00",
        "not_seen": "支付宝还没有收到这笔付款",
        "i_paid": "我已经付了，看结果", "web": "在网页上登录支付宝付款", "phone": "打开支付宝付款", "sign_in": "登录支付宝",
        "confirm": "确认付款", "again": "再核实", "show": "显示二维码", "code": "支付宝二维码，¥128.00",
    },
    "en-US": {
        "waiting": "Scan with Alipay to pay", "scanned": "Scanned. Confirm on your phone", "paid": "Paid ¥128.00",
        "not_seen": "Alipay has not seen this payment yet", "i_paid": "I have paid, show the result",
        "web": "Sign in to Alipay on the web", "phone": "Pay with Alipay", "sign_in": "Sign in to Alipay",
        "confirm": "Confirm payment", "again": "Check again", "show": "Show the QR code", "code": "Alipay QR code, ¥128.00",
    },
}  # fmt: skip
both_languages = pytest.mark.parametrize("language", WORDS)


def heading(page: Page) -> Any:
    return page.locator("#state h2")


@both_languages
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_by_code_the_page_follows_the_buyer_by_itself(request_payment, control, open_browser, language, size):
    words, payment = WORDS[language], request_payment()
    page = open_browser(size, language).new_page()
    page.goto(payment.page_url)
    code = page.get_by_role("img", name=words["code"])
    if size == PHONE:
        expect(page.get_by_role("button", name=words["phone"])).to_be_in_viewport(ratio=1)
        page.get_by_role("link", name=re.compile(words["show"])).click()
    expect(code).to_be_visible()
    assert code.bounding_box()["width"] >= 240

    control("scan", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(words["scanned"])
    expect(code).not_to_be_visible()
    control("pay", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(words["paid"])
    expect(page.locator("#said")).to_contain_text(words["paid"])
    expect(page.get_by_role("button", name=words["i_paid"])).to_have_count(0)
    assert page.title().startswith(words["paid"])


@both_languages
@pytest.mark.parametrize("muted", ["true", "false"], ids=["without notices", "with notices"])
def test_on_alipays_page_in_the_same_tab_and_back(request_payment, control, open_browser, language, muted):
    control("faults", mute=muted)
    words, payment = WORDS[language], request_payment()
    context = open_browser(DESKTOP, language)
    page = context.new_page()
    page.goto(payment.page_url)

    page.get_by_role("button", name=words["web"]).click()
    page.get_by_role("button", name=words["sign_in"]).click()
    page.get_by_role("button", name=words["confirm"]).click()

    expect(heading(page)).to_contain_text(words["paid"])
    assert page.url == payment.page_url, "and nothing of Alipay's parameters is left in the address"
    assert len(context.pages) == 1


@both_languages
def test_on_a_phone_without_notices(request_payment, control, open_browser, language):
    control("faults", mute="true")
    words, payment = WORDS[language], request_payment("wap")
    page = open_browser(PHONE, language, has_touch=True).new_page()
    page.goto(payment.page_url)

    page.get_by_role("button", name=words["phone"]).click()
    page.get_by_role("button", name=words["sign_in"]).click()
    page.get_by_role("button", name=words["confirm"]).click()

    expect(heading(page)).to_contain_text(words["paid"])


@both_languages
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_without_script_a_button_asks(request_payment, control, open_browser, language, size):
    control("faults", mute="true")
    words, payment = WORDS[language], request_payment()
    page = open_browser(size, language, java_script_enabled=False).new_page()
    page.goto(payment.page_url)
    if size == PHONE:
        page.get_by_role("link", name=re.compile(words["show"])).click()
    expect(page.get_by_role("img", name=words["code"])).to_be_visible()

    page.get_by_role("button", name=words["i_paid"]).click()
    expect(heading(page)).to_contain_text(words["not_seen"])
    control("pay", out_trade_no=payment.out_trade_no)
    page.wait_for_timeout(1200)  # an answer younger than a second is shown again
    again = page.get_by_role("button", name=words["again"])
    if again.count():
        again.click()
    expect(heading(page)).to_contain_text(words["paid"])


def test_without_script_the_web_page_works_too(request_payment, control, open_browser):
    words, payment = WORDS["zh-CN"], request_payment("page")
    page = open_browser(DESKTOP, java_script_enabled=False).new_page()
    page.goto(payment.page_url)

    page.get_by_role("button", name=words["web"]).click()
    page.get_by_role("button", name=words["sign_in"]).click()
    page.get_by_role("button", name=words["confirm"]).click()
    page.wait_for_timeout(1500)
    page.reload()

    expect(heading(page)).to_contain_text(words["paid"])


def test_two_tabs_and_a_phone_agree_within_two_seconds(request_payment, control, open_browser):
    payment = request_payment()
    pages = [open_browser().new_page(), open_browser(PHONE).new_page()]
    pages.append(pages[0].context.new_page())
    for each in pages:
        each.goto(payment.page_url)
    control("pay", out_trade_no=payment.out_trade_no)
    purchase.until("paid", lambda: purchase.page_state(payment) == "paid")

    for each in pages:
        each.bring_to_front()
        expect(heading(each)).to_contain_text(WORDS["zh-CN"]["paid"], timeout=2000)


@pytest.mark.rows("F75")
def test_back_from_alipay_unpaid_shows_the_same_order_still_payable(request_payment, open_browser):
    words, payment = WORDS["zh-CN"], request_payment("page")
    page = open_browser().new_page()
    page.goto(payment.page_url)
    page.get_by_role("button", name=words["web"]).click()
    page.get_by_role("button", name=words["sign_in"]).wait_for()

    page.go_back()

    expect(page.locator(".amount")).to_have_text("¥128.00")
    button = page.get_by_role("button", name=words["web"])
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_role("button", name=words["sign_in"])).to_be_visible()


def test_a_second_code_replaces_the_first_and_the_first_still_counts(request_payment, control, open_browser, manage):
    words, payment = WORDS["zh-CN"], request_payment()
    page = open_browser().new_page()
    page.goto(payment.page_url)
    page.get_by_role("button", name=words["web"]).click()
    page.get_by_role("button", name=words["sign_in"]).wait_for()
    page.go_back()
    page.reload()
    expect(page.get_by_role("img", name=words["code"])).to_have_count(0)

    control("pay", out_trade_no=payment.out_trade_no)

    expect(heading(page)).to_contain_text(words["paid"])
    assert manage("explain", payment.order_number, "--json")["order"]["paid_fen"] == 12_800


def test_wrong_person_scanned_and_a_new_code_is_taken(request_payment, control, open_browser):
    payment = request_payment()
    page = open_browser().new_page()
    page.goto(payment.page_url)
    control("scan", out_trade_no=payment.out_trade_no)

    page.get_by_role("button", name="不是您扫的？取新的二维码").click()

    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["waiting"])
    expect(page.get_by_role("img", name=WORDS["zh-CN"]["code"])).to_be_visible()


def test_time_runs_out_and_the_page_says_so_only_after_asking(request_payment, open_browser):
    payment = request_payment(minutes=0.15)
    page = open_browser().new_page()
    page.goto(payment.page_url)

    expect(heading(page)).to_contain_text("时间到了", timeout=20_000)
    expect(page.locator("#state")).to_contain_text("支付宝确认没有收到付款")


def test_the_language_switch_keeps_the_page(request_payment, page: Page):
    payment = request_payment()
    page.goto(payment.page_url)

    page.get_by_role("button", name="English").click()

    expect(heading(page)).to_contain_text("Scan with Alipay to pay")
    assert page.url == payment.page_url


# --- when the line is bad -------------------------------------------------------------------------------------------


def test_offline_the_page_stays_and_goes_on_by_itself(request_payment, control, open_browser):
    payment = request_payment()
    context = open_browser()
    page = context.new_page()
    page.goto(payment.page_url)

    context.set_offline(True)
    expect(page.locator("#line")).to_contain_text("网络断开了，付款不受影响")
    expect(page.get_by_role("img", name=WORDS["zh-CN"]["code"])).to_be_visible()
    expect(page.locator("#line")).to_contain_text(re.compile(r"上次核实 \d\d:\d\d"))
    control("pay", out_trade_no=payment.out_trade_no)
    context.set_offline(False)

    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"])
    expect(page.locator("#line")).to_be_hidden()


def broken(kind: str) -> Callable[[Route], None]:
    answers: dict[str, Callable[[Route], None]] = {
        "cut": lambda route: route.abort(),
        "500": lambda route: route.fulfill(status=500, body="x"),
        "html": lambda route: route.fulfill(status=200, content_type="text/html", body="<html>proxy</html>"),
        "429": lambda route: route.fulfill(status=429, headers={"Retry-After": "1"}),
    }
    return answers[kind]


def test_who_does_not_want_to_wait_has_the_page_try_again(request_payment, control, page: Page):
    payment = request_payment()
    page.route("**/status", broken("cut"))
    page.goto(payment.page_url)
    expect(page.locator("#line")).to_contain_text("暂时连不上本店", timeout=10_000)
    control("pay", out_trade_no=payment.out_trade_no)
    page.unroute("**/status")

    page.get_by_role("button", name="再试一次").press("Enter")

    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"])
    expect(heading(page)).to_be_focused()
    expect(page.locator("#line")).to_be_hidden()


@pytest.mark.parametrize("kind", ["cut", "500", "html", "429"])
def test_polls_that_fail_go_on_until_they_succeed(request_payment, control, page: Page, kind):
    payment = request_payment()
    left = [3]

    def sometimes(route: Route) -> None:
        left[0] -= 1
        broken(kind)(route) if left[0] >= 0 else route.continue_()

    page.route("**/status", sometimes)
    page.goto(payment.page_url)
    control("pay", out_trade_no=payment.out_trade_no)

    expect(page.locator("#line")).to_contain_text("暂时连不上本店，付款不受影响")
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"], timeout=25_000)
    expect(page.locator("#line")).to_be_hidden()


def test_an_unknown_word_from_a_newer_server_means_ask_again(request_payment, control, page: Page):
    payment = request_payment()
    page.route(
        "**/status",
        lambda route: route.fulfill(json={"version": "?", "state": "teleported", "left": 1, "next": 500}),
        times=2,
    )
    page.goto(payment.page_url)
    control("pay", out_trade_no=payment.out_trade_no)

    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"])


# --- people who can't see it, slow lines, other clocks ---------------------------------------------------------------


def test_one_live_region_speaks_once_per_change_and_the_timer_is_silent(request_payment, control, page: Page):
    payment = request_payment()
    page.goto(payment.page_url)
    assert page.locator("[aria-live]").count() == 1
    assert page.locator("#said").inner_text() == ""
    page.evaluate("""() => { window.heard = []; new MutationObserver(() =>
        window.heard.push(document.getElementById('said').textContent)).observe(document.getElementById('said'),
        { childList: true, characterData: true, subtree: true }); }""")

    control("scan", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["scanned"])
    control("pay", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"])

    assert page.evaluate("window.heard") == [WORDS["zh-CN"]["scanned"], WORDS["zh-CN"]["paid"]]
    assert page.locator("[role=timer][aria-live]").count() == 0


def test_focus_moves_only_when_what_had_it_vanished(request_payment, control, page: Page):
    payment = request_payment()
    page.goto(payment.page_url)
    page.locator("summary").focus()
    control("scan", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["scanned"])
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"

    page.get_by_role("button", name=WORDS["zh-CN"]["i_paid"]).focus()
    control("pay", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"])
    assert page.evaluate("document.activeElement.tagName") == "H2"


def test_everything_is_reached_by_tab_in_reading_order(request_payment, page: Page):
    payment = request_payment()
    page.goto(payment.page_url)
    seen = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText.trim()"))

    assert seen[:1] == ["跳到正文"]
    assert seen[1:] == [
        "保存图片",
        "在网页上登录支付宝付款",
        "我已经付了，看结果",
        "遇到问题？",
        "送货与退款",
        "English",
        *seen[7:],
    ]


def test_the_browsers_clock_and_zone_do_not_matter(request_payment, open_browser):
    payment = request_payment()
    context = open_browser(timezone_id="America/New_York")
    page = context.new_page()
    page.clock.install(time="2031-01-01T00:00:00")
    page.goto(payment.page_url)

    expect(page.locator(".timer")).to_contain_text("还剩 14 分钟")


def test_the_page_is_light_and_calls_nobody_else(request_payment, product, open_browser):
    payment = request_payment()
    page = open_browser().new_page()
    weights: dict[str, int] = {}
    page.on("response", lambda answer: weights.update({answer.url: len(answer.body())}))
    page.goto(payment.page_url, wait_until="load")
    page.wait_for_timeout(300)

    assert all(url.startswith(product.shop) for url in weights)
    scripts = sum(size for url, size in weights.items() if url.endswith(".js"))
    first = sum(size for url, size in weights.items() if not url.endswith("status"))
    assert scripts <= 20_000
    assert first <= 40_000


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE, {"width": 1440, "height": 900}], ids=["1280", "360", "1440"])
def test_no_barrier_that_a_machine_can_find(request_payment, control, open_browser, theme, size, axe):
    payment = request_payment()
    page = open_browser(size, color_scheme=theme).new_page()
    page.goto(payment.page_url)
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scroll"
    control("scan", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["scanned"])
    assert axe(page) == []
    control("pay", out_trade_no=payment.out_trade_no)
    expect(heading(page)).to_contain_text(WORDS["zh-CN"]["paid"])
    assert axe(page) == []


def test_the_code_is_white_with_its_margin_in_the_dark_too(
    request_payment, open_browser: Callable[..., BrowserContext]
):
    payment = request_payment()
    page = open_browser(DESKTOP, color_scheme="dark").new_page()
    page.goto(payment.page_url)

    plate = page.locator(".plate")
    assert plate.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    box = plate.locator("svg").bounding_box()
    assert box is not None
    assert box["width"] >= 240
    assert box["width"] == round(box["width"])
