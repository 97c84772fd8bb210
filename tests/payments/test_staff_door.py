"""The way into the staff pages: password or passkey, then a second factor, and out again when anything changes."""

import re
from types import SimpleNamespace

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import cache
from django.test import Client, RequestFactory

from checkout.views.accounts import sign_in
from payments.models import AuditEvent, Passkey, User
from payments.models.clock import database_now
from payments.services import second_factor, throttle
from tests.conftest import enter

pytestmark = pytest.mark.django_db
PASSWORD = "a long walk in the hills"
DOOR = "/admin/second-factor/"


@pytest.fixture(autouse=True)
def _forget_tries():
    cache.clear()


@pytest.fixture
def ren() -> User:
    return User.objects.create_superuser("ren@example.com", PASSWORD)


@pytest.fixture
def key(ren) -> str:
    made, long_ago = second_factor.new_key(), database_now().replace(year=2020)
    assert second_factor.enrol(ren, key=made, code=second_factor.current_code(made, long_ago), now=long_ago)
    return made


@pytest.fixture
def desk(ren) -> Client:
    signed_in = Client()
    signed_in.post("/account/sign-in/", {"email": ren.email, "password": PASSWORD})
    return signed_in


@pytest.fixture
def owner() -> Client:
    person = User.objects.create_user("owner@example.com", PASSWORD, is_staff=True)
    person.groups.add(Group.objects.get(name="owner"))
    return enter(Client(), person)


def code(key: str) -> str:
    return second_factor.current_code(key, database_now())


@pytest.mark.rows("M01")
def test_strangers_are_sent_to_sign_in_and_shoppers_are_refused():
    stranger, shopper = Client(), Client()
    shopper.force_login(User.objects.create_user("lin@example.com", PASSWORD))

    first = stranger.get("/admin/payments/order/")
    assert stranger.get(first["Location"])["Location"].startswith("/account/sign-in/?next=/admin/payments/order/")
    assert shopper.get(shopper.get("/admin/payments/order/")["Location"]).status_code == 403
    assert shopper.get(DOOR)["Location"].startswith("/account/sign-in/")


def test_a_password_alone_opens_nothing(desk, key):
    first = desk.get("/admin/payments/order/")
    assert first.status_code == 302
    second = desk.get(first["Location"])

    assert second["Location"] == f"{DOOR}?next=/admin/payments/order/"
    assert "验证" in desk.get(second["Location"]).content.decode()


def test_the_door_bears_the_name_of_the_house(desk, key):
    page = desk.get(DOOR, headers={"accept-language": "en"}).content.decode()
    assert "<title>Second factor · Jiezhang</title>" in page
    assert '<a href="/admin/">Jiezhang</a>' in page


def test_a_lists_filters_survive_the_way_through_the_door(desk, key):
    wanted = "/admin/payments/refund/?state__exact=requested&origin__exact=buyer"
    door = desk.get(desk.get(wanted)["Location"])["Location"]

    assert desk.get(door).context["next"] == wanted


@pytest.mark.rows("M15")
def test_the_code_opens_what_was_asked_for(desk, key):
    before = desk.session.session_key
    answer = desk.post(DOOR, {"code": code(key), "next": "/admin/payments/order/"})

    assert answer["Location"] == "/admin/payments/order/"
    assert desk.get("/admin/payments/order/").status_code == 200
    assert desk.session.session_key != before, "nobody else's session id is kept"


def test_wrong_codes_are_counted_and_soon_refused(desk, key):
    answers = [desk.post(DOOR, {"code": "000000"}).status_code for _ in range(7)]

    assert answers == [400] * 6 + [429]
    assert desk.post(DOOR, {"code": code(key)}).status_code == 429, "a right one is not looked at meanwhile"
    assert desk.get("/admin/").status_code == 302


def test_who_has_no_second_factor_sets_one_up_first(desk):
    assert desk.get(DOOR)["Location"] == f"{DOOR}enrol/?next=/admin/"
    page = desk.get(f"{DOOR}enrol/")
    made = desk.session["code_app_key"]
    assert "<svg" in page.content.decode()

    assert desk.post(f"{DOOR}enrol/", {"code": "000000"}).status_code == 400
    kept = desk.post(f"{DOOR}enrol/", {"code": code(made)})
    assert len(kept.context["codes"]) == 10
    assert desk.get("/admin/").status_code == 200


