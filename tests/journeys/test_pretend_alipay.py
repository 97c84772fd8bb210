"""The pretend Alipay's own pages, as buyers and operators use them."""

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import DESKTOP, PHONE


@pytest.mark.parametrize(("size", "theme", "language"), [(DESKTOP, "light", "zh-CN"), (PHONE, "dark", "en-US")])
def test_its_pages_have_no_barrier_that_a_machine_can_find(
    product, request_payment, control, open_browser, axe, size, theme, language
):
    paid, waiting = request_payment(), request_payment()
    control("pay", out_trade_no=paid.out_trade_no)
    control("scan", out_trade_no=waiting.out_trade_no)
    page = open_browser(size, language, color_scheme=theme).new_page()
    page.goto(f"{product.sandbox}/notices")
    notice = page.locator("tbody a").first.get_attribute("href")
    cashier = f"/cashier/{waiting.out_trade_no}"

    found = {}
    for path in ("/", "/wallet", "/notices", notice, "/faults", "/bills", cashier, f"/cashier/{paid.out_trade_no}"):
        page.goto(f"{product.sandbox}{path}")
        found[path] = axe(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
    page.goto(f"{product.sandbox}{cashier}")
    page.locator("button[formaction$=poor]").click()
    found["refused"] = axe(page)

    assert {path: seen for path, seen in found.items() if seen} == {}


def test_a_buyer_scans_in_the_wallet_is_refused_and_then_pays(product, request_payment, open_browser):
    payment = request_payment(amount="31.40")
    page = open_browser(PHONE, "en-US").new_page()
    page.goto(f"{product.sandbox}/wallet")
    page.get_by_role("link", name="¥31.40").click()
    page.get_by_role("button", name="Scan").click()
    page.get_by_role("button", name="Balance too low").click()
    expect(page.get_by_text("ACQ.BUYER_BALANCE_NOT_ENOUGH")).to_be_visible()
    page.get_by_role("link", name="Back, and try another way").click()
    page.get_by_role("button", name="Confirm payment").click()

    expect(page.get_by_text("Paid", exact=True)).to_be_visible()
    page.goto(payment.page_url)
    expect(page.locator("#state h2")).to_contain_text("Paid ¥31.40")


def test_an_operator_sets_a_fault_and_ends_it(product, control, open_browser):
    page = open_browser(DESKTOP, "en-US").new_page()
    page.goto(f"{product.sandbox}/faults")
    row = page.locator("#swallow")
    row.get_by_label("How often").fill("0.5")
    row.get_by_label("Only this method").fill("alipay.trade.refund")
    row.get_by_role("button", name="Set").click()

    assert control("faults", seed="1")["faults"]["swallow"]["chance"] == 0.5
    row.get_by_label("How often").fill("often")
    row.get_by_role("button", name="Set").click()
    expect(page.get_by_role("alert")).to_contain_text("a number of times")
    page.get_by_role("button", name="End all faults").click()
    assert control("faults", seed="1")["faults"] == {}
