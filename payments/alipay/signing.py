"""The two sign texts of Alipay, and RSA2 over them. SHA-1 and MD5 do not exist here."""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

SIGN_TYPE = "RSA2"
LONGEST_SIGNATURE = 1024  # base64 of a 6144-bit key; anything longer is not worth decoding
_NOT_SIGNED = ("sign", "sign_type")
_PADDING, _HASH = PKCS1v15(), SHA256()


def request_text(params: Mapping[str, str]) -> str:
    """What a request signs: all parameters but `sign`, empty ones left out, `sign_type` kept. Source: dossier 1.4."""
    return "&".join([f"{name}={params[name]}" for name in sorted(params) if name != "sign" and params[name]])


def notice_text(params: Mapping[str, str], *, keep_empty: bool) -> str:
    """What a notice or a return signs: all parameters but `sign` and `sign_type`. Source: dossier 4.3.

    keep_empty  Alipay's pages contradict each other on empty values, so a reader tries both
    """
    signed = [pair for pair in params.items() if (pair[1] or keep_empty) and pair[0] not in _NOT_SIGNED]
    return "&".join(map("=".join, sorted(signed)))


def sign(text: bytes, key: RSAPrivateKey) -> str:
    """RSA2 signature in base64 without line breaks."""
    return b64encode(key.sign(text, _PADDING, _HASH)).decode()


def verifies(text: bytes, signature: str, keys: Iterable[RSAPublicKey]) -> bool:
    """Whether one of the keys made this base64 signature (RSA2) over exactly these bytes."""
    if not signature or len(signature) > LONGEST_SIGNATURE:
        return False
    try:
        raw = a2b_base64(signature, strict_mode=True)
    except ValueError:
        return False
    for key in keys:
        try:
            key.verify(raw, text, _PADDING, _HASH)
        except InvalidSignature:
            continue
        return True
    return False
