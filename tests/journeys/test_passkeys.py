"""Passkeys in real Chromium: its virtual authenticator stands for the shopper's phone, and for a colleague's."""

import re

import pytest
from playwright.sync_api import Page, expect

from config.local import purchase

PASSWORD = "a long walk in the hills"


def add_device(page: Page) -> None:
    """A phone with a fingerprint reader, as this browser sees it; the person touches it whenever it asks."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip


def test_a_shopper_adds_a_passkey_and_signs_in_with_it(product, open_browser):
    shop = product.shop
    making = f"from payments.models import User; User.objects.create_user('key@example.com', {PASSWORD!r})"
    product.manage("shell", "-c", making)
    page = open_browser(language="en-US").new_page()
    add_device(page)

    page.goto(f"{shop}/account/sign-in/")
    page.fill("[name=email]", "key@example.com")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Passkeys").click()
    page.get_by_label("Name of this device").fill("my phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("my phone")
    page.get_by_role("button", name="Sign out").click()

    page.goto(f"{shop}/account/sign-in/?next=/account/passkeys/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/account/passkeys/"))
    expect(page.get_by_role("listitem").filter(has_text="my phone")).to_contain_text("last used")

    page.get_by_role("button", name="Remove my phone").click()
    expect(page.get_by_role("status")).to_contain_text("no longer opens")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{shop}/account/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("did not open an account here")


STAFF = """
from django.contrib.auth.models import Group
from payments.models import Refund, Transaction, User
from payments.money import Money
from payments.services.refund import request_refund
person = User.objects.create_user("key@staff.example", {password!r}, is_staff=True)
person.groups.add(Group.objects.get(name="approver"))
paid = Transaction.objects.get(out_trade_no={number!r})
print(request_refund(paid, Money(300_00), requester="staff:0", origin=Refund.Origin.STAFF).pk)
"""
STALE = """
from importlib import import_module
from django.conf import settings
session = import_module(settings.SESSION_ENGINE).SessionStore({key!r})
session["second_factor_at"] -= 601
session.save()
"""


@pytest.mark.rows("M12")
def test_a_colleague_proves_by_passkey_at_the_door_and_anew_when_approving(
    product, open_browser, request_payment, control, axe
):
    shop = product.shop
    paid = request_payment(amount="300.00")
    control("pay", out_trade_no=paid.out_trade_no)
    purchase.until("paid", lambda: purchase.page_state(paid) == "paid")
    made = product.manage("shell", "-v", "0", "-c", STAFF.format(password=PASSWORD, number=paid.out_trade_no))
    refund = f"{shop}/admin/payments/refund/{made.split()[-1]}/change/"
    page = open_browser(language="en-US").new_page()
    add_device(page)

    page.goto(f"{shop}/admin/")
    page.fill("[name=email]", "key@staff.example")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert axe(page) == []
    page.get_by_role("link", name="Add a passkey").click()  # instead of a code app, for the first second factor
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("is added")

    page.goto(refund)
    assert axe(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(refund)
    key = next(each["value"] for each in page.context.cookies() if each["name"].endswith("sessionid"))
    product.manage("shell", "-v", "0", "-c", STALE.format(key=key))
    page.get_by_role("button", name="Approve ¥300.00").click()
    page.get_by_role("button", name="Use a passkey").click()  # proved too long ago: once more
    expect(page).to_have_url(refund)
    page.get_by_role("button", name="Approve ¥300.00").click()
    expect(page.get_by_text("leaves for Alipay")).to_be_visible()
