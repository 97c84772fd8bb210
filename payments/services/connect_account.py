"""Connect the shop to an Alipay application: numbers, gateway, mode and keys as one set."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.db import transaction

from payments import gateway
from payments.alipay.certificates import alipay_root_cert_sn, load_certificate
from payments.alipay.encryption import load_content_key
from payments.alipay.keys import load_private_key, load_public_key
from payments.errors import BadGateway, BadKey
from payments.models import AlipayKey, AuditEvent, MerchantAccount
from payments.models.clock import database_now

Mode = MerchantAccount.Mode
Kind = AlipayKey.Kind
PRODUCTION = "https://openapi.alipay.com/gateway.do"
SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
HERE = ("127.0.0.1", "::1", "localhost")  # a pretend Alipay may be spoken to in clear


@dataclass(frozen=True, slots=True)
class Connection:
    """What a merchant copies from Alipay's console; keys and certificates as pasted.

    alipay_public_key                            key mode
    app_cert, alipay_cert, alipay_root_cert      certificate mode: the three files Alipay offers for download
    content_key                                  AES key, where contents are to travel encrypted
    """

    app_id: str
    seller_id: str
    name: str
    gateway_url: str
    app_private_key: str
    alipay_public_key: str = ""
    app_cert: str = ""
    alipay_cert: str = ""
    alipay_root_cert: str = ""
    content_key: str = ""

    @property
    def mode(self) -> Mode:
        return Mode.CERTIFICATE if self.app_cert or self.alipay_cert or self.alipay_root_cert else Mode.KEY

    def keys(self) -> dict[Kind, str]:
        """What is to be kept, by kind."""
        given = {
            Kind.APP_PRIVATE: self.app_private_key,
            Kind.ALIPAY_PUBLIC: self.alipay_public_key,
            Kind.APP_CERT: self.app_cert,
            Kind.ALIPAY_CERT: self.alipay_cert,
            Kind.ALIPAY_ROOT: self.alipay_root_cert,
            Kind.CONTENT: self.content_key,
        }
        return {kind: text.strip() for kind, text in given.items() if text.strip()}


def connect_account(wanted: Connection, *, actor: str) -> MerchantAccount:
    """Create the account, or bring it to these values; a key that is new gets its own row and the old one stays valid.

    An AES key is the exception: where none is given, contents no longer travel encrypted.
    Raises BadGateway. Raises BadKey: not a key, too short, our own public key in the place of Alipay's, a certificate for
    another key.
    """
    _check_gateway(wanted)
    _check(wanted)
    with transaction.atomic():
        account, _ = MerchantAccount.objects.update_or_create(
            app_id=wanted.app_id,
            defaults={
                "seller_id": wanted.seller_id,
                "name": wanted.name,
                "mode": wanted.mode,
                "gateway_url": wanted.gateway_url,
                "is_active": True,
            },
        )
        _keep(account, wanted.keys())
        AuditEvent.objects.add(account, "connected", actor=actor, gateway=wanted.gateway_url, mode=wanted.mode)
    gateway.merchants(refresh=True)
    return account


def _check_gateway(wanted: Connection) -> None:
    """Alipay's sandbox and production share nothing: one application id is never of both."""
    parts = urlsplit(wanted.gateway_url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
    if not parts.hostname or not is_safe:
        raise BadGateway(f"{wanted.gateway_url!r} is no https address of a gateway")
    pair = {PRODUCTION, SANDBOX}
    before = MerchantAccount.objects.filter(app_id=wanted.app_id).values_list("gateway_url", flat=True).first()
    if {before, wanted.gateway_url} == pair:
        raise BadGateway(f"{wanted.app_id} is connected to {before}; the other has application ids and keys of its own")


def _check(wanted: Connection) -> None:
    """See that every key can be used and none stands in another's place."""
    ours = load_private_key(wanted.app_private_key).public_key()
    if wanted.content_key:
        load_content_key(wanted.content_key)
    if wanted.mode == Mode.KEY:
        _check_theirs(ours, load_public_key(wanted.alipay_public_key))
        return
    if load_certificate(wanted.app_cert).public_key != ours:
        raise BadKey("the application's certificate was made for another key than this private key")
    theirs = load_certificate(wanted.alipay_cert)
    _check_theirs(ours, theirs.public_key)
    if theirs.not_after <= database_now():
        raise BadKey(f"Alipay's certificate ended on {theirs.not_after:%Y-%m-%d}; download the present one")
    alipay_root_cert_sn(wanted.alipay_root_cert)


def _check_theirs(ours: RSAPublicKey, theirs: RSAPublicKey) -> None:
    if ours == theirs:
        raise BadKey("this is the application's own public key; copy Alipay's public key, shown after uploading yours")


def _keep(account: MerchantAccount, keys: dict[Kind, str]) -> None:
    now = database_now()
    if Kind.CONTENT not in keys:
        AlipayKey.objects.filter(account=account, kind=Kind.CONTENT).valid_at(now).update(valid_until=now)
    for kind, text in keys.items():
        if text not in {row.key for row in AlipayKey.objects.filter(account=account, kind=kind).valid_at(now)}:
            AlipayKey.objects.create(account=account, kind=kind, key=text, valid_from=now)
