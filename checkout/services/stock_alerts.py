""" "Tell me when back": one mail, sent once, and the address is gone."""

from base64 import b64decode, b64encode
from datetime import timedelta

from django.core import signing
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from checkout.models import StockAlert, Variant
from payments.fields import seal, unseal
from payments.models import OutboxMessage

SALT = "checkout.stock_alert"
KEPT = timedelta(days=180)


def want(variant: Variant, *, email: str, language: str) -> None:
    """Remember, with the shopper's consent, to write when the variant is back. Asking twice is asking once."""
    mark = signing.Signer(salt=SALT).signature(email.lower())
    StockAlert.objects.bulk_create(
        [StockAlert(variant=variant, email=email, mark=mark, language=language)], ignore_conflicts=True
    )


def tell(*, limit: int) -> int:
    """Hand everybody whose goods are back to the outbox, and forget them here. Safe to run twice or never."""
    with transaction.atomic():
        due = list(
            StockAlert.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(variant__is_listed=True, variant__product__is_listed=True)
            .filter(variant__stock__on_hand__gt=F("variant__stock__held"))
            .order_by("pk")[:limit]
        )
        OutboxMessage.objects.bulk_create(
            OutboxMessage(topic="goods.back", dedupe_key=f"goods.back:{each.pk}", payload={
                "variant_id": each.variant_id, "language": each.language,
                "sealed": b64encode(seal((each.email or "").encode(), place=SALT)).decode(),
            }) for each in due
        )  # fmt: skip
        StockAlert.objects.filter(pk__in=[each.pk for each in due]).delete()
    return len(due)


def address_in(sealed: str) -> str:
    """The address of a message of `tell`."""
    return unseal(b64decode(sealed), place=SALT).decode()


def forget_old() -> int:
    """Nobody waits for half a year; returns how many were forgotten."""
    return StockAlert.objects.filter(consented_at__lt=timezone.now() - KEPT).delete()[0]
