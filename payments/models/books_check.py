"""Every run of the invariants, kept: what was looked at, what was found. Only ever added to."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from payments.fields import internal


class BooksCheckQuerySet(models.QuerySet["BooksCheck"]):
    def last_green(self) -> "BooksCheck | None":
        """The newest run that found nothing wrong."""
        return self.filter(broken=0).order_by("-id").first()


class BooksCheck(models.Model):
    class Reach(models.TextChoices):
        FULL = "full", _("everything")
        SINCE = "since", _("what was written since the last green run")

    reach = internal(models.CharField(_("looked at"), max_length=8, choices=Reach))
    started_at = internal(models.DateTimeField(_("started")))
    ended_at = internal(models.DateTimeField(_("ended")))
    checked = internal(models.IntegerField(_("invariants looked at")))
    broken = internal(models.IntegerField(_("broken")))
    # by invariant: count, the first ids, milliseconds
    results = internal(models.JSONField(_("results")))
    # where the records stood: the next shorter run begins there
    xid = internal(models.BigIntegerField(_("oldest open transaction")))
    last_audit_id = internal(models.BigIntegerField(_("last audit event")))
    last_message_id = internal(models.BigIntegerField(_("last message")))
    last_transfer_id = internal(models.BigIntegerField(_("last transfer"), db_default=0))
    last_line_id = internal(models.BigIntegerField(_("last line of an order"), db_default=0))
    last_follow_up_id = internal(models.BigIntegerField(_("last follow-up"), db_default=0))
    last_order_id = internal(models.BigIntegerField(_("last order"), db_default=0))
    last_transaction_id = internal(models.BigIntegerField(_("last attempt to pay"), db_default=0))
    last_refund_id = internal(models.BigIntegerField(_("last refund"), db_default=0))

    objects: ClassVar[BooksCheckQuerySet] = BooksCheckQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("books check")
        verbose_name_plural = _("books checks")

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"

    @property
    def is_green(self) -> bool:
        return self.broken == 0
