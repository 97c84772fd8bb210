"""Staff in a real browser: in by password and code, a refund asked for, approved by another, seen through to its end."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from config.local import purchase
from payments.services.second_factor import current_code
from tests.journeys.conftest import DESKTOP, PHONE

PASSWORD = "a long walk in the hills"
KEYS = {
    "support": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "approver": "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U",
    "finance": "NBSWY3DPEB3W64TMMQQGC3TEEBZWC3LF",
}  # fmt: skip
MAKING = f"""
from django.contrib.auth.models import Group
from payments.models import CodeApp, User
for role, key in {KEYS!r}.items():
    person, made = User.objects.get_or_create(email=role + "@staff.example", defaults={{"is_staff": True}})
    person.set_password({PASSWORD!r}); person.save(); person.groups.add(Group.objects.get(name=role))
    if made:
        CodeApp.objects.create(user=person, key=key)
"""


@pytest.fixture(scope="module")
def staff(product):
    product.manage("shell", "-c", MAKING)


def enter(page: Page, shop: str, role: str) -> None:
    """To the first page of the staff's; a code works once, so a used one is waited out."""
    page.goto(f"{shop}/admin/")
    page.fill("[name=email]", f"{role}@staff.example")
    page.fill("[name=password]", PASSWORD)
    page.locator("article form button.primary").first.click()
    for _ in range(3):
        page.fill("#code", current_code(KEYS[role], datetime.now(UTC)))
        page.locator("#code").press("Enter")
        page.wait_for_load_state()
        if page.locator("#code").count() == 0:
            return
        time.sleep(31 - datetime.now(UTC).second % 30)
    raise AssertionError("the second factor was not taken")


def number_on(page: Page) -> str:
    return re.sub(r"\D", "", page.locator("h1 .ref").inner_text())


def refused_from_another_site(page: Page, refund: str) -> int:
    """The status a page of another site gets when its form approves this refund."""
    page.goto("data:text/html,<form method=post><input name=approve value=1><button>You won</button></form>")
    page.evaluate("to => document.forms[0].action = to", refund.replace("/change/", "/decide/"))
    with page.expect_navigation() as went:
        page.get_by_role("button").click()
    return went.value.status if went.value else 0


@pytest.mark.rows("M03", "M12")
def test_a_refund_is_asked_for_approved_by_another_and_comes_back(
    product, staff, request_payment, manage, control, open_browser, axe
):
    paid = request_payment(amount="300.00")
    control("pay", out_trade_no=paid.out_trade_no)
    purchase.until("paid", lambda: purchase.page_state(paid) == "paid")
    asking, deciding = (open_browser(size, "en-US").new_page() for size in (DESKTOP, PHONE))

    enter(asking, product.shop, "support")
    assert axe(asking) == []
    asking.locator("#content-main").get_by_role("link", name="Orders", exact=True).click()  # first click of three
    asking.get_by_role("link", name=paid.order_number).click()  # second: the order
    expect(asking.locator(".sentence")).to_contain_text("refundable ¥300.00")
    assert axe(asking) == []
    asking.get_by_role("link", name="Refund", exact=True).click()  # third: its refund
    asking.locator("input[name^=pieces_]").first.fill("1")
    asking.locator("[name=reason_code]").select_option("damaged")
    assert axe(asking) == []
    asking.get_by_role("button", name="Request the refund").click()
    expect(asking.get_by_text("A colleague must approve", exact=False).first).to_be_visible()
    refund = asking.url

    assert refused_from_another_site(deciding, refund) == 403
    enter(deciding, product.shop, "approver")
    assert refused_from_another_site(deciding, refund) == 403, "the cookie of somebody who may does not come along"
    deciding.goto(f"{product.shop}/admin/")
    deciding.get_by_role("link", name=re.compile("refunds wait for approval")).click()  # first: what waits
    deciding.locator("#result_list tbody a").first.click()  # second: the newest
    expect(deciding.locator("h1")).to_contain_text("¥300.00")
    assert axe(deciding) == []
    assert deciding.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways on a phone"
    deciding.get_by_role("button", name="Approve ¥300.00").click()  # third: approved
    expect(deciding.get_by_text("leaves for Alipay")).to_be_visible()

    purchase.until("refunded", lambda: manage("explain", paid.order_number, "--json")["order"]["state"] == "refunded")
    asking.goto(f"{product.shop}/admin/")
    asking.locator("#content-main").get_by_role("link", name="Refunds", exact=True).click()  # first: all refunds
    asking.locator("#result_list tbody a").first.click()  # second: how far the newest is
    expect(asking.locator(".sentence")).to_contain_text("Succeeded")
    assert asking.url == refund


