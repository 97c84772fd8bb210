"""Passkeys (WebAuthn): make one, sign in by one. The ceremony's state is a plain value that the caller keeps per session.

Options and responses are JSON as the WebAuthn standard spells them, binary values in base64url. The work on them is
Yubico's fido2 library (docs/decisions/0015).
"""

import json
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac
from fido2.server import Fido2Server
from fido2.utils import websafe_decode
from fido2.webauthn import (
    AttestedCredentialData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from payments.errors import PasskeyRefused
from payments.models import AuditEvent, Passkey, User
from payments.models.passkey import MOST_PASSKEYS

logger = structlog.get_logger(__name__)
VERIFIED = UserVerificationRequirement.REQUIRED  # by fingerprint, face or PIN: the key alone is not the person
Options = dict[str, Any]
State = dict[str, Any]


def domain() -> str:
    """The host name passkeys belong to: they work there and on its subdomains. Browsers take no bare IP address."""
    return str(settings.PASSKEY_DOMAIN or urlsplit(settings.SITE_URL).hostname)


def begin_adding(user: User) -> tuple[Options, State]:
    """What the browser needs to make a passkey for this person. Raises PasskeyRefused when they have too many."""
    known = [AttestedCredentialData(bytes(data)) for data in user.passkeys.values_list("public_key", flat=True)]
    if len(known) >= MOST_PASSKEYS:
        raise PasskeyRefused("too many")
    person = PublicKeyCredentialUserEntity(name=user.email, id=_handle(user), display_name=str(user))
    options, state = _server().register_begin(
        person, known, resident_key_requirement=ResidentKeyRequirement.REQUIRED, user_verification=VERIFIED
    )
    return dict(options.public_key), dict(state)


def finish_adding(user: User, state: State, response: Any, *, name: str) -> Passkey:
    """Keep the passkey that the browser made. Raises PasskeyRefused: not this ceremony's, not ours, or known already."""
    try:
        made = _server().register_complete(state, response).credential_data
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PasskeyRefused(str(error)) from error
    if made is None:
        raise PasskeyRefused("the browser sent no key")
    try:
        with transaction.atomic():
            passkey = Passkey.objects.create(
                user=user, name=name[:60], credential_id=made.credential_id, public_key=bytes(made)
            )
            AuditEvent.objects.add(user, "passkey_added", actor=f"person:{user.pk}", passkey=passkey.pk)
    except IntegrityError as error:
        raise PasskeyRefused("known already") from error
    return passkey


def remove(user: User, passkey_id: int) -> bool:
    """Forget one of this person's passkeys. False where it is not theirs, or gone."""
    with transaction.atomic():
        removed, _ = user.passkeys.filter(pk=passkey_id).delete()
        if removed:
            AuditEvent.objects.add(user, "passkey_removed", actor=f"person:{user.pk}", passkey=passkey_id)
    return bool(removed)


def begin_sign_in() -> tuple[Options, State]:
    """What the browser needs to offer its passkeys for this shop. Tells nobody who has one: it names no key."""
    options, state = _server().authenticate_begin(user_verification=VERIFIED)
    return dict(options.public_key), dict(state)


def finish_sign_in(state: State, response: Any) -> User:
    """Whose passkey signed this ceremony's challenge. Raises PasskeyRefused: an unknown key, a wrong signature, a copy."""
    try:
        passkey = Passkey.objects.select_related("user").get(credential_id=websafe_decode(response["rawId"]))
        handle = websafe_decode(response["response"]["userHandle"])
        key = AttestedCredentialData(bytes(passkey.public_key))
        _server().authenticate_complete(state, [key], response)
        counted = _sign_count(response)
    except (Passkey.DoesNotExist, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PasskeyRefused(str(error)) from error
    if handle != _handle(passkey.user) or not passkey.user.is_active:
        raise PasskeyRefused("not this person's, or the account is closed")
    if not Passkey.objects.note_use(passkey.pk, sign_count=counted):
        logger.error("passkey_copied", passkey=passkey.pk)
        raise PasskeyRefused("its counter went back")
    person: User = passkey.user
    return person


def read(text: str) -> Any:
    """The browser's answer as a form carries it. Raises PasskeyRefused where it is not JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise PasskeyRefused("not JSON") from error


def _sign_count(response: Any) -> int:
    """The key's own counter: four bytes behind the site's hash and the flags of the signed authenticator data."""
    data = websafe_decode(response["response"]["authenticatorData"])
    return int.from_bytes(data[33:37], "big")


def _server() -> Fido2Server:
    return Fido2Server(PublicKeyCredentialRpEntity(name=settings.SHOP_NAME, id=domain()))


def _handle(user: User) -> bytes:
    """Who a passkey says it belongs to: stays for life, and says nothing to anybody else."""
    return salted_hmac("payments.passkey", str(user.pk), algorithm="sha256").digest()
