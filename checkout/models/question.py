"""What a buyer asks about an order. The case it opens names the order; the words lie sealed here."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, personal


class Question(models.Model):
    order = internal(models.ForeignKey("payments.Order", models.PROTECT, related_name="questions"))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    text = personal(SealedField(_("text")))
    email = personal(SealedField(_("answer to"), null=True, blank=True))
    asked_at = internal(models.DateTimeField(_("asked"), db_default=Now()))

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")

    def __str__(self) -> str:
        return f"{self.order_id}"
