"""A cashier and a scanner in a real browser: paid, password, refused, doubt; by keyboard alone, in both languages."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import DESKTOP, PHONE
from tests.journeys.test_staff import KEYS, PASSWORD, enter

CASHIERS = {"cashier": "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU", "owner": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
MAKING = f"""
from django.contrib.auth.models import Group
from payments.models import CodeApp, User
for role, key in {CASHIERS!r}.items():
    person, made = User.objects.get_or_create(email=role + "@staff.example", defaults={{"is_staff": True}})
    person.set_password({PASSWORD!r}); person.save(); person.groups.add(Group.objects.get(name=role))
    if made:
        CodeApp.objects.create(user=person, key=key)
"""


@pytest.fixture(scope="module")
def cashiers(product):
    product.manage("shell", "-c", MAKING)
    KEYS.update(CASHIERS)


@pytest.fixture
def codes(product, open_browser):
    """A buyer's phone: fresh payment codes, by what they lead to."""
    wallet = open_browser(PHONE, "en-US").new_page()

    def show(which: int) -> str:
        wallet.goto(f"{product.sandbox}/wallet")
        return str(wallet.locator("dl.codes dd").nth(which).inner_text())

    def confirm(amount: str) -> None:
        wallet.goto(f"{product.sandbox}/wallet")
        wallet.get_by_role("link", name=amount).click()
        wallet.get_by_role("button", name="Confirm payment").click()

    show.confirm = confirm  # type: ignore[attr-defined]  # the phone's other use
    return show


def scan(page: Page, code: str) -> None:
    """As a USB scanner does: keystrokes where the focus is, then Enter."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def sell(page: Page, amount: str, code: str) -> None:
    expect(page.locator("#amount")).to_be_focused()
    page.keyboard.type(amount)
    page.keyboard.press("Enter")
    expect(page.locator("#code")).to_be_focused()
    scan(page, code)


PAYS, ASKS, TOO_LITTLE = 0, 1, 2


def test_a_till_by_keyboard_and_scanner_alone(product, cashiers, codes, control, open_browser, axe):
    page = open_browser(DESKTOP, "en-US").new_page()
    state = page.locator(".charge .said")
    enter(page, product.shop, "cashier")
    page.get_by_role("link", name="Counter", exact=True).click()
    assert axe(page) == []

    sell(page, "41.20", codes(PAYS))
    expect(state).to_have_text("¥41.20 received")

    sell(page, "41.30", codes(ASKS))
    expect(state).to_have_text(re.compile(r"Buyer is confirming, \d+ s left"))
    expect(page.locator("#code")).to_be_focused()
    scan(page, codes(PAYS))
    expect(page.get_by_role("alert")).to_contain_text("still open")
    assert axe(page) == []
    codes.confirm("¥41.30")
    expect(state).to_have_text("¥41.30 received")

    sell(page, "41.40", codes(TOO_LITTLE))
    expect(state).to_have_text("Nothing was charged")
    assert axe(page) == []
    expect(page.locator("#code")).to_be_focused()
    scan(page, codes(PAYS))  # another code for the same sale
    expect(state).to_have_text("¥41.40 received")

    sell(page, "41.50", codes(ASKS))
    expect(state).to_have_text(re.compile("Buyer is confirming"))
    page.keyboard.press("Escape")
    expect(state).to_have_text("Not received, cancelled")
    expect(page.locator(".today .total")).to_have_text("¥123.90 from 3 sales")
    page.get_by_role("link", name="Another sale instead").click()

    control("faults", http_500="1", method="alipay.trade.pay")
    sell(page, "41.60", codes(PAYS))
    expect(state).to_contain_text("don't charge again")
    assert axe(page) == []
    page.get_by_role("button", name="Set aside, next buyer").click()
    expect(page.locator(".today tbody tr").first).to_contain_text("not certain yet")
    expect(page.locator("#amount")).to_be_focused()


TOLD = """
from payments.models import WebhookEndpoint
from payments.services.webhooks import add_endpoint, send_test
send_test(add_endpoint(url="http://127.0.0.1:9/", kinds=["bill_day.closed"], description="ERP", actor="staff:1"), actor="staff:1")
"""


def test_a_till_and_the_pages_of_programs_in_chinese_on_a_phone_in_the_dark(
    product, cashiers, codes, open_browser, axe
):
    page = open_browser(PHONE, color_scheme="dark").new_page()
    enter(page, product.shop, "owner")
    page.goto(f"{product.shop}/admin/payments/order/counter/")
    sell(page, "7", codes(PAYS))

    expect(page.locator(".charge .said")).to_have_text("已收 ¥7.00")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways on a phone"
    page.get_by_role("link", name="打印收据").click()
    expect(page.locator("h1")).to_contain_text("收据")

    product.manage("shell", "-c", TOLD)
    for records in ("webhookendpoint", "webhookdelivery", "apiclient"):
        page.goto(f"{product.shop}/admin/payments/{records}/")
        found = {f"{records} list": axe(page)}
        page.locator("#result_list th a").first.click()
        found[records] = axe(page)
        if records != "webhookdelivery":
            page.goto(f"{product.shop}/admin/payments/{records}/add/")
            found[f"{records} add"] = axe(page)
        assert found == {name: [] for name in found}
