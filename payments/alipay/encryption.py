"""Alipay's optional encryption of contents: AES-CBC with the key from the console. It hides, it proves nothing.

What proves is the signature, and it covers the ciphertext: encrypt, then sign; verify, then decrypt. Source: dossier 1.8.
"""

import binascii
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from payments.errors import BadKey, MalformedAnswer

ENCRYPT_TYPE = "AES"
_NO_IV = CBC(bytes(16))  # Alipay's convention: equal beginnings give equal ciphertexts


def load_content_key(text: str) -> bytes:
    """Read the AES key as Alipay's console shows it: base64 of 16 bytes (24 and 32 are AES keys too). Raises BadKey."""
    try:
        key = b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadKey("this is not base64; copy the AES key as Alipay's console shows it") from None
    if len(key) not in (16, 24, 32):
        raise BadKey(f"this AES key has {len(key)} bytes; Alipay's has 16")
    return key


def encrypted(text: str, key: bytes) -> str:
    """A text as base64 of its AES ciphertext."""
    padder, cipher = PKCS7(AES.block_size).padder(), Cipher(AES(key), _NO_IV).encryptor()
    padded = padder.update(text.encode()) + padder.finalize()
    return b64encode(cipher.update(padded) + cipher.finalize()).decode()


def decrypted(text: str, key: bytes) -> str:
    """Undo `encrypted`. Raises MalformedAnswer: the key does not fit, or it is no ciphertext."""
    unpadder, cipher = PKCS7(AES.block_size).unpadder(), Cipher(AES(key), _NO_IV).decryptor()
    try:
        padded = cipher.update(b64decode(text, validate=True)) + cipher.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except (binascii.Error, ValueError):
        raise MalformedAnswer("the content can't be decrypted with our AES key") from None
