"""Certificate mode: the serial numbers that requests carry, and the public keys in Alipay's certificates."""

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from payments.alipay.keys import check_size
from payments.errors import BadKey

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_RSA_FAMILY = "1.2.840.113549.1.1."  # signature algorithms; SM2 and ECDSA stand elsewhere


@dataclass(frozen=True, slots=True)
class Certificate:
    """What Alipay's protocol needs of a certificate.

    sn                     app_cert_sn or alipay_cert_sn: 32 lower-case hex digits
    not_before, not_after  aware, UTC
    """

    sn: str
    public_key: RSAPublicKey
    not_before: datetime
    not_after: datetime


def load_certificate(text: str) -> Certificate:
    """Read an application's or Alipay's certificate: the first one of a PEM file, any line ends.

    Raises BadKey, saying what is wrong.
    """
    found = next(_certificates(text), None)
    if found is None:
        raise BadKey("there is no certificate here that can be read; a PEM file with BEGIN CERTIFICATE is needed")
    try:
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("this certificate holds a key of a kind we can't use; Alipay's RSA2 one is needed") from None
    if not isinstance(key, RSAPublicKey):
        raise BadKey(f"this certificate holds no RSA key but {type(key).__name__}")
    check_size(key.key_size)
    return Certificate(_sn(found), key, found.not_valid_before_utc, found.not_valid_after_utc)


def app_cert_sn(text: str) -> str:
    """The serial number of an application's certificate, as requests carry it. Raises BadKey. Source: dossier 1.7."""
    return load_certificate(text).sn


def alipay_root_cert_sn(text: str) -> str:
    """The serial numbers of the RSA roots in Alipay's root file, joined by "_" in file order. Source: dossier 1.7.

    The file also holds SM2 roots, which not every library can parse: they are left out either way.
    Raises BadKey when no RSA root is left.
    """
    numbers = [
        _sn(each) for each in _certificates(text) if each.signature_algorithm_oid.dotted_string.startswith(_RSA_FAMILY)
    ]
    if not numbers:
        raise BadKey("this file holds no RSA root; Alipay's alipayRootCert.crt is needed here")
    return "_".join(numbers)


def _certificates(text: str) -> Iterator[x509.Certificate]:
    """Each certificate of a PEM file that can be parsed; each on its own, so that a strange one spoils no other."""
    for block in _PEM.finditer(text):
        try:
            yield x509.load_der_x509_certificate(b64decode("".join(block[1].split()), validate=True))
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            continue


def _sn(certificate: x509.Certificate) -> str:
    """MD5 over the issuer, most specific name first, and the decimal serial number; an identifier, not a proof."""
    name = certificate.issuer.rfc4514_string() + str(certificate.serial_number)
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
