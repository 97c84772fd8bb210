"""A day of the books in a real browser: its bill fetched from the pretend Alipay, a difference, its case, and the day closed."""

import re
from datetime import UTC, datetime

from playwright.sync_api import expect

from config.local import purchase
from payments.alipay.clock import BEIJING
from tests.journeys.conftest import DESKTOP
from tests.journeys.test_staff import enter, staff

__all__ = ["staff"]
# The worker would come within a minute by itself; a journey rings the bell.
TEND = """
from django.db.models.functions import Now
from payments.models import BillDay
from payments.services.books.days import begin_days
from payments.services.books.tend import tend_books
from payments.models.clock import database_now
begin_days(database_now())
"""


def test_a_day_with_a_line_too_many_is_fetched_looked_into_and_closed(
    product, staff, request_payment, control, open_browser, axe
):
    today = f"{datetime.now(UTC).astimezone(BEIJING):%Y-%m-%d}"
    paid = request_payment(amount="41.00")
    control("pay", out_trade_no=paid.out_trade_no)
    purchase.until("paid", lambda: purchase.page_state(paid) == "paid")
    product.manage("shell", "-c", TEND)
    page = open_browser(DESKTOP, "en-US").new_page()
    enter(page, product.shop, "finance")
    page.goto(f"{product.shop}/admin/payments/billday/")
    expect(page.locator(".month .today")).to_contain_text("not out yet")
    assert axe(page) == []
    page.locator(".month .today a").click()

    control("bill", bill_type="trade", bill_date=today, duplicated="99")
    control("clock", ahead_s=str(36 * 3600))  # it is the day after tomorrow there: today's bill is out
    try:
        page.get_by_role("button", name="Fetch now").click()
        expect(page.get_by_text("Alipay is asked within a minute")).to_be_visible()
        product.manage("shell", "-c", TEND + "tend_books()")
    finally:
        control("clock", ahead_s="0")
        control("bill", bill_type="trade", bill_date=today, duplicated="0")

    page.reload()
    expect(page.locator(".sides")).to_contain_text("+¥")
    twice = page.locator("tr", has_text="stands twice in the bill").filter(has_text=paid.out_trade_no)
    while not twice.count():  # other journeys may have filled the pages before
        page.locator("a[rel=next]").click()
    twice.get_by_role("link", name="Case").click()
    expect(page.locator(".record tbody tr").first).to_contain_text("how often")
    page.wait_for_load_state()  # the keys come with the page's script
    page.keyboard.press("a")
    expect(page.get_by_text("It is yours now.")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("r")
    page.keyboard.type("Alipay's support: the first line holds")
    page.get_by_role("button", name="Resolve with this note").click()
    expect(page.locator(".sentence")).to_contain_text("resolved")
    assert axe(page) == []
    page.get_by_role("link", name=re.compile(rf"^{today}$")).click()
    page.get_by_role("button", name="Close the day").click()
    expect(page.get_by_text("The day is closed.")).to_be_visible()
    expect(page.locator(".sentence")).to_contain_text("closed with")
