"""Passkeys: a person's fingerprint, phone or security key instead of, or beside, the password."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal, personal

MOST_PASSKEYS = 10  # of one person


class PasskeyQuerySet(models.QuerySet["Passkey"]):
    def note_use(self, passkey_id: int, *, sign_count: int) -> bool:
        """Remember one use. False when the key's own counter went back: somebody holds a copy of it.

        A key that counts nothing always says 0.
        """
        ahead = Q(sign_count__lt=sign_count) if sign_count else Q(sign_count=0)
        return self.filter(ahead, pk=passkey_id).update(sign_count=sign_count, used_at=Now()) == 1


class Passkey(models.Model):
    user = internal(models.ForeignKey("payments.User", models.CASCADE, related_name="passkeys"))
    name = personal(models.CharField(_("name"), max_length=60))
    credential_id = internal(models.BinaryField(_("number of the key"), unique=True, max_length=1024))
    # attested credential data as WebAuthn defines it: the key's number and its public key
    public_key = internal(models.BinaryField(_("public key")))
    sign_count = internal(models.BigIntegerField(_("uses counted by the key"), default=0))
    added_at = internal(models.DateTimeField(_("added"), db_default=Now()))
    used_at = internal(models.DateTimeField(_("last used"), null=True, blank=True))

    objects: ClassVar[PasskeyQuerySet] = PasskeyQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("passkey")
        verbose_name_plural = _("passkeys")

    def __str__(self) -> str:
        return self.name
