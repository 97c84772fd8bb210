"""What staff prove beside their password: a code from an app, or one of ten codes kept for a lost phone."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, secret


class CodeAppQuerySet(models.QuerySet["CodeApp"]):
    def note_step(self, app: "CodeApp", step: int) -> bool:
        """Use up a code. False when it, or a later one, was used before: a code seen over a shoulder is worth nothing."""
        return self.filter(pk=app.pk, last_step__lt=step).update(last_step=step) == 1


class CodeApp(models.Model):
    """An app on a person's phone that shows a new code every half minute (TOTP)."""

    user = internal(models.OneToOneField("payments.User", models.CASCADE, primary_key=True, related_name="code_app"))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    key = secret(SealedField(_("key shared with the app, base32")))
    last_step = internal(models.BigIntegerField(_("half minute of the last code used"), default=0))
    added_at = internal(models.DateTimeField(_("added"), db_default=Now()))

    objects: ClassVar[CodeAppQuerySet] = CodeAppQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("code app")
        verbose_name_plural = _("code apps")

    def __str__(self) -> str:
        return str(self.user)


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    def unused(self) -> "RecoveryCodeQuerySet":
        return self.filter(used_at=None)

    def use(self, user_id: int, digest: str) -> bool:
        """Use one up. True for the one caller who did."""
        return self.unused().filter(user_id=user_id, digest=digest).update(used_at=Now()) == 1


class RecoveryCode(models.Model):
    """One code that works once, kept as a digest."""

    user = internal(models.ForeignKey("payments.User", models.CASCADE, related_name="recovery_codes"))
    digest = secret(models.CharField(_("digest"), max_length=64))
    made_at = internal(models.DateTimeField(_("made"), db_default=Now()))
    used_at = internal(models.DateTimeField(_("used"), null=True, blank=True))

    objects: ClassVar[RecoveryCodeQuerySet] = RecoveryCodeQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        constraints = (
            models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_once"),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(used_at__gte=F("made_at")), name="used_after_made"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id}"