def test_a_password_alone_cannot_replace_the_second_factor(desk, key):
    assert desk.get(f"{DOOR}enrol/")["Location"] == f"{DOOR}?next={DOOR}enrol/"


@pytest.mark.rows("M14")
def test_a_password_alone_changes_no_passkey_of_staff_who_have_a_second_factor(desk, ren, key):
    """A passkey opens the staff pages: who has stolen a password must not add one, nor take the factor away."""
    own = Passkey.objects.create(user=ren, name="key", credential_id=b"1", public_key=b"2")

    assert desk.post("/account/passkeys/begin").status_code == 403
    assert 'data-passkey="create"' not in desk.get("/account/passkeys/").content.decode()
    assert desk.post(f"/account/passkeys/{own.pk}/remove")["Location"] == f"{DOOR}?next=/account/passkeys/"
    assert ren.passkeys.count() == 1

    desk.post(DOOR, {"code": code(key)})
    assert desk.post(f"/account/passkeys/{own.pk}/remove")["Location"] == "/account/passkeys/"
    assert ren.passkeys.count() == 0
    assert desk.post("/account/passkeys/begin").status_code == 200


@pytest.mark.rows("M15")
@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_door_leads_nowhere_else(desk, key, elsewhere):
    assert desk.post(DOOR, {"code": code(key), "next": elsewhere})["Location"] == "/admin/"


@pytest.mark.rows("M14")
@pytest.mark.parametrize("change", ["password", "role", "active", "staff", "factor"])
def test_a_session_ends_when_password_role_active_flag_or_a_lost_factor_changes(ren, change):
    inside = enter(Client(), ren)
    assert inside.get("/admin/").status_code == 200

    if change == "factor":
        second_factor.reset(ren, actor="staff:2")
        ren.refresh_from_db()
    elif change == "password":
        ren.set_password("quite another password")
    elif change == "role":
        ren.groups.add(Group.objects.get_or_create(name="viewer")[0])
    else:
        setattr(ren, f"is_{change}", False)
    ren.save()

    answer = inside.get("/admin/payments/order/")
    assert answer.status_code == 302
    assert inside.get(answer["Location"])["Location"].startswith("/account/sign-in/")


@pytest.fixture
def checked(monkeypatch) -> list[str]:
    """Every password that was checked, as the slow digest saw it: what an answer takes is their number."""
    seen: list[str] = []
    real = MD5PasswordHasher.encode

    def encode(self: MD5PasswordHasher, password: str, salt: str) -> str:
        seen.append(password)
        return real(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
    return seen


@pytest.mark.rows("M13")
def test_who_has_an_account_is_told_neither_by_words_nor_by_time(ren, checked):
    """Known, unknown, closed, without a password yet, locked: the same answer after the same work."""
    User.objects.create_user("closed@example.com", PASSWORD, is_active=False)
    User.objects.create_user("new@example.com", None, is_staff=True)
    told = {}
    for email in (ren.email, "nobody@example.com", "closed@example.com", "new@example.com"):
        checked.clear()
        answers = [Client().post("/account/sign-in/", {"email": email, "password": f"guess {n}"}) for n in range(11)]
        pages = [re.sub(r'(value|nonce)="[^"]*"|(\d+) (分钟|秒)', "", each.content.decode()) for each in answers]
        told[email] = (
            [each.status_code for each in answers],
            pages[0],
            re.sub(r"[0-9a-f]{12}", "", pages[-1]),
            len(checked),
        )
        cache.clear()
    for email in told:
        assert told[email] == told[ren.email], email
    assert (told[ren.email][0], told[ren.email][3]) == ([400] * 10 + [429], 10)


@pytest.mark.rows("M13")
def test_a_right_password_of_a_closed_account_or_a_locked_one_tells_nothing(ren, checked):
    User.objects.create_user("closed@example.com", PASSWORD, is_active=False)
    right, wrong = (
        Client().post("/account/sign-in/", {"email": "closed@example.com", "password": word})
        for word in (PASSWORD, "x")
    )
    assert right.status_code == wrong.status_code == 400
    for n in range(10):
        Client().post("/account/sign-in/", {"email": ren.email, "password": f"guess {n}"})
    checked.clear()
    locked = Client().post("/account/sign-in/", {"email": ren.email.upper(), "password": PASSWORD})
    assert (locked.status_code, checked) == (429, []), "not even looked at"


@pytest.mark.rows("M13")
@pytest.mark.parametrize(("many", "most"), [("passwords", 10), ("addresses", 20), ("accounts", 20)])
def test_a_thousand_guesses_are_twenty_at_most(ren, checked, monkeypatch, many, most):
    """By one address against one account or many; and from many addresses against one. All within one window."""
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=lambda: 1_800_000_000.0))
    browser, checked[:] = RequestFactory(), []
    for n in range(1000):
        email = f"person{n}@example.com" if many == "accounts" else ren.email
        origin = f"203.0.{n // 250}.{n % 250}" if many == "addresses" else "203.0.113.7"
        request = browser.post("/account/sign-in/", {"email": email, "password": f"guess {n}"}, REMOTE_ADDR=origin)
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # as Django's test client does
        request.user, request.session = AnonymousUser(), SessionStore()
        sign_in(request)
    assert len(checked) <= most


