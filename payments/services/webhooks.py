"""Which of the shop's own systems are told: staff add, change, rotate the secret, try out and send again."""

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from payments.errors import TooManyWebhooks
from payments.models import AuditEvent, WebhookDelivery, WebhookEndpoint, WebhookKind
from payments.models.clock import database_now
from payments.models.webhook import new_secret
from payments.services.announce import announce
from payments.services.deliver_webhooks import check_address

BOTH_SIGN = timedelta(hours=24)
MOST_ACTIVE = 20  # each event costs a delivery for every one


@transaction.atomic
def add_endpoint(
    *, url: str, kinds: Iterable[str], description: str, actor: str, client_id: int | None = None
) -> WebhookEndpoint:
    """One more address that is told; its secret is in it, to be shown once. No kinds: everything.

    client_id  the program it belongs to: it hears of that program's orders alone, unless the program may see all
    Raises LinkRefused where the address is none of the open internet, TooManyWebhooks.
    """
    check_address(url)
    _leave_room()
    endpoint = WebhookEndpoint(
        url=url, kinds=sorted(set(kinds)), description=description, signing_secret=new_secret(), client_id=client_id
    )
    endpoint.save()
    AuditEvent.objects.add(endpoint, "webhook_added", actor=actor, address=url)
    return endpoint


@transaction.atomic
def change_endpoint(
    endpoint: WebhookEndpoint, *, url: str, kinds: Iterable[str], description: str, active: bool, actor: str
) -> None:
    """Raises LinkRefused, TooManyWebhooks. What waits for an endpoint that is not told any more waits until it is told again."""
    check_address(url)
    if active:
        _leave_room(beside=endpoint)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        url=url, kinds=sorted(set(kinds)), description=description, active=active, why_not=""
    )
    AuditEvent.objects.add(endpoint, "webhook_changed", actor=actor, address=url, active=active)


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint, *, actor: str) -> str:
    """A new secret, shown once; for a day the one before signs too, so that the receiver can change in peace."""
    held = WebhookEndpoint.objects.locked(endpoint.pk)
    made = new_secret()
    held.old_signing_secret, held.old_until = str(held.signing_secret), database_now() + BOTH_SIGN
    held.signing_secret = made
    held.save(update_fields=["signing_secret", "old_signing_secret", "old_until"])
    AuditEvent.objects.add(endpoint, "webhook_secret_rotated", actor=actor)
    return made


def is_full(*, beside: WebhookEndpoint | None = None) -> bool:
    """Whether no more endpoints can be told; `beside` is not counted."""
    others = WebhookEndpoint.objects.filter(active=True).exclude(pk=beside.pk if beside and beside.pk else 0)
    return others.count() >= MOST_ACTIVE


def _leave_room(*, beside: WebhookEndpoint | None = None) -> None:
    if is_full(beside=beside):
        raise TooManyWebhooks(f"{MOST_ACTIVE} webhooks are told already: switch one off first")


def send_test(endpoint: WebhookEndpoint, *, actor: str) -> None:
    """A test event for this endpoint alone."""
    announce(WebhookKind.TEST, uuid.uuid4().hex, {"asked_by": actor}, only=endpoint)


@transaction.atomic
def send_again(deliveries: Iterable[WebhookDelivery], *, actor: str) -> int:
    """Start these over: what was taken before is sent once more under the same id. Returns how many."""
    chosen = list(deliveries)
    for each in chosen:
        AuditEvent.objects.add(each, "webhook_sent_again", actor=actor)
    return WebhookDelivery.objects.filter(pk__in=[each.pk for each in chosen]).send_again(now=database_now())
