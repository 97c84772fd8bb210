"""An account's keys and certificates, as its rows hold them: parsed once, put together for its mode."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from payments.alipay.certificates import Certificate, alipay_root_cert_sn, load_certificate
from payments.alipay.encryption import load_content_key
from payments.alipay.keys import CertificateMode, Credentials, load_private_key, load_public_key
from payments.errors import BadKey
from payments.models import AlipayKey, MerchantAccount

Kind = AlipayKey.Kind
READERS: dict[str, Callable[[str], Any]] = {
    Kind.APP_PRIVATE: load_private_key,
    Kind.ALIPAY_PUBLIC: load_public_key,
    Kind.APP_CERT: load_certificate,
    Kind.ALIPAY_CERT: load_certificate,
    Kind.ALIPAY_ROOT: alipay_root_cert_sn,
    Kind.CONTENT: load_content_key,
}
_parsed: dict[int, Any] = {}


def credentials_of(account: MerchantAccount, now: datetime) -> Credentials:
    """What this account signs and verifies with now. Raises BadKey, naming what is missing.

    An expired certificate of Alipay's verifies nothing any more. An expired one of ours is still named in requests:
    Alipay refuses them, which is certain, and what it says to us can still be read.
    """
    keys: dict[str, list[Any]] = defaultdict(list)
    for row in AlipayKey.objects.filter(account=account).valid_at(now):  # newest first
        keys[row.kind].append(_parse(row))
    ours = _required(keys[Kind.APP_PRIVATE], account, "key of ours")
    content = next(iter(keys[Kind.CONTENT]), None)
    if account.mode == MerchantAccount.Mode.KEY:
        theirs = _required(keys[Kind.ALIPAY_PUBLIC], account, "Alipay key")
        return Credentials(account.app_id, account.seller_id, ours[0], tuple(theirs), content_key=content)
    certificates = [each for each in keys[Kind.ALIPAY_CERT] if each.not_before <= now < each.not_after]
    by_number = {each.sn: each.public_key for each in _required(certificates, account, "Alipay certificate")}
    app_key, app_sn = _certified(ours, _required(keys[Kind.APP_CERT], account, "certificate of ours"), account)
    root_sn = _required(keys[Kind.ALIPAY_ROOT], account, "Alipay root certificate")[0]
    return Credentials(
        account.app_id, account.seller_id, app_key, (*by_number.values(), *keys[Kind.ALIPAY_PUBLIC]),
        CertificateMode(app_sn, root_sn, by_number), content,
    )  # fmt: skip


def certificates_of(account: MerchantAccount, now: datetime) -> dict[str, list[Certificate]]:
    """The certificates in use, ours and Alipay's, by kind, newest first; expired ones too."""
    rows = AlipayKey.objects.filter(account=account, kind__in=(Kind.APP_CERT, Kind.ALIPAY_CERT)).valid_at(now)
    found: dict[str, list[Certificate]] = defaultdict(list)
    for row in rows:
        found[row.kind].append(_parse(row))
    return found


def _certified(
    keys: Sequence[RSAPrivateKey], certificates: Sequence[Certificate], account: MerchantAccount
) -> tuple[RSAPrivateKey, str]:
    """Our newest certificate for which a key is here: while one replaces the other, both lie here."""
    for certificate in certificates:
        for key in keys:
            if certificate.public_key == key.public_key():
                return key, certificate.sn
    raise BadKey(f"the account {account.app_id} has no private key that fits its certificate")


def _required(found: list[Any], account: MerchantAccount, what: str) -> list[Any]:
    if not found:
        raise BadKey(f"the account {account.app_id} has no valid {what}")
    return found


def _parse(row: AlipayKey) -> Any:
    """A row never changes, so each is parsed once per process; parsing costs more than a hundred signatures."""
    if row.pk not in _parsed:
        _parsed[row.pk] = READERS[row.kind](str(row.key))
    return _parsed[row.pk]
