"""Who wants to be told when something is back: one mail with consent, and the address is forgotten."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, personal


class StockAlert(models.Model):
    variant = internal(models.ForeignKey("checkout.Variant", models.CASCADE, related_name="alerts"))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    email = personal(SealedField(_("e-mail")))
    mark = internal(models.CharField(_("mark of the address"), max_length=64))  # the same address asks once
    language = internal(models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES))
    consented_at = internal(models.DateTimeField(_("consented"), db_default=Now(), db_index=True))

    class Meta:
        verbose_name = _("wish to be told")
        verbose_name_plural = _("wishes to be told")
        constraints = (models.UniqueConstraint(fields=["variant", "mark"], name="one_alert_per_variant_and_address"),)

    def __str__(self) -> str:
        return f"{self.variant_id}"
