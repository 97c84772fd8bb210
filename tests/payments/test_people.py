"""Nobody becomes a colleague: what one changes of another's account moves no money until a second person has confirmed it."""

from base64 import b64encode
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from checkout.mails import send_person_changed
from payments.errors import NotAllowed, NotWaiting, SamePerson, StaleFactor
from payments.fields import seal
from payments.models import AuditEvent, CodeApp, OutboxMessage, Refund, User
from payments.models.roles import ROLES
from payments.services import approve_refund as approval
from payments.services import people, second_factor
from tests.conftest import enter
from tests.payments.test_approve_refund import LARGE, SMALL, ask, fresh, paid, person  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def lan() -> User:
    return person("lan@example.com", "owner")


@pytest.fixture
def mei() -> User:
    return person("mei@example.com", "owner")


@pytest.fixture
def qian() -> User:
    made = person("qian@example.com", "approver")
    CodeApp.objects.create(user=made, key=second_factor.new_key())
    return made


def form(whose: User, **changes: Any) -> dict[str, Any]:
    roles = [group.pk for group in whose.groups.all()]
    return {"email": whose.email, "name": "", "is_active": "on", "is_staff": "on", "groups": roles, **changes}


def address(whose: User, page: str = "change") -> str:
    return reverse(f"admin:payments_user_{page}", args=[whose.pk])


def seen(whose: User) -> dict[str, str]:
    changed_at = User.objects.get(pk=whose.pk).changed_at
    assert changed_at
    return {"seen": changed_at.isoformat()}


WAYS = {
    "another address": lambda desk, whose: desk.post(address(whose), form(whose, email="mine@example.com")),
    "a fresh second factor": lambda desk, whose: desk.post(
        "/admin/payments/user/", {"action": "reset_second_factor", "_selected_action": [whose.pk]}
    ),
    "another role": lambda desk, whose: desk.post(
        address(whose), form(whose, groups=[Group.objects.get(name="owner").pk])
    ),
    "let in again": lambda desk, whose: desk.post(address(whose), form(whose, is_active="")) and desk.post(
        address(whose), form(whose)
    ),
    "a person of their own making": lambda desk, _: desk.post(
        "/admin/payments/user/add/",
        {"email": "mine@example.com", "is_active": "on", "is_staff": "on", "groups": [Group.objects.get(name="approver").pk]},
    ),
}  # fmt: skip


@pytest.mark.rows("M12")
@pytest.mark.parametrize("way", WAYS)
def test_one_owner_alone_is_never_two_people(paid, lan, mei, qian, fresh, way):  # noqa: F811
    """They ask, then make a colleague theirs and approve as them: refused until somebody else has looked at that account."""
    refund = ask(paid, LARGE, lan)
    WAYS[way](enter(Client(), lan), qian)
    puppet = User.objects.get(email="mine@example.com" if "own" in way or "address" in way else qian.email)
    assert puppet.awaits_confirmation

    with pytest.raises(NotAllowed):
        approval.approve(refund, person=puppet, session=fresh)
    with pytest.raises(SamePerson):
        people.confirm(puppet, by=lan, session=fresh, seen=puppet.changed_at)
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED

    people.confirm(puppet, by=mei, session=fresh, seen=puppet.changed_at)
    approval.approve(refund, person=User.objects.get(pk=puppet.pk), session=fresh)


@pytest.mark.rows("M12")
def test_a_person_of_an_owners_own_making_neither_asks_nor_confirms(paid, lan, fresh):  # noqa: F811
    """Else the day's limit of one person would be as many as they like to add, and two of them would confirm each other."""
    desk = enter(Client(), lan)
    for role in ("owner", "support"):
        added = {"email": f"{role}@puppet.example", "is_active": "on", "is_staff": "on"}
        desk.post("/admin/payments/user/add/", {**added, "groups": [Group.objects.get(name=role).pk]})
    boss, help_desk = (User.objects.get(email=f"{role}@puppet.example") for role in ("owner", "support"))

    with pytest.raises(NotAllowed):
        ask(paid, SMALL, help_desk)
    with pytest.raises(NotAllowed):
        people.confirm(help_desk, by=boss, session=fresh, seen=help_desk.changed_at)
    with pytest.raises(SamePerson):
        people.confirm(boss, by=lan, session=fresh, seen=boss.changed_at)


def test_an_account_that_waits_looks_and_does_nothing_about_money(lan, mei, qian):
    people.reset_factor(mei, by=lan)
    waits = User.objects.get(pk=mei.pk)

    rights = {right: waits.has_perm(right) for right in ROLES["owner"]}
    assert {right for right, has in rights.items() if not has} == {
        right for right in rights if right.startswith("payments.") and not right.startswith("payments.view_")
    }
    assert "等第二位同事确认" in enter(Client(), waits).get("/admin/").content.decode()
    boss = User.objects.create_superuser("boss@example.com", "x")
    people.reset_factor(boss, by=lan)
    assert not User.objects.get(pk=boss.pk).has_perm("payments.approve_refund"), "every right is no way round"


def test_a_new_name_changes_nothing_and_who_was_there_before_is_confirmed(lan, qian):
    enter(Client(), lan).post(address(qian), form(qian, name="钱谨"))
    qian.refresh_from_db()

    assert (qian.name, qian.awaits_confirmation, qian.has_perm("payments.approve_refund")) == ("钱谨", False, True)


