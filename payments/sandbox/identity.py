"""The pretend Alipay's numbers and key pairs: made at the first start, kept in its folder."""

import random
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from payments.alipay.keys import load_private_key, load_public_key
from payments.sandbox.alipay import Identity


def identity_in(folder: Path, chance: random.Random) -> Identity:
    """Read the folder's identity; the first time, make one and write it.

    Files: app_id, seller_id, app_private_key.pem, app_public_key.pem, alipay_private_key.pem, alipay_public_key.pem.
    The shop needs the first three and the last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "alipay_public_key.pem").exists():  # written last
        (folder / "app_id").write_text(f"2021{chance.randrange(10**12):012d}\n")
        (folder / "seller_id").write_text(f"2088{chance.randrange(10**12):012d}\n")
        for name in ("app", "alipay"):
            _write_pair(folder, name, generate_private_key(public_exponent=65537, key_size=2048))
    return Identity(
        app_id=(folder / "app_id").read_text().strip(),
        seller_id=(folder / "seller_id").read_text().strip(),
        app_public_key=load_public_key((folder / "app_public_key.pem").read_text()),
        alipay_key=load_private_key((folder / "alipay_private_key.pem").read_text()),
    )


def _write_pair(folder: Path, name: str, key: RSAPrivateKey) -> None:
    private = folder / f"{name}_private_key.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}_public_key.pem").write_bytes(public)
