"""Days of Alipay's bills and the files that came for them: what is expected, what came, what was read, what was refused."""

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat, Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal, personal, seal, sealed_place, unseal
from payments.models.checks import check


class BillDayQuerySet(models.QuerySet["BillDay"]):
    def take(self, day_id: int, *, now: datetime, lease: timedelta, only_due: bool = False) -> int | None:
        """Take a day that nobody holds. Returns its version, which every later write names; else None.

        only_due  and whose time has come: somebody may have gone on with it since it was looked up
        """
        free = self.filter(Q(leased_until=None) | Q(leased_until__lte=now), pk=day_id)
        due = free.filter(due_at__lte=now) if only_due else free
        taken = due.update(leased_until=now + lease, version=F("version") + 1)
        return self.values_list("version", flat=True).get(pk=day_id) if taken else None

    def move(self, day: "BillDay", state: "BillDay.State", *, version: int, **values: Any) -> bool:
        """Write what became of a day that `take` gave us. False for a holder who was too slow and has been replaced."""
        return self.filter(pk=day.pk, version=version).update(state=state, **values) == 1

    def untold(self) -> "BillDayQuerySet":
        """Compared and closed days that webhooks have not heard of as they are now."""
        known = (BillDay.State.MATCHED, BillDay.State.CLOSED)
        return self.filter(state__in=known).exclude(told=Concat("state", Value(":"), "result_hash"))


class BillDay(models.Model):
    """One day in Shanghai of one merchant: it has a row from its start, whatever Alipay says of it later.

    The fen are sums over the day, refunds negative: what we have booked, and what the bill of payments and refunds says.
    """

    class State(models.TextChoices):
        EXPECTED = "expected", _("expected")
        FETCHING = "fetching", _("being fetched")
        IMPORTED = "imported", _("read")
        MATCHED = "matched", _("compared")
        CLOSED = "closed", _("closed")

    class Content(models.TextChoices):
        """What Alipay has for the day. No bill and a bill without lines are two things."""

        UNKNOWN = "unknown", _("not asked yet")
        MISSING = "missing", _("Alipay has no bill")
        EMPTY = "empty", _("no business that day")
        LINES = "lines", _("with lines")

    account = internal(models.ForeignKey("payments.MerchantAccount", models.PROTECT, db_index=False))
    day = internal(models.DateField(_("day in Shanghai")))
    state = internal(models.CharField(_("state"), max_length=10, choices=State, default=State.EXPECTED))
    content = internal(models.CharField(_("what Alipay has"), max_length=8, choices=Content, default=Content.UNKNOWN))
    # when to fetch or compare next; who is at it; empty when nothing is left to do by itself
    due_at = internal(models.DateTimeField(_("due"), null=True, blank=True))
    leased_until = internal(models.DateTimeField(_("held until"), null=True, blank=True))
    version = internal(models.BigIntegerField(_("version"), default=0))
    tries = internal(models.IntegerField(_("asked so often"), default=0))
    last_error = internal(models.CharField(_("why it did not come"), max_length=200, blank=True, default=""))
    # the comparison
    ours_count = internal(models.IntegerField(_("payments and refunds here"), null=True, blank=True))
    theirs_count = internal(models.IntegerField(_("payments and refunds in the bill"), null=True, blank=True))
    ours_fen = internal(models.BigIntegerField(_("here (fen)"), null=True, blank=True))
    theirs_fen = internal(models.BigIntegerField(_("in the bill (fen)"), null=True, blank=True))
    fee_fen = internal(models.BigIntegerField(_("fees in the bill (fen)"), null=True, blank=True))
    result_hash = internal(models.CharField(_("hash of the result"), max_length=64, blank=True, default=""))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now()))
    imported_at = internal(models.DateTimeField(_("read at"), null=True, blank=True))
    matched_at = internal(models.DateTimeField(_("compared at"), null=True, blank=True))
    closed_at = internal(models.DateTimeField(_("closed at"), null=True, blank=True))
    closed_by = internal(models.CharField(_("closed by"), max_length=80, blank=True, default=""))
    # "state:result_hash" as webhooks have heard of it
    told = internal(models.CharField(_("told to webhooks"), max_length=80, db_default="", default="", editable=False))

    objects: ClassVar[BillDayQuerySet] = BillDayQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("bill day")
        verbose_name_plural = _("bill days")
        permissions = (("upload_bill", "Can upload a bill"), ("close_bill_day", "Can close a bill day"))
        constraints = (
            models.UniqueConstraint(fields=["account", "day"], name="bill_day_once"),
            check("bill_day_read_when_it_is", "(imported_at IS NULL) = (state IN ('expected', 'fetching'))"),
            check(
                "bill_day_compared_when_it_is",
                "state NOT IN ('matched', 'closed') OR (num_nulls(matched_at, ours_fen, theirs_fen) = 0 AND result_hash <> '')",
            ),
            check("bill_day_closed_by_someone", "(state = 'closed') = (closed_at IS NOT NULL AND closed_by <> '')"),
            check("bill_day_content_when_read", "imported_at IS NULL OR content IN ('empty', 'lines')"),
        )
        indexes = (models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="bill_day_due"),)

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"

    @property
    def difference_fen(self) -> int | None:
        """What the bill says more than we have booked; None before the comparison."""
        return None if self.ours_fen is None or self.theirs_fen is None else self.theirs_fen - self.ours_fen


