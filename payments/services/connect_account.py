"""Connect the shop to an Alipay application: numbers, gateway and keys as one set."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction

from payments import gateway
from payments.alipay.keys import load_private_key, load_public_key
from payments.errors import BadKey
from payments.models import AlipayKey, AuditEvent, MerchantAccount
from payments.models.clock import database_now


@dataclass(frozen=True, slots=True)
class Connection:
    """What a merchant copies from Alipay's console; keys as pasted."""

    app_id: str
    seller_id: str
    name: str
    gateway_url: str
    app_private_key: str
    alipay_public_key: str


def connect_account(wanted: Connection, *, actor: str) -> MerchantAccount:
    """Create the account, or bring it to these values; a key that is new gets its own row and the old one stays valid.

    Raises BadKey: not a key, too short, or our own public key in the place of Alipay's.
    """
    ours = load_private_key(wanted.app_private_key).public_key()
    theirs = load_public_key(wanted.alipay_public_key)
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if ours.public_bytes(*spki) == theirs.public_bytes(*spki):
        raise BadKey("this is the application's own public key; copy Alipay's public key, shown after uploading yours")
    with transaction.atomic():
        account, _ = MerchantAccount.objects.update_or_create(
            app_id=wanted.app_id,
            defaults={
                "seller_id": wanted.seller_id,
                "name": wanted.name,
                "gateway_url": wanted.gateway_url,
                "is_active": True,
            },
        )
        for kind, key in (
            (AlipayKey.Kind.APP_PRIVATE, wanted.app_private_key),
            (AlipayKey.Kind.ALIPAY_PUBLIC, wanted.alipay_public_key),
        ):
            if key.strip() not in {row.key for row in AlipayKey.objects.filter(account=account, kind=kind)}:
                AlipayKey.objects.create(account=account, kind=kind, key=key.strip(), valid_from=database_now())
        AuditEvent.objects.add(account, "connected", actor=actor, gateway=wanted.gateway_url)
    gateway.merchants(refresh=True)
    return account
