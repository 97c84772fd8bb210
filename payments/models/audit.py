"""Who did what to which record, and why, and the seals over it. Only ever added to; holds no personal values."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal
from payments.models.checks import check


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def about(self, record: models.Model) -> "AuditQuerySet":
        """The story of one record, oldest first."""
        return self.filter(subject_kind=record._meta.model_name, subject_id=record.pk).order_by("id")

    def add(
        self, record: models.Model, action: str, *, actor: str, cause: str = "", state: str = "", **detail: Any
    ) -> None:
        """Note one action on a record.

        actor   who or which door: "notice", "poll", "closer", "buyer", "staff:7"
        cause   what made it happen: the evidence's reference, a command
        state   the record's state from here on, where the action changed it
        detail  further plain values; never personal ones
        """
        self.create(
            subject_kind=str(record._meta.model_name), subject_id=record.pk, action=action, actor=actor, cause=cause,
            state=state, detail=detail,
        )  # fmt: skip


class AuditEvent(models.Model):
    subject_kind = internal(models.CharField(_("kind"), max_length=32))
    subject_id = internal(models.BigIntegerField(_("record")))
    action = internal(models.CharField(_("action"), max_length=40))
    state = internal(models.CharField(_("state from here on"), max_length=20, blank=True, db_default=""))
    actor = internal(models.CharField(_("who"), max_length=80))
    cause = internal(models.CharField(_("cause"), max_length=100, blank=True, db_default=""))
    detail = internal(models.JSONField(_("detail"), db_default=models.Value({}, models.JSONField()), default=dict))
    at = internal(models.DateTimeField(_("when"), db_default=Now()))

    objects: ClassVar[AuditQuerySet] = AuditQuerySet.as_manager()  # type: ignore[assignment]  # a manager with these methods

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = (models.Index(fields=["subject_kind", "subject_id"], name="audit_by_subject"),)

    def __str__(self) -> str:
        return f"{self.subject_kind}:{self.subject_id} {self.action}"


class AuditSeal(models.Model):
    """One link of the chain: a batch of events in their order, a digest of each, and an HMAC over them and the last link.

    Events take positions in the order of their ids: `first_position` and those after it. Made by payments.models.sealing
    with a key that stands nowhere in the database; only ever added to.
    """

    number = internal(models.BigIntegerField(_("number"), primary_key=True))
    first_position = internal(models.BigIntegerField(_("position of its first event")))
    events = internal(ArrayField(models.BigIntegerField(), verbose_name=_("events, in order")))
    digests = internal(models.BinaryField(_("their digests, 16 bytes each")))
    key_id = internal(models.CharField(_("key"), max_length=40))
    mac = internal(models.BinaryField(_("HMAC")))
    sealed_at = internal(models.DateTimeField(_("sealed")))

    class Meta:
        verbose_name = _("audit seal")
        verbose_name_plural = _("audit seals")
        constraints = (
            check("audit_seal_holds_its_events", "octet_length(digests) = 16 * cardinality(events)"),
            check("audit_seal_of_something", "least(number, first_position, cardinality(events)) >= 1"),
        )

    def __str__(self) -> str:
        return f"{self.number}:{bytes(self.mac).hex()[:16]}"