class BillFile(models.Model):
    """One file as it came, kept sealed in parts, and what was read from it. Refused ones are kept too, with the reason.

    A day without business has a file of its own with no parts, where Alipay gives none.
    """

    class Kind(models.TextChoices):
        TRADE = "trade", _("payments and refunds")
        ACCOUNT = "signcustomer", _("movements of the account")

    class Source(models.TextChoices):
        FETCHED = "fetched", _("fetched from Alipay")
        UPLOADED = "uploaded", _("uploaded by hand")

    class State(models.TextChoices):
        KEPT = "kept", _("kept, not read yet")
        IMPORTED = "imported", _("read")
        REFUSED = "refused", _("refused")

    day = internal(models.ForeignKey(BillDay, models.PROTECT, related_name="files"))
    kind = internal(models.CharField(_("kind"), max_length=16, choices=Kind))
    source = internal(models.CharField(_("came by"), max_length=8, choices=Source))
    actor = internal(models.CharField(_("by"), max_length=80))
    state = internal(models.CharField(_("state"), max_length=8, choices=State, default=State.KEPT))
    size = internal(models.BigIntegerField(_("bytes")))
    sha256 = internal(models.CharField("SHA-256", max_length=64))
    tries = internal(models.IntegerField(_("reading begun so often"), default=0))
    # why it was refused, and at which line, from 1; 0 where it is about the whole
    reason = internal(models.CharField(_("reason"), max_length=300, blank=True, default=""))
    line_no = internal(models.IntegerField(_("at line"), default=0))
    # sums over its lines, which agree with its own totals; refunds, fees and expenses are negative
    lines = internal(models.IntegerField(_("lines"), null=True, blank=True))
    lines_sha256 = internal(models.CharField(_("SHA-256 of the lines"), max_length=64, blank=True, default=""))
    in_count = internal(models.IntegerField(_("payments, or incomes"), null=True, blank=True))
    out_count = internal(models.IntegerField(_("refunds, or expenses"), null=True, blank=True))
    in_fen = internal(models.BigIntegerField(_("paid, or came in (fen)"), null=True, blank=True))
    out_fen = internal(models.BigIntegerField(_("refunded, or went out (fen)"), null=True, blank=True))
    fee_fen = internal(models.BigIntegerField(_("fees (fen)"), null=True, blank=True))
    columns = internal(models.JSONField(_("columns"), default=list, blank=True))
    received_at = internal(models.DateTimeField(_("received"), db_default=Now()))
    ended_at = internal(models.DateTimeField(_("read or refused at"), null=True, blank=True))

    class Meta:
        verbose_name = _("bill file")
        verbose_name_plural = _("bill files")
        constraints = (
            models.UniqueConstraint(fields=["day", "kind", "sha256"], name="bill_file_once"),
            models.UniqueConstraint(
                fields=["day", "kind"], condition=Q(state="imported"), name="one_bill_per_day_and_kind"
            ),
            check(
                "bill_file_read_whole",
                "(state = 'imported') = (num_nulls(lines, in_count, out_count, in_fen, out_fen, fee_fen) = 0)",
            ),
            check("bill_file_refused_with_reason", "(state = 'refused') = (reason <> '')"),
            check("bill_file_ended_when_it_is", "(ended_at IS NULL) = (state = 'kept')"),
        )

    def __str__(self) -> str:
        return f"{self.day} {self.get_kind_display()}"

    @property
    def evidence(self) -> str:
        """How other records name it."""
        return f"bill:{self.pk}"


class BillPart(models.Model):
    """A stretch of a bill file's bytes, sealed. Only ever added to."""

    LENGTH = 1024 * 1024

    file = internal(models.ForeignKey(BillFile, models.PROTECT, related_name="parts", db_index=False))
    position = internal(models.IntegerField(_("position"), default=0))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    sealed = personal(models.BinaryField(_("sealed bytes")))

    class Meta:
        verbose_name = _("part of a bill file")
        verbose_name_plural = _("parts of a bill file")
        constraints = (models.UniqueConstraint(fields=["file", "position"], name="bill_part_once"),)

    def __str__(self) -> str:
        return f"{self.file_id}:{self.position}"

    @classmethod
    def of(cls, file: BillFile, position: int, plain: bytes) -> "BillPart":
        """A part that holds these bytes, sealed and not saved."""
        part = cls(file=file, position=position)
        part.sealed = seal(plain, place=sealed_place(cls, "sealed", part.seal_id))
        return part

    def plain(self) -> bytes:
        """The bytes as they came. Raises InvalidSeal."""
        return unseal(bytes(self.sealed), place=sealed_place(type(self), "sealed", self.seal_id))
