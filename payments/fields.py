"""What a stored value is: its privacy class, and the sealed field for values that must not lie open in the database."""

import os
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

from payments.errors import InvalidSeal

Field = TypeVar("Field", bound="models.Field[Any, Any]")
NONCE_BYTES = 12
KEY_BYTES = 32


def _marks(data_class: str) -> Callable[[Field], Field]:
    def mark(field: Field) -> Field:
        field.data_class = data_class  # type: ignore[attr-defined]  # Django's fields take attributes of ours
        return field

    return mark


# Every model field is wrapped in one of these; a test fails on one that is not.
public = _marks("public")  # may be shown to anyone who holds the order's link
internal = _marks("internal")  # staff and machines
personal = _marks("personal")  # about a person: leaves with an erasure request, never in a log
secret = _marks("secret")  # opens a door or proves who we are: never shown, never in a log


@lru_cache(maxsize=8)
def key_ring(setting: str, text: str) -> dict[str, bytes]:
    """Keys of 32 bytes by id from "id:base64,id:base64"; the first one seals, all of them open.

    Raises ImproperlyConfigured, naming the setting and the key's id, never the key.
    """
    ring: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key_id, colon, encoded = entry.partition(":")
        if not colon:  # it may be a bare key, which is not to be shown
            raise ImproperlyConfigured(f"{setting}: an entry is not id:key.")
        try:
            key = b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not key_id or len(key) != KEY_BYTES:
            raise ImproperlyConfigured(f"{setting}: the key {key_id!r} is not 32 bytes in base64.")
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured(f"{setting} holds no key.")
    return ring


@lru_cache(maxsize=4)
def _ciphers(text: str) -> dict[str, AESGCM]:
    return {key_id: AESGCM(key) for key_id, key in key_ring("SEAL_KEYS", text).items()}


def seal(plain: bytes, *, place: str) -> bytes:
    """Encrypt with the ring's first key (AES-256-GCM), bound to `place` ("table.column:seal_id").

    Returns key id, ":", 12 bytes of nonce, ciphertext with tag.
    """
    key_id, key = next(iter(_ciphers(settings.SEAL_KEYS).items()))
    nonce = os.urandom(NONCE_BYTES)
    return key_id.encode() + b":" + nonce + key.encrypt(nonce, plain, place.encode())


def unseal(sealed: bytes, *, place: str) -> bytes:
    """Undo `seal`. Raises InvalidSeal when the value was altered or moved here from elsewhere, or its key is gone."""
    key_id, _, rest = sealed.partition(b":")
    key = _ciphers(settings.SEAL_KEYS).get(key_id.decode(errors="replace"))
    if key is None:
        raise InvalidSeal(f"{place}: sealed with a key that SEAL_KEYS does not hold: {key_id!r}")
    try:
        return key.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.encode())
    except InvalidTag:
        raise InvalidSeal(f"{place}: altered, or moved here from another row") from None


class _Sealed(bytes):
    """A value as the database holds it, opened when someone reads the attribute."""


class SealedField(models.BinaryField["str | None", "str | None"]):
    """Text that is encrypted before it is stored. The model needs a `seal_id` made before saving.

    Reading the attribute gives the text back; queries can only ask whether it is null.
    """

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _OpensOnRead(self))

    def place(self, instance: models.Model) -> str:
        return sealed_place(type(instance), str(self.column), getattr(instance, "seal_id"))  # noqa: B009  # see the class

    def from_db_value(self, value: bytes | None, *_: object) -> "_Sealed | None":
        return None if value is None else _Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        value = model_instance.__dict__[self.attname]
        if value is None or isinstance(value, _Sealed):
            return value
        sealed = _Sealed(seal(value.encode(), place=self.place(model_instance)))
        model_instance.__dict__[self.attname] = sealed
        return sealed

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, str):
            raise FieldError(f"{self.name} is sealed: write it with save(), which knows the row it is bound to")
        return super().get_db_prep_value(value, connection, prepared)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is sealed: it can't be searched")
        return super().get_lookup(lookup_name)


class _OpensOnRead:
    def __init__(self, field: SealedField) -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        return unseal(value, place=self.field.place(instance)).decode() if isinstance(value, _Sealed) else value

    def __set__(self, instance: models.Model, value: str | _Sealed | None) -> None:
        instance.__dict__[self.field.attname] = value


def sealed_place(model: type[models.Model], column: str, seal_id: object) -> str:
    """Where a sealed value belongs; the text it is bound to."""
    return f"{model._meta.db_table}.{column}:{seal_id}"
