"""Accounts by mail: nobody learns who has one, a link works once, the cart comes along."""

import re

import pytest
from django.core import mail
from django.test import Client

from checkout.models import CartLine
from payments.models import OutboxMessage, User
from payments.services.relay_outbox import relay_outbox

pytestmark = pytest.mark.usefixtures("committed_db")
PASSWORD = "a long walk in the hills"


def ticket_link(email: str = "lin@example.com", path: str = "/account/join/") -> str:
    Client().post(path, {"email": email})
    relay_outbox(limit=10)
    found = re.search(r"https://shop\.example(/account/password/\S+)", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found[1]


def test_a_mail_makes_the_account_and_its_link_works_once():
    link, browser = ticket_link(), Client()

    assert browser.post(link, {"password": PASSWORD})["Location"] == "/orders/"
    assert User.objects.get().check_password(PASSWORD)
    assert Client().post(link, {"password": "another long password"}).status_code == 410
    assert User.objects.get().check_password(PASSWORD)


def test_no_page_tells_who_has_an_account():
    User.objects.create_user("lin@example.com", PASSWORD)
    for path in ("/account/join/", "/account/forgotten/"):
        known, unknown = (Client().post(path, {"email": email}) for email in ("lin@example.com", "no@example.com"))
        assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    signs = [
        Client().post("/account/sign-in/", {"email": email, "password": "wrong"}).content.decode().count("对不上")
        for email in ("lin@example.com", "no@example.com")
    ]
    assert signs == [1, 1]


def test_the_address_lies_sealed_in_the_message():
    Client().post("/account/join/", {"email": "lin@example.com"})

    assert "lin@example.com" not in str(OutboxMessage.objects.get().payload)


@pytest.mark.parametrize("password", ["short", "123456789012", "lin@example.com"])
def test_weak_passwords_are_refused_in_words(password):
    answer = Client().post(ticket_link(), {"password": password})

    assert answer.status_code == 400
    assert not User.objects.exists()


def test_altered_and_invented_links_open_nothing():
    link = ticket_link()

    for path in (link[:-2] + "x/", "/account/password/abc/"):
        assert Client().get(path).status_code == 410


def test_ten_wrong_passwords_are_enough_for_a_while():
    User.objects.create_user("lin@example.com", PASSWORD)
    tries = [Client().post("/account/sign-in/", {"email": "lin@example.com", "password": "x"}) for _ in range(11)]

    assert tries[-1].status_code == 429


def test_the_cart_comes_along_at_sign_in(make_variant):
    User.objects.create_user("lin@example.com", PASSWORD)
    tea, cup = make_variant("LJ-50"), make_variant("CUP-1")
    phone, desk = Client(), Client()
    for browser, variant in ((phone, tea), (desk, cup)):
        browser.post("/cart/add", {"variant": variant.pk, "quantity": 2})
        browser.post("/account/sign-in/", {"email": "lin@example.com", "password": PASSWORD})

    assert sorted(CartLine.objects.values_list("variant__sku", "quantity")) == [("CUP-1", 2), ("LJ-50", 2)]
    assert "已并入您之前的 2 件" in desk.get("/cart/").content.decode()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(elsewhere):
    User.objects.create_user("lin@example.com", PASSWORD)

    answer = Client().post("/account/sign-in/", {"email": "lin@example.com", "password": PASSWORD, "next": elsewhere})

    assert answer["Location"] == "/orders/"


def test_the_page_of_passkeys_is_for_its_owner_alone():
    answer = Client().get("/account/passkeys/")
    assert answer["Location"] == "/account/sign-in/?next=/account/passkeys/"

    browser = Client()
    User.objects.create_user("lin@example.com", PASSWORD)
    browser.post("/account/sign-in/", {"email": "lin@example.com", "password": PASSWORD})
    page = browser.get("/account/passkeys/")
    assert page["Cache-Control"] == "no-store"
    assert 'data-passkey="create"' in page.content.decode()


def test_a_passkey_is_only_added_shortly_after_a_sign_in():
    browser = Client()
    User.objects.create_user("lin@example.com", PASSWORD)
    browser.post("/account/sign-in/", {"email": "lin@example.com", "password": PASSWORD})
    assert browser.post("/account/passkeys/begin").json()["user"]["name"] == "lin@example.com"

    session = browser.session
    session["signed_in_at"] -= 601
    session.save()
    assert browser.post("/account/passkeys/begin").status_code == 403
    assert 'data-passkey="create"' not in browser.get("/account/passkeys/").content.decode()


def test_an_invented_passkey_signs_nobody_in():
    browser = Client()
    assert "allowCredentials" not in browser.post("/account/passkey/begin").json()

    answer = browser.post("/account/passkey/sign-in", {"credential": '{"rawId": "AAAA"}'})
    assert answer["Location"] == "/account/sign-in/"
    assert "_auth_user_id" not in browser.session
    assert "没有打开" in browser.get("/account/sign-in/").content.decode()
