"""The second factor of staff: enrol an app that shows codes, check a code, keep codes for a lost phone.

A passkey that verifies its person (services/passkeys.py) stands for both factors. Codes are TOTP (RFC 6238): six digits,
half a minute, SHA-1, which is what every app on a phone can do.
"""

import hmac
import secrets
from base64 import b32decode, b32encode
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from payments.models import AuditEvent, CodeApp, RecoveryCode, User

STEP_S = 30
DRIFT = (0, -1, 1)  # half minutes that a phone's clock may be off
RECOVERY_CODES = 10
PROVED_AT, LASTS_S, FRESH_S = "second_factor_at", 12 * 60 * 60, 10 * 60
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that is taken for another when read from paper


def is_enrolled(user: User) -> bool:
    """Whether this person can prove a second factor at all."""
    return CodeApp.objects.filter(user=user).exists() or user.passkeys.exists()


def must_prove_first(user: User, session: SessionBase, now: datetime) -> bool:
    """Whether a member of staff has yet to prove the present factor freshly before any way in is added or taken away.

    The first factor is set up by password alone; from then on a password alone changes none.
    """
    return user.is_staff and is_enrolled(user) and not is_fresh(session, now)


def new_key() -> str:
    """A fresh key for a code app, base32."""
    return b32encode(secrets.token_bytes(20)).decode()


def app_address(user: User, key: str) -> str:
    """The otpauth:// address of a key, for a QR code that the app scans."""
    return _totp(key).get_provisioning_uri(user.email, settings.SHOP_NAME)


def enrol(user: User, *, key: str, code: str, now: datetime) -> list[str] | None:
    """Take a code app into use once it has shown a right code. Returns fresh recovery codes; None for a wrong code.

    An app and codes that were there before stop working.
    """
    step = _step_of(key, code, now)
    if step is None:
        return None
    with transaction.atomic():
        CodeApp.objects.filter(user=user).delete()
        CodeApp.objects.create(user=user, key=key, last_step=step)
        codes = _fresh_codes(user)
        AuditEvent.objects.add(user, "second_factor_enrolled", actor=f"person:{user.pk}")
    return codes


def reset(user: User, *, actor: str) -> None:
    """Forget app, codes and passkeys of a person who lost them: they set up a new factor at the next sign-in.

    Their sessions end: whoever holds the lost device is out.
    """
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(factor_reset_at=Now())
        CodeApp.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        user.passkeys.all().delete()
        AuditEvent.objects.add(user, "second_factor_reset", actor=actor)


def check_code(user: User, code: str, *, now: datetime) -> bool:
    """Whether this is the app's present code, or an unused recovery code; either works once."""
    typed = "".join(code.split()).lower().replace("-", "")
    if typed.isascii() and typed.isdigit():
        app = CodeApp.objects.filter(user=user).first()
        step = _step_of(str(app.key), typed, now) if app else None
        return app is not None and step is not None and CodeApp.objects.note_step(app, step)
    with transaction.atomic():
        if not RecoveryCode.objects.use(user.pk, _digest(user, typed)):
            return False
        left = RecoveryCode.objects.unused().filter(user=user).count()
        AuditEvent.objects.add(user, "recovery_code_used", actor=f"person:{user.pk}", left=left)
    return True


def current_code(key: str, now: datetime) -> str:
    """The code an app with this key shows at this moment."""
    return _totp(key).generate(int(now.timestamp())).decode()


def mark_proved(session: SessionBase, now: datetime) -> None:
    """Note in this session that the second factor was proved just now."""
    session[PROVED_AT] = now.timestamp()


def is_proved(session: SessionBase, now: datetime) -> bool:
    """Whether it was proved in this session, within a working day."""
    return now.timestamp() - float(session.get(PROVED_AT, 0)) < LASTS_S


def is_fresh(session: SessionBase, now: datetime) -> bool:
    """Whether it was proved minutes ago: what approving a refund asks for."""
    return now.timestamp() - float(session.get(PROVED_AT, 0)) < FRESH_S


def _step_of(key: str, code: str, now: datetime) -> int | None:
    """Which half minute a code belongs to, if it is a right one about now."""
    at = int(now.timestamp()) // STEP_S
    shown = {at + drift: _totp(key).generate((at + drift) * STEP_S).decode() for drift in DRIFT}
    return next((step for step, right in shown.items() if hmac.compare_digest(right, "".join(code.split()))), None)


def _fresh_codes(user: User) -> list[str]:
    RecoveryCode.objects.filter(user=user).delete()
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create([RecoveryCode(user=user, digest=_digest(user, code)) for code in codes])
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _digest(user: User, code: str) -> str:
    return salted_hmac(f"recovery:{user.pk}", code, algorithm="sha256").hexdigest()


def _totp(key: str) -> TOTP:
    return TOTP(b32decode(key), 6, SHA1(), STEP_S)  # noqa: S303  # RFC 6238, as the apps do it; nothing is signed with it
