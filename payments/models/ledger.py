"""The ledger: transfers from one account to another. Balanced by construction, only ever added to."""

from django.db import models
from django.db.models import Case, F, Q, Sum, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal
from payments.models.checks import check


class Account(models.TextChoices):
    """The chart of accounts. Debit raises an asset or a cost, credit raises a liability or an income."""

    ALIPAY_RECEIVABLE = "alipay_receivable", _("at Alipay")
    BANK = "bank", _("bank")
    CASH = "cash", _("till")
    FEES = "fees", _("fees")
    MERCHANT_DISCOUNT = "merchant_discount", _("merchant discount")
    SALES = "sales", _("sales")
    REFUNDS = "refunds", _("refunds")
    MONEY_IN_CASES = "money_in_cases", _("money in cases")
    COMPENSATION = "compensation", _("compensation")
    STORE_CREDIT = "store_credit", _("store credit")
    WRITTEN_OFF = "written_off", _("written off")


class Transfer(models.Model):
    """Fen moved from `credit` to `debit`. A capture debits alipay_receivable by what the merchant receives."""

    class Cause(models.TextChoices):
        CAPTURE = "capture", _("payment")
        REFUND = "refund", _("refund")
        ASSIGN = "assign", _("late money honoured")
        WRITE_OFF = "write_off", _("case written off")
        FEE = "fee", _("fees of a bill")
        PAYOUT = "payout", _("payout to the bank")
        CORRECT = "correct", _("corrected to what the bill says")

    transaction = internal(
        models.ForeignKey(
            "payments.Transaction", models.PROTECT, null=True, blank=True, related_name="transfers", db_index=False,
            verbose_name=_("payment"),
        )
    )  # fmt: skip
    refund = internal(
        models.ForeignKey(
            "payments.Refund", models.PROTECT, null=True, blank=True, related_name="transfers", db_index=False,
            verbose_name=_("refund"),
        )
    )  # fmt: skip
    # of fees and payouts: the bill they stand in, once per file and channel; of a correction that is about no payment of ours
    bill_file = internal(
        models.ForeignKey(
            "payments.BillFile", models.PROTECT, null=True, blank=True, related_name="transfers", db_index=False
        )
    )
    channel = internal(models.CharField(_("channel"), max_length=8, blank=True, db_default=""))
    cause = internal(models.CharField(_("cause"), max_length=16, choices=Cause))
    debit = internal(models.CharField(_("debit"), max_length=20, choices=Account))
    credit = internal(models.CharField(_("credit"), max_length=20, choices=Account))
    fen = internal(models.BigIntegerField(_("amount (fen)")))
    evidence = internal(models.CharField(_("evidence"), max_length=80))
    posted_at = internal(models.DateTimeField(_("posted"), db_default=Now()))

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        indexes = (models.Index(fields=["transaction"], name="transfer_by_transaction"),)
        constraints = (
            models.CheckConstraint(condition=Q(fen__gt=0), name="transfer_moves_something"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_between_two_accounts"),
            models.UniqueConstraint(
                fields=["transaction", "debit"], condition=Q(cause="capture"), name="capture_posted_once"
            ),
            models.UniqueConstraint(fields=["refund"], name="refund_posted_once"),
            models.UniqueConstraint(fields=["transaction"], condition=Q(cause="assign"), name="assigned_once"),
            # evidence is the case
            models.UniqueConstraint(
                fields=["transaction", "evidence"], condition=Q(cause="write_off"), name="written_off_once"
            ),
            # evidence is the case, or the line of the bill; the other way round once more, when it is taken back
            models.UniqueConstraint(fields=["evidence", "debit"], condition=Q(cause="correct"), name="corrected_once"),
            models.UniqueConstraint(
                fields=["bill_file", "channel", "cause", "debit"],
                condition=Q(cause__in=("fee", "payout")),
                name="bill_posted_once",
            ),
            check("transfer_refund_named", "(cause = 'refund') = (refund_id IS NOT NULL)"),
            check("transfer_of_a_payment_or_a_bill", "num_nonnulls(transaction_id, bill_file_id) = 1"),
            check(
                "transfer_bill_named", "cause = 'correct' OR (bill_file_id IS NOT NULL) = (cause IN ('fee', 'payout'))"
            ),
        )

    def __str__(self) -> str:
        return f"{self.debit} ← {self.credit} {self.fen}"


def in_cases_fen(transaction_id: int) -> int:
    """How much of one payment stands on money in cases, in fen: belongs to nobody yet."""
    legs = Transfer.objects.filter(Q(credit=Account.MONEY_IN_CASES) | Q(debit=Account.MONEY_IN_CASES))
    signed = Case(When(credit=Account.MONEY_IN_CASES, then=F("fen")), default=-F("fen"))
    return legs.filter(transaction=transaction_id).aggregate(left=Sum(signed))["left"] or 0