@pytest.mark.rows("M15")
def test_a_session_that_was_planted_is_not_the_one_that_is_signed_in(ren):
    browser = Client()
    browser.get("/account/sign-in/")
    planted = SessionStore()
    planted["cart"] = "theirs"
    planted.save()
    browser.cookies["sessionid"] = planted.session_key or ""
    answer = browser.post("/account/sign-in/", {"email": ren.email, "password": PASSWORD})

    assert answer.cookies["sessionid"].value != planted.session_key
    assert not SessionStore(planted.session_key).get("_auth_user_id")


@pytest.mark.rows("M15")
def test_the_cookies_carry_their_flags(ren, settings):
    """Secure too where the shop is served by TLS: tests/config says that production sets it."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    answer = Client().post("/account/sign-in/", {"email": ren.email, "password": PASSWORD}, secure=True)
    page = Client().get("/account/sign-in/", secure=True)

    for cookie in (answer.cookies["sessionid"], page.cookies["csrftoken"]):
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax"), cookie.key


def test_an_owner_lets_people_in_and_gives_them_roles(owner):
    viewer = Group.objects.get(name="viewer")
    added = {"email": "new@example.com", "name": "New", "is_active": "on", "is_staff": "on", "groups": [viewer.pk]}

    assert owner.post("/admin/payments/user/add/", added).status_code == 302
    person = User.objects.get(email="new@example.com")
    assert (person.has_usable_password(), list(person.groups.all())) == (False, [viewer])
    assert AuditEvent.objects.about(person).get().detail["roles"] == ["viewer"]


def test_nobody_raises_themselves_or_one_who_has_every_right(owner, ren):
    me = User.objects.get(email="owner@example.com")
    for person in (me, ren):
        assert owner.post(f"/admin/payments/user/{person.pk}/change/", {"email": "x@example.com"}).status_code == 403
    helper = User.objects.create_user("helper@example.com", PASSWORD)
    owner.post(f"/admin/payments/user/{helper.pk}/change/", {"email": helper.email, "is_superuser": "on"})
    helper.refresh_from_db()
    assert not helper.is_superuser


def test_an_owner_resets_the_second_factor_of_one_who_lost_it(owner, ren, key):
    staff = User.objects.create_user("lost@example.com", PASSWORD, is_staff=True)
    made = second_factor.new_key()
    second_factor.enrol(staff, key=made, code=code(made), now=database_now())
    chosen = {"action": "reset_second_factor", "_selected_action": [staff.pk, ren.pk]}

    owner.post("/admin/payments/user/", chosen)
    assert (second_factor.is_enrolled(staff), second_factor.is_enrolled(ren)) == (False, True)
    assert AuditEvent.objects.about(staff).filter(action="second_factor_reset").exists()
