"""The merchant's account at Alipay and the keys on both sides."""

import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, public, secret


class MerchantAccount(models.Model):
    """One application at Alipay. Gateway, numbers and keys switch as one set, for they stand on one row."""

    class Mode(models.TextChoices):
        KEY = "key", _("keys")
        CERTIFICATE = "certificate", _("certificates")

    app_id = internal(models.CharField("app_id", max_length=32, unique=True))
    seller_id = internal(models.CharField("seller_id", max_length=32))
    name = public(models.CharField(_("name buyers see at Alipay"), max_length=80))
    mode = internal(models.CharField(_("mode"), max_length=16, choices=Mode, default=Mode.KEY))
    gateway_url = internal(models.URLField(_("gateway"), max_length=255))
    is_active = internal(models.BooleanField(_("in use"), default=True))
    created_at = internal(models.DateTimeField(_("connected"), db_default=Now(), editable=False))

    class Meta:
        verbose_name = _("Alipay account")
        verbose_name_plural = _("Alipay accounts")

    def __str__(self) -> str:
        return f"{self.name} · {self.app_id}"


class AlipayKeyQuerySet(models.QuerySet["AlipayKey"]):
    def valid_at(self, now: datetime) -> "AlipayKeyQuerySet":
        """Keys whose window holds this moment, newest first: two Alipay keys are valid while one replaces the other."""
        return self.filter(models.Q(valid_until=None) | models.Q(valid_until__gt=now), valid_from__lte=now).order_by(
            "-valid_from", "-id"
        )


class AlipayKey(models.Model):
    """One key or certificate file with its time of validity. Replacing a key adds a row and ends the old one's window later."""

    class Kind(models.TextChoices):
        APP_PRIVATE = "app_private", _("ours: signs requests")
        ALIPAY_PUBLIC = "alipay_public", _("Alipay's: verifies answers and notices")
        APP_CERT = "app_cert", _("our certificate, for our key")
        ALIPAY_CERT = "alipay_cert", _("Alipay's certificate: verifies answers and notices")
        ALIPAY_ROOT = "alipay_root", _("Alipay's root certificates")
        CONTENT = "content", _("AES key: encrypts contents")

    account = internal(models.ForeignKey(MerchantAccount, models.PROTECT, related_name="keys"))
    kind = internal(models.CharField(_("kind"), max_length=16, choices=Kind))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    key = secret(SealedField(_("key")))
    valid_from = internal(models.DateTimeField(_("valid from"), db_default=Now()))
    valid_until = internal(models.DateTimeField(_("valid until"), null=True, blank=True))

    objects: ClassVar[models.Manager["AlipayKey"]] = AlipayKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("key")
        verbose_name_plural = _("keys")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(valid_until=None) | models.Q(valid_until__gt=models.F("valid_from")),
                name="key_window_has_a_length",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.account.app_id}"
