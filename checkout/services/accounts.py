"""Accounts by mail: a signed ticket that works for an hour and once."""

from base64 import b64decode, b64encode
from datetime import timedelta

from django.core import signing
from django.db import transaction
from django.utils.translation import get_language

from payments.fields import seal, unseal
from payments.models import OutboxMessage, User
from payments.models.clock import database_now

TICKET_LIFE = timedelta(hours=1)
SALT = "checkout.account"


def send_ticket(email: str) -> None:
    """Have a mail sent with a link that sets a password: for a new account or an old one, the caller can't tell.

    At most one a minute to an address; the mail goes through the outbox, so that the answer takes as long either way.
    """
    minute = database_now().replace(second=0, microsecond=0)
    once = f"account.ticket:{signing.Signer(salt=SALT).signature(email)[:40]}:{minute:%Y%m%d%H%M}"
    payload = {"sealed": b64encode(seal(email.encode(), place=SALT)).decode(), "language": get_language()}
    message = OutboxMessage(topic="account.ticket", dedupe_key=once, payload=payload)
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)


def ticket_for(sealed: str) -> tuple[str, str]:
    """The address a message of `send_ticket` is for, and a fresh ticket for it."""
    email = unseal(b64decode(sealed), place=SALT).decode()
    return email, signing.dumps([email, _stamp(User.objects.filter(email=email).first())], salt=SALT, compress=True)


def email_of(ticket: str) -> str | None:
    """The address a ticket was sent to; None when it is altered, too old or used."""
    try:
        email, stamp = signing.loads(ticket, salt=SALT, max_age=TICKET_LIFE)
    except (signing.BadSignature, ValueError):
        return None
    return str(email) if stamp == _stamp(User.objects.filter(email=email).first()) else None


def set_password(ticket: str, password: str) -> User | None:
    """Make the account, or give it this password; the ticket is used up. None when it was already.

    Orders that were placed as a guest with this address join the account from the next one on; older ones stay
    with their links, for an address in a form proves nothing.
    """
    email = email_of(ticket)
    if email is None:
        return None
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email).first()
        if user is not None and not user.is_active:
            return None
        if user is None:
            return User.objects.create_user(email, password)
        if email_of(ticket) is None:
            return None
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _stamp(user: User | None) -> str:
    """Changes when the password does, so that a used ticket no longer fits."""
    return signing.Signer(salt=SALT).signature(user.password)[:16] if user else "new"