def test_a_second_owner_sees_who_changed_it_and_confirms_on_its_page(lan, mei, qian):
    first, second = enter(Client(), lan), enter(Client(), mei)
    first.post(address(qian), form(qian, email="qian@new.example"))
    lists = "/admin/payments/user/?to_confirm=yes"
    assert lists in second.get("/admin/").content.decode()
    assert "qian@new.example" in second.get(lists).content.decode()

    assert address(qian, "confirm") not in first.get(address(qian)).content.decode()
    assert "必须由另一位同事确认" in first.post(address(qian, "confirm"), seen(qian), follow=True).content.decode()
    page = second.get(address(qian)).content.decode()
    assert address(qian, "confirm") in page
    assert "lan@example.com" in page
    assert "已确认" in second.post(address(qian, "confirm"), seen(qian), follow=True).content.decode()
    qian.refresh_from_db()
    assert (qian.confirmed_by, qian.has_perm("payments.approve_refund")) == (mei, True)
    assert AuditEvent.objects.about(qian).get(action="person_confirmed").actor == f"staff:{mei.pk}"
    assert "qian@new.example" not in second.get(lists).content.decode()


def test_what_was_changed_after_the_page_was_opened_is_not_confirmed_by_it(lan, mei, qian, fresh):  # noqa: F811
    people.reset_factor(qian, by=lan)
    looked_at = User.objects.get(pk=qian.pk)
    enter(Client(), lan).post(address(qian), form(qian, email="mine@example.com"))

    with pytest.raises(NotWaiting):
        people.confirm(looked_at, by=mei, session=fresh, seen=looked_at.changed_at)
    told = enter(Client(), mei).post(address(qian, "confirm"), {"seen": "x"}, follow=True).content.decode()
    assert "期间又有改动" in told
    assert User.objects.get(pk=qian.pk).awaits_confirmation


@pytest.mark.rows("M12")
def test_another_owners_edit_on_top_vouches_for_nothing(lan, mei, qian, fresh):  # noqa: F811
    """Mei tidies up an account that Lan has made hers: Lan had a hand in it all the same, and so has Mei now."""
    enter(Client(), lan).post(address(qian), form(qian, email="mine@example.com"))
    qian.refresh_from_db()
    enter(Client(), mei).post(address(qian), form(qian, groups=[Group.objects.get(name="finance").pk]))
    qian.refresh_from_db()

    for who in (lan, mei):
        with pytest.raises(SamePerson):
            people.confirm(qian, by=who, session=fresh, seen=qian.changed_at)
        assert not User.objects.mark_confirmed(qian.pk, by_id=who.pk, seen=qian.changed_at)
    people.confirm(qian, by=person("third@example.com", "owner"), session=fresh, seen=qian.changed_at)
    people.reset_factor(qian, by=mei)
    people.confirm(User.objects.get(pk=qian.pk), by=lan, session=fresh, seen=User.objects.get(pk=qian.pk).changed_at)


def test_confirming_wants_the_right_and_a_fresh_factor(lan, mei, qian, fresh):  # noqa: F811
    people.reset_factor(qian, by=lan)
    waits = User.objects.get(pk=qian.pk)
    with pytest.raises(NotAllowed):
        people.confirm(waits, by=person("other@example.com", "finance"), session=fresh, seen=waits.changed_at)
    desk = enter(Client(), mei)
    session = desk.session
    session[second_factor.PROVED_AT] -= 601
    session.save()

    assert desk.post(address(qian, "confirm"), seen(qian))["Location"].startswith("/admin/second-factor/?next=/admin/")
    with pytest.raises(StaleFactor):
        people.confirm(waits, by=mei, session=session, seen=waits.changed_at)


def test_the_database_refuses_who_changed_it_and_whose_it_is(lan, qian):
    people.reset_factor(qian, by=lan)
    for who in (lan, qian):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=qian.pk).update(confirmed_by=who)


def test_a_shop_with_one_owner_confirms_on_the_server(lan, qian, capsys):
    people.reset_factor(qian, by=lan)
    call_command("confirm_person", "Qian@example.com")

    qian.refresh_from_db()
    assert not qian.awaits_confirmation
    assert AuditEvent.objects.about(qian).get(action="person_confirmed").actor == "command"
    with pytest.raises(CommandError):
        call_command("confirm_person", "qian@example.com")


def test_whose_it_is_and_who_may_confirm_hear_of_it_at_the_old_address_too(lan, mei, qian):
    enter(Client(), lan).post(address(qian), form(qian, email="mine@example.com"))
    message = OutboxMessage.objects.get(topic="person.changed")
    assert "qian@example.com" not in str(message.payload)
    send_person_changed({**message.payload, "dedupe_key": message.dedupe_key})

    told = [each.to[0] for each in mail.outbox]
    assert told == ["mine@example.com", "qian@example.com", "mei@example.com"], "not who did it"
    assert address(qian) in str(mail.outbox[1].body)
    assert "lan@example.com" in str(mail.outbox[1].body)


def test_addresses_are_told_once_and_only_sealed_ones_are_read(lan, mei):
    sealed = b64encode(seal(mei.email.encode(), place=people.SALT)).decode()
    assert people.told_of(mei, by=lan, sealed=sealed) == [mei.email]


@pytest.mark.rows("M10")
def test_nobody_widens_a_role_by_a_form(qian):
    """A colleague who was confirmed in one role must not come to another by a change of the role itself."""
    boss = enter(Client(), User.objects.create_superuser("boss@example.com", "x"))
    role = Group.objects.get(name="viewer")
    every = [each.pk for each in Group.objects.get(name="owner").permissions.all()]

    for page in (f"/admin/auth/group/{role.pk}/change/", "/admin/auth/group/add/"):
        assert boss.post(page, {"name": "viewer", "permissions": every}).status_code == 403
    assert not role.permissions.filter(codename="approve_refund").exists()