SCRIPT = "</title><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.mark.rows("M19")
def test_a_script_that_a_customer_stored_is_only_words_to_staff(product, staff, manage, open_browser):
    paid = manage("request_payment", "--amount", "1.00", "--subject", SCRIPT, "--scene", "qr", "--json")
    page = open_browser(DESKTOP, "en-US").new_page()
    enter(page, product.shop, "support")
    page.goto(f"{product.shop}/admin/payments/order/")
    page.get_by_role("link", name=paid["order_number"]).click()

    expect(page.get_by_text("document.title='taken'").first).to_be_visible()
    assert page.title() != "taken"
    assert page.locator("img[src=x]").count() == 0


def is_refunded(manage: Callable[..., dict[str, Any]], number: str) -> bool:
    return manage("explain", number, "--json")["order"]["state"] == "refunded"


@pytest.mark.rows("M08", "M12")
def test_marked_orders_are_refunded_by_one_typed_total_and_one_approval(
    product, staff, request_payment, manage, control, open_browser, axe
):
    paid = [request_payment(amount=amount) for amount in ("210.00", "220.50")]
    for each in paid:
        control("pay", out_trade_no=each.out_trade_no)
    purchase.until("paid", lambda: all(purchase.page_state(each) == "paid" for each in paid))
    asking, deciding = (open_browser(size, "en-US").new_page() for size in (DESKTOP, PHONE))

    enter(asking, product.shop, "finance")
    asking.goto(f"{product.shop}/admin/payments/order/")
    for each in paid:
        asking.get_by_role("row", name=each.order_number).get_by_role("checkbox").check()
    asking.locator("[name=action]").select_option("refund_marked")
    asking.get_by_role("button", name="Go").click()
    assert axe(asking) == []
    asking.get_by_role("button", name="Show what would be refunded").click()
    expect(asking.locator(".sentence")).to_contain_text("¥430.50 of 2 orders would be refunded")
    assert axe(asking) == []
    asking.locator("[name=total]").fill("430.00")
    asking.keyboard.press("Enter")
    expect(asking.get_by_text("This is not the total")).to_be_visible()
    asking.locator("[name=total]").fill("430.50")
    asking.keyboard.press("Enter")
    expect(asking.locator(".sentence")).to_contain_text("¥430.50 of 2 orders waits", timeout=20_000)  # without a hand
    assert axe(asking) == []

    enter(deciding, product.shop, "approver")
    deciding.goto(asking.url)
    assert axe(deciding) == []
    assert deciding.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways on a phone"
    deciding.get_by_role("button", name="Approve 2 refunds, ¥430.50 in all").click()
    for each in paid:
        purchase.until("refunded", partial(is_refunded, manage, each.order_number))
    expect(deciding.locator(".sentence")).to_contain_text("¥430.50 of 2 orders went back", timeout=20_000)

    again = request_payment(amount="230.00")
    control("pay", out_trade_no=again.out_trade_no)
    purchase.until("paid", lambda: purchase.page_state(again) == "paid")
    asking.goto(f"{product.shop}/admin/payments/order/")
    asking.get_by_role("row", name=again.order_number).get_by_role("checkbox").check()
    asking.locator("[name=action]").select_option("refund_marked")
    asking.get_by_role("button", name="Go").click()
    asking.get_by_role("button", name="Show what would be refunded").click()
    asking.locator("[name=total]").fill("230.00")
    asking.keyboard.press("Enter")
    expect(asking.locator(".sentence")).to_contain_text("¥230.00 of 1 order waits", timeout=20_000)
    deciding.goto(asking.url)
    deciding.get_by_text("Don't agree to the whole").click()
    deciding.get_by_label("why").fill("another article was meant")
    assert axe(deciding) == []
    deciding.get_by_role("button", name="Take back 1 refund, ¥230.00").click()
    expect(deciding.locator(".sentence")).to_contain_text("Stopped: 0 of 1 orders went back", timeout=20_000)
    deciding.goto(f"{product.shop}/admin/payments/order/")
    assert deciding.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a list scrolls sideways on a phone"
