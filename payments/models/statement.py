"""What stands in the bills, line by line, and where it is not what stands here."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal
from payments.models.bill import BillFile
from payments.models.case import Case
from payments.models.checks import check


class StatementLine(models.Model):
    """One line of a bill that was read whole. Each file has a partition of its own; nothing is ever changed in it.

    Made by migration 0020 in SQL, where `key` and `kind` are generated columns. `line_no` leads back to the file,
    which holds everything else the line says. A line that repeats another one's key has `nth` above 1 and counts for nothing
    but the totals.
    """

    class Kind(models.TextChoices):
        PAYMENT = "payment", _("payment")
        REFUND = "refund", _("refund")
        FEE = "fee", _("fee")
        FEE_BACK = "fee_back", _("fee returned")
        PAYOUT = "payout", _("payout to the bank")
        TRANSFER = "transfer", _("transfer")
        OTHER = "other", _("something else")

    pk = internal(models.CompositePrimaryKey("file", "key", "nth"))
    file = internal(
        models.ForeignKey(
            BillFile, models.DO_NOTHING, related_name="statement_lines", db_constraint=False, db_index=False
        )
    )
    line_no = internal(models.IntegerField(_("line")))
    nth = internal(models.IntegerField(_("which of those with this key"), db_default=1))
    # as they stand in the file, stripped
    number = internal(models.TextField(_("number of the movement")))
    trade_no = internal(models.TextField("trade_no"))
    out_trade_no = internal(models.TextField("out_trade_no"))
    request_no = internal(models.TextField("out_request_no"))
    word = internal(models.TextField(_("kind, as Alipay says it")))
    happened_at = internal(models.DateTimeField(_("happened")))
    # generated: trade_no/kind/request_no, or the movement's number; the kind
    key = internal(models.TextField(_("key")))
    kind = internal(models.TextField(_("kind"), choices=Kind))
    # signed
    fen = internal(models.BigIntegerField(_("amount (fen)")))
    receipt_fen = internal(models.BigIntegerField(_("received (fen)"), null=True))
    fee_fen = internal(models.BigIntegerField(_("fee (fen)"), null=True))
    balance_fen = internal(models.BigIntegerField(_("balance after it (fen)"), null=True))

    class Meta:
        verbose_name = _("bill line")
        verbose_name_plural = _("bill lines")

    def __str__(self) -> str:
        return f"{self.file_id}:{self.line_no}"


class Difference(models.Model):
    """One thing that is not the same in a bill and here. A line of a compared bill that has none is matched.

    Found once and kept: comparing again adds nothing. `fen` is what the bill has more of than we have, refunds negative, so
    that over a day ours + the differences = theirs.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waits for the next day's bill")
        EXPLAINED = "explained", _("explained by another day's bill")
        CASE = "case", _("a case")

    day = internal(models.ForeignKey("payments.BillDay", models.PROTECT, related_name="differences", db_index=False))
    kind = internal(models.CharField(_("kind"), max_length=24, choices=Case.Kind))
    key = internal(models.CharField(_("about"), max_length=200))
    state = internal(models.CharField(_("state"), max_length=10, choices=State))
    file = internal(models.ForeignKey(BillFile, models.PROTECT, null=True, blank=True, db_index=False))
    line_no = internal(models.IntegerField(_("line"), null=True, blank=True))
    transaction = internal(models.ForeignKey("payments.Transaction", models.PROTECT, null=True, blank=True))
    refund = internal(models.ForeignKey("payments.Refund", models.PROTECT, null=True, blank=True, db_index=False))
    trade_no = internal(models.CharField("trade_no", max_length=64, blank=True, default=""))
    out_trade_no = internal(models.CharField("out_trade_no", max_length=64, blank=True, default=""))
    out_request_no = internal(models.CharField("out_request_no", max_length=64, blank=True, default=""))
    # what differs: a field by its name, and both values in words
    field = internal(models.CharField(_("what differs"), max_length=40))
    ours = internal(models.CharField(_("here"), max_length=100, blank=True, default=""))
    theirs = internal(models.CharField(_("in the bill"), max_length=100, blank=True, default=""))
    fen = internal(models.BigIntegerField(_("more in the bill (fen)"), default=0))
    waits_until = internal(models.DateTimeField(_("waits until"), null=True, blank=True))
    explanation = internal(models.CharField(_("explained by"), max_length=80, blank=True, default=""))
    case = internal(
        models.ForeignKey("payments.Case", models.PROTECT, null=True, blank=True, related_name="differences")
    )
    found_at = internal(models.DateTimeField(_("found"), db_default=Now()))

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        constraints = (
            models.UniqueConstraint(fields=["day", "kind", "key"], name="difference_once"),
            check(
                "difference_waits_for_something", "(state = 'waiting') = (waits_until IS NOT NULL AND explanation = '')"
            ),
            check("difference_explained_by_something", "(state = 'explained') = (explanation <> '')"),
            check("difference_has_its_case", "state <> 'case' OR case_id IS NOT NULL"),
        )
        indexes = (models.Index(fields=["waits_until"], condition=Q(state="waiting"), name="difference_waiting"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.key}"
