"""Keys of programs: made, changed for new ones, taken back, and recognised.

A key is "jz_", twelve letters that name it, and 32 random bytes: so much can't be guessed, and one SHA-256 keeps it.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

from django.db import transaction

from payments.errors import KeyRefused
from payments.models import ApiClient, ApiKey, AuditEvent, User
from payments.models.api_client import KeyInForce
from payments.models.clock import database_now

MARK, NAME_LETTERS = "jz", "0123456789abcdefghjkmnpqrstvwxyz"
# Keys as this process saw them last, and when: for `recall` alone. Shorter than uses are noted apart.
RECALLED_S, MOST_RECALLED = 20.0, 1_000
_seen: dict[str, tuple[KeyInForce, float]] = {}


def add_client(name: str, *, scopes: Sequence[str], addresses: Sequence[str], person: User) -> tuple[ApiClient, str]:
    """A new program with its first key. The key is returned once and can't be read again."""
    with transaction.atomic():
        client = ApiClient.objects.create(name=name, scopes=list(scopes), addresses=list(addresses))
        AuditEvent.objects.add(
            client, "api_client_added", actor=_actor(person), scopes=list(scopes), addresses=list(addresses)
        )
        return client, make_key(client, person=person)


def change_client(client: ApiClient, *, scopes: Sequence[str], addresses: Sequence[str], person: User) -> None:
    """What it may do and from where, from the next request on."""
    with transaction.atomic():
        ApiClient.objects.filter(pk=client.pk).update(scopes=list(scopes), addresses=list(addresses))
        AuditEvent.objects.add(
            client, "api_client_changed", actor=_actor(person), scopes=list(scopes), addresses=list(addresses)
        )


def make_key(client: ApiClient, *, person: User, text: str = "") -> str:
    """One more key for this program. Returns it, once.

    text  a key that is known already, for a demo that keeps its own
    """
    text = text or new_key()
    with transaction.atomic():
        key = ApiKey.objects.create(client=client, name=_name_in(text), digest=_digest(text), made_by=person)
        AuditEvent.objects.add(client, "api_key_made", actor=_actor(person), key=key.name)
    return text


def rotate(client: ApiClient, *, person: User, overlap: timedelta) -> str:
    """A new key; those before it work on for `overlap`, so that the program can change over. Returns the new one, once."""
    with transaction.atomic():
        ApiKey.objects.filter(client=client).end(by=database_now() + overlap)
        return make_key(client, person=person)


def revoke(key: ApiKey, *, person: User) -> bool:
    """End a key now. False when it had ended already."""
    with transaction.atomic():
        ended = ApiKey.objects.filter(pk=key.pk).end(by=database_now()) == 1
        if ended:
            AuditEvent.objects.add(key.client, "api_key_revoked", actor=_actor(person), key=key.name)
    return ended


def recognise(text: str, *, address: str) -> KeyInForce:
    """The key in force that this text is. Raises KeyRefused, which never says why."""
    name, at = _name_in(text), time.monotonic()
    found = ApiKey.objects.named(name)
    if found is None or not _is_shown(found, text, address):
        raise KeyRefused("no key in force, or not from this address")
    ApiKey.objects.note_use(found)
    if len(_seen) >= MOST_RECALLED:
        _seen.clear()
    _seen[name] = (found, at)
    return found


def recall(text: str, *, address: str) -> KeyInForce | None:
    """The key that this text was some seconds ago, with the time it is now, and nobody asked. None where that isn't known.

    It may have ended meanwhile: who acts on it has the database see, in the statement that acts, that it has not.
    """
    found, at = _seen.get(_name_in(text), (None, 0.0))
    passed_s = time.monotonic() - at
    if found is None or passed_s > RECALLED_S or not _is_shown(found, text, address):
        return None
    return replace(found, now=found.now + timedelta(seconds=passed_s), recalled=True)


def _is_shown(key: KeyInForce, text: str, address: str) -> bool:
    return hmac.compare_digest(key.digest, _digest(text)) and _may_come(key.addresses, address)


def new_key() -> str:
    name = "".join(secrets.choice(NAME_LETTERS) for _ in range(12))
    return f"{MARK}_{name}_{secrets.token_urlsafe(32)}"


def _may_come(networks: Sequence[str], address: str) -> bool:
    if not networks:
        return True
    try:
        here = ip_address(address)
    except ValueError:  # a proxy that writes something else: certainly none of the list
        return False
    return any(here in ip_network(each) for each in networks)


def _name_in(text: str) -> str:
    """The part that names it; empty for what is no key at all, which names none."""
    mark, _, rest = text.partition("_")
    name = rest.partition("_")[0]
    return name if mark == MARK and len(name) == 12 and name.isascii() and name.isalnum() else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _actor(person: User) -> str:
    return f"staff:{person.pk}"
