"""RSA keys in every form people paste them, parsed once."""

import re
from base64 import b64decode, encodebytes
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_public_key,
)

from payments.errors import BadKey

LEAST_BITS = 2048  # RSA2 requires it; source: dossier 1.5
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CertificateMode:
    """What certificate mode adds: two numbers that every request carries, and Alipay's keys by their certificates' number."""

    app_cert_sn: str
    alipay_root_cert_sn: str
    alipay_keys: Mapping[str, RSAPublicKey]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are at Alipay, with keys already parsed.

    app_id, seller_id   as Alipay writes them (seller_id is the 16-digit PID)
    app_key             signs our requests
    alipay_keys         any of them may have signed what Alipay says (two during a rotation), newest first
    certificates        None in key mode
    content_key         AES key where contents travel encrypted
    """

    app_id: str
    seller_id: str
    app_key: RSAPrivateKey
    alipay_keys: tuple[RSAPublicKey, ...]
    certificates: CertificateMode | None = None
    content_key: bytes | None = field(default=None, repr=False)

    def keys_for(self, alipay_cert_sn: str) -> tuple[RSAPublicKey, ...]:
        """The keys that may have signed a message which names this certificate; none where it is not one we hold.

        Key mode knows no certificates, and in certificate mode not every notice names one: then all keys are tried.
        """
        if self.certificates is None or not alipay_cert_sn:
            return self.alipay_keys
        named = self.certificates.alipay_keys.get(alipay_cert_sn)
        return () if named is None else (named,)


def load_private_key(text: str) -> RSAPrivateKey:
    """Read an application's private key: PEM or bare base64, PKCS#1 or PKCS#8, any line ends.

    Raises BadKey, saying what is wrong, never showing the key.
    """
    label, der = _der(text)
    if label in ("PUBLIC KEY", "RSA PUBLIC KEY"):
        raise BadKey("this is a public key; the application's private key is needed here")
    if label == "ENCRYPTED PRIVATE KEY":
        raise BadKey("this private key has a password; paste the one without")
    try:
        key = load_der_private_key(der, password=None)  # takes PKCS#8 and PKCS#1 alike
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if _is_public(der):
            raise BadKey("this is a public key; the application's private key is needed here") from None
        raise BadKey("this is not an RSA private key in PKCS#1 or PKCS#8") from None
    if not isinstance(key, RSAPrivateKey):
        raise BadKey(f"this is not an RSA key but {type(key).__name__}")
    check_size(key.key_size)
    return key


def load_public_key(text: str) -> RSAPublicKey:
    """Read an Alipay public key: PEM or bare base64, SPKI or PKCS#1, any line ends.

    Raises BadKey, saying what is wrong.
    """
    label, der = _der(text)
    if "PRIVATE" in label:
        raise BadKey("this is a private key; Alipay's public key is needed here")
    if label == "CERTIFICATE":
        raise BadKey("this is a certificate; in key mode Alipay's public key is needed here")
    try:
        key = _load_public(der)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("this is not an RSA public key") from None
    if not isinstance(key, RSAPublicKey):
        raise BadKey(f"this is not an RSA key but {type(key).__name__}")
    check_size(key.key_size)
    return key


def _der(text: str) -> tuple[str, bytes]:
    """The label (empty for bare base64) and the binary form of a pasted key. Raises BadKey."""
    pem = _PEM.search(text)
    label, body = (pem[1], pem[2]) if pem else ("", text)
    packed = "".join(body.split())
    if not packed:
        raise BadKey("there is no key here")
    if not _BASE64.fullmatch(packed):
        raise BadKey("this is neither PEM nor base64")
    try:
        return label, b64decode(packed + "=" * (-len(packed) % 4))
    except ValueError:
        raise BadKey("this base64 is cut short") from None


def _load_public(der: bytes) -> object:
    try:
        return load_der_public_key(der)
    except ValueError:  # PKCS#1 has no DER loader of its own
        return load_pem_public_key(
            b"-----BEGIN RSA PUBLIC KEY-----\n" + encodebytes(der) + b"-----END RSA PUBLIC KEY-----\n"
        )


def _is_public(der: bytes) -> bool:
    try:
        return isinstance(_load_public(der), RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return False


def check_size(bits: int) -> None:
    """Raises BadKey for an RSA key that is too short for Alipay."""
    if bits < LEAST_BITS:
        raise BadKey(f"this key has {bits} bits; Alipay's RSA2 needs {LEAST_BITS} or more")
