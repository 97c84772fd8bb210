"""Duties that happen once a period, whoever rings the bell and however often."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from payments.fields import internal


class DutyQuerySet(models.QuerySet["Duty"]):
    def take(self, name: str, *, now: datetime, lease: timedelta) -> int | None:
        """Take a duty that is due and that nobody holds. Returns its version, which every later write names; else None."""
        taken = self.filter(Q(leased_until=None) | Q(leased_until__lte=now), name=name, due_at__lte=now).update(
            leased_until=now + lease, version=F("version") + 1
        )
        return self.values_list("version", flat=True).get(name=name) if taken else None

    def finish(
        self, name: str, *, version: int, period: str, next_due_at: datetime, note: dict[str, Any] | None = None
    ) -> bool:
        """Move a finished duty on. False for a holder who was too slow and has been replaced: its work did not count.

        note  plain values for its next round
        """
        moved = self.filter(name=name, version=version, leased_until__isnull=False).update(
            due_at=next_due_at, leased_until=None, last_done_period=period, note=note or {}
        )
        return moved == 1


class Duty(models.Model):
    name = internal(models.CharField(_("name"), max_length=40, primary_key=True))
    due_at = internal(models.DateTimeField(_("due")))
    leased_until = internal(models.DateTimeField(_("held until"), null=True, blank=True))
    version = internal(models.BigIntegerField(_("version"), default=0))
    last_done_period = internal(models.CharField(_("last done for"), max_length=20, blank=True, default=""))

    note = internal(
        models.JSONField(_("for its next round"), db_default=models.Value({}, models.JSONField()), default=dict)
    )

    objects: ClassVar[DutyQuerySet] = DutyQuerySet.as_manager()  # type: ignore[assignment]  # a manager with these methods

    class Meta:
        verbose_name = _("duty")
        verbose_name_plural = _("duties")

    def __str__(self) -> str:
        return self.name
