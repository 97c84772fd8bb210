"""Colleagues change each other's accounts, and none becomes another by it: such an account moves no money until a second
person has confirmed it (docs/decisions/0018).

Whoever may give a colleague another address or a fresh second factor could sign in as them, and whoever may add people could
be two of them. So what the one did, another must have seen.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection
from datetime import datetime

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from payments.errors import NotAllowed, NotWaiting, SamePerson, StaleFactor
from payments.fields import seal, unseal
from payments.models import AuditEvent, OutboxMessage, User
from payments.models.clock import database_now
from payments.services import second_factor

SALT = "payments.people"
KEYS = frozenset(
    {"email", "is_active", "is_staff", "groups"}
)  # of an account's form: who comes in by it, and what they may
CHANGE = "payments.change_user"


def note_change(person: User, *, by: User, changed: Collection[str], added: bool = False, old_email: str = "") -> None:
    """Record what a colleague changed of an account, in the caller's commit. What is a key to it waits for confirmation.

    changed    fields of the form, or "second_factor"
    old_email  where it was reached before, which is told as well
    """
    AuditEvent.objects.add(
        person, "person_added" if added else "person_changed", actor=_actor(by),
        roles=sorted(person.groups.values_list("name", flat=True)), is_staff=person.is_staff, is_active=person.is_active,
        changed=sorted(changed),
    )  # fmt: skip
    if KEYS & set(changed):  # who is added has an address, which is one
        _hold(person, by=by, old_email=old_email)


def reset_factor(person: User, *, by: User) -> None:
    """Let a colleague who lost their second factor set up a new one: `second_factor.reset`, and it waits for confirmation."""
    with transaction.atomic():
        second_factor.reset(person, actor=_actor(by))
        _hold(person, by=by)


def confirm(person: User, *, by: User, session: SessionBase, seen: datetime | None) -> None:
    """A second person has looked: the account may do again what its roles grant.

    seen  when it was last changed, as the page showed it

    Raises NotAllowed, StaleFactor, SamePerson (who had a hand in it, or whose it is), NotWaiting (confirmed, or changed since).
    """
    if not by.has_perm(CHANGE):
        raise NotAllowed("this person may not confirm accounts")
    if not second_factor.is_fresh(session, database_now()):
        raise StaleFactor("the second factor was proved too long ago")
    if by.pk in (person.pk, *person.hands):
        raise SamePerson("who changed an account can't confirm it, nor whose it is")
    with transaction.atomic():
        if not User.objects.mark_confirmed(person.pk, by_id=by.pk, seen=seen):
            raise NotWaiting("it is confirmed already, or was changed since")
        AuditEvent.objects.add(person, "person_confirmed", actor=_actor(by))


def confirm_on_the_server(email: str) -> bool:
    """The same by whoever runs the server, for a shop without a second owner. False where nothing waits."""
    with transaction.atomic():
        person = User.objects.select_for_update().filter(email__iexact=email).first()
        if person is None or not person.awaits_confirmation:
            return False
        User.objects.filter(pk=person.pk).update(changed_by=None, changed_at=None, confirmed_by=None, hands=[])
        AuditEvent.objects.add(person, "person_confirmed", actor="command")
    return True


def told_of(person: User, *, by: User, sealed: str) -> list[str]:
    """The addresses that hear of a change: whose account it is, at the old one too, and who else may confirm it."""
    others = User.objects.filter(is_active=True, is_staff=True).exclude(pk=by.pk)
    keepers = [each.email for each in others if each.has_perm(CHANGE)]
    old = unseal(b64decode(sealed), place=SALT).decode() if sealed else ""
    return list(dict.fromkeys(address for address in (person.email, old, *keepers) if address))


def _hold(person: User, *, by: User, old_email: str = "") -> None:
    User.objects.mark_changed(person.pk, by_id=by.pk)
    sealed = b64encode(seal(old_email.encode(), place=SALT)).decode() if old_email else ""
    key = f"person.changed:{person.pk}:{database_now().timestamp():.6f}"
    payload = {"person_id": person.pk, "by_id": by.pk, "sealed": sealed}
    OutboxMessage.objects.create(topic="person.changed", dedupe_key=key, payload=payload)


def _actor(person: User) -> str:
    return f"staff:{person.pk}"
