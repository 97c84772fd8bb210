"""A passkey in real Chromium: its virtual authenticator stands for the shopper's phone."""

import re

from playwright.sync_api import expect

PASSWORD = "a long walk in the hills"


def test_a_shopper_adds_a_passkey_and_signs_in_with_it(product, open_browser):
    shop = product.shop.replace("127.0.0.1", "localhost")  # browsers take no IP address for a passkey
    making = f"from payments.models import User; User.objects.create_user('key@example.com', {PASSWORD!r})"
    product.manage("shell", "-c", making)
    page = open_browser(language="en-US").new_page()
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip

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
