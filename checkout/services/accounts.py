"""Accounts by mail: a signed ticket that works for an hour and once."""

from base64 import b64decode, b64encode
from datetime import timedelta

from django.core import signing
from django.db import transaction
from django.utils.translation import get_language

from checkout.models import Delivery
from payments.fields import seal, unseal
from payments.models import OutboxMessage, User
from payments.models.clock import database_now

TICKET_LIFE = timedelta(hours=1)
SALT = "checkout.account"


def send_ticket(email: str, *, order_id: int | None = None) -> None:
    """Have a mail sent with a link that sets a password: for a new account or an old one, the caller can't tell.

    order_id  a guest's order with this address, which joins the account: opening the mail proves the address
    At most one a minute to an address; the mail goes through the outbox, so that the answer takes as long either way.
    """
    minute = database_now().replace(second=0, microsecond=0)
    once = f"account.ticket:{signing.Signer(salt=SALT).signature(email)[:40]}:{minute:%Y%m%d%H%M}"
    payload = {
        "sealed": b64encode(seal(email.encode(), place=SALT)).decode(),
        "language": get_language(),
        "order_id": order_id,
    }
    message = OutboxMessage(topic="account.ticket", dedupe_key=once, payload=payload)
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)


def ticket_for(sealed: str, *, order_id: int | None) -> tuple[str, str]:
    """The address a message of `send_ticket` is for, and a fresh ticket for it."""
    email = unseal(b64decode(sealed), place=SALT).decode()
    content = [email, _stamp(User.objects.filter(email=email).first()), order_id]
    return email, signing.dumps(content, salt=SALT, compress=True)


def email_of(ticket: str) -> str | None:
    """The address a ticket was sent to; None when it is altered, too old or used."""
    email, _order_id = _read(ticket)
    return email


def _read(ticket: str) -> tuple[str | None, int | None]:
    try:
        email, stamp, order_id = signing.loads(ticket, salt=SALT, max_age=TICKET_LIFE)
    except (signing.BadSignature, ValueError):
        return None, None
    return (email, order_id) if stamp == _stamp(User.objects.filter(email=email).first()) else (None, None)


def set_password(ticket: str, password: str) -> User | None:
    """Make the account, or give it this password; the ticket is used up. None when it was already.

    The order whose paid page asked for the mail joins the account; others that were placed as a guest stay with their
    links, for an address in a form proves nothing.
    """
    email, order_id = _read(ticket)
    if email is None:
        return None
    with transaction.atomic():
        user = User.objects.select_for_update().filter(email=email).first()
        if user is not None and not user.is_active:
            return None
        if user is None:
            user = User.objects.create_user(email, password)
        elif email_of(ticket) is None:
            return None
        else:
            user.set_password(password)
            user.save(update_fields=["password"])
        if order_id is not None:
            Delivery.objects.filter(order_id=order_id, buyer=None).update(buyer=user)
    return user


def _stamp(user: User | None) -> str:
    """Changes when the password does, so that a used ticket no longer fits."""
    return signing.Signer(salt=SALT).signature(user.password)[:16] if user else "new"
