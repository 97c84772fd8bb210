"""The pretend Alipay's numbers, keys and certificates: made at the first start, kept in its folder."""

import random
import secrets
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from payments.alipay.encryption import load_content_key
from payments.alipay.keys import load_private_key, load_public_key
from payments.sandbox.certificates import Certificates, certificates_in


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this pretend Alipay is for: one application of one merchant, and the keys of both sides.

    certificates  None in key mode
    aes_key       16 bytes, for requests with encrypt_type=AES; empty where none was agreed on
    """

    app_id: str
    seller_id: str
    app_public_key: RSAPublicKey
    alipay_key: RSAPrivateKey
    certificates: Certificates | None = None
    aes_key: bytes = b""


def identity_in(folder: Path, chance: random.Random, *, certificate_mode: bool = False) -> Identity:
    """Read the folder's identity; the first time, make one and write it.

    Files: app_id, seller_id, app_private_key.pem, app_public_key.pem, alipay_private_key.pem, alipay_public_key.pem and
    aes_key; in certificate mode also those of `certificates_in`. The shop needs app_id, seller_id,
    app_private_key.pem and alipay_public_key.pem, or the three certificates in place of the last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "alipay_public_key.pem").exists():  # written last
        (folder / "app_id").write_text(f"2021{chance.randrange(10**12):012d}\n")
        (folder / "seller_id").write_text(f"2088{chance.randrange(10**12):012d}\n")
        for name in ("app", "alipay"):
            _write_pair(folder, name, generate_private_key(public_exponent=65537, key_size=2048))
    if not (folder / "aes_key").exists():
        _write_secret(folder / "aes_key", b64encode(secrets.token_bytes(16)))
    app_id = (folder / "app_id").read_text().strip()
    app_public = load_public_key((folder / "app_public_key.pem").read_text())
    alipay_key = load_private_key((folder / "alipay_private_key.pem").read_text())
    return Identity(
        app_id=app_id,
        seller_id=(folder / "seller_id").read_text().strip(),
        app_public_key=app_public,
        alipay_key=alipay_key,
        certificates=certificates_in(folder, app_id, app_public, alipay_key.public_key()) if certificate_mode else None,
        aes_key=load_content_key((folder / "aes_key").read_text()),
    )


def _write_pair(folder: Path, name: str, key: RSAPrivateKey) -> None:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_secret(folder / f"{name}_private_key.pem", private)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}_public_key.pem").write_bytes(public)


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
