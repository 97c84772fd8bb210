"""Money back: reserved before anything leaves, settled only by what Alipay says about this very number."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal, public
from payments.models.checks import check
from payments.money import Money

# Due refunds, one per trade: Alipay wants refunds of one trade apart, and the claim is the lease.
CLAIM_REFUNDS = """
UPDATE payments_refund r
SET next_check_at = %(until)s, checks = r.checks + 1, version = r.version + 1
FROM (
    WITH due AS MATERIALIZED (
        SELECT id FROM payments_refund d
        WHERE next_check_at <= %(now)s
          AND NOT EXISTS (
            SELECT 1 FROM payments_refund o
            WHERE o.transaction_id = d.transaction_id AND o.id <> d.id
              AND (o.called_at > %(apart)s OR (o.next_check_at <= %(now)s AND o.id < d.id))
          )
        ORDER BY next_check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    SELECT id FROM due
) due
WHERE r.id = due.id
RETURNING r.id
"""


class RefundQuerySet(models.QuerySet["Refund"]):
    def claim_due(self, *, now: datetime, lease: timedelta, apart: timedelta, limit: int) -> list["Refund"]:
        """Take up to `limit` refunds that are due, none whose trade had another refund sent less than `apart` ago.

        Of one trade's due refunds only the oldest is taken: the others wait their turn. `may_leave` is the guard.
        """
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_REFUNDS, {"now": now, "until": now + lease, "apart": now - apart, "limit": limit})
            ids = [row[0] for row in cursor.fetchall()]
        return list(self.filter(pk__in=ids).select_related("transaction__order", "transaction__account"))

    def known_as(self, number: str) -> "RefundQuerySet":
        """Those that Alipay calls by this number, in whichever of its papers."""
        return self.filter(Q(out_request_no=number) | Q(other_no=number))

    def name_also(self, refund_id: int, number: str) -> bool:
        """Note what another of Alipay's papers calls it. True for the one who did it: a refund has one other name."""
        return self.filter(pk=refund_id, other_no="").update(other_no=number) == 1

    def mark_approved(self, refund_id: int, *, approver: str, now: datetime) -> bool:
        moved = (
            self.filter(Q(lapses_at=None) | Q(lapses_at__gt=now), pk=refund_id, state=Refund.State.REQUESTED)
            .exclude(requester=approver)
            .update(
                state=Refund.State.APPROVED, approver=approver, approved_at=now, next_check_at=now,
                version=F("version") + 1,
            )
        )  # fmt: skip
        return moved == 1

    def may_leave(self, refund: "Refund", *, now: datetime, apart: timedelta, longest_call: timedelta) -> bool:
        """Whether no other refund of the trade left or ended within `apart`, or is still on its way.

        True as long as the caller holds the order's row, which every sender locks first.
        """
        others = self.filter(transaction_id=refund.transaction_id, called_at__isnull=False).exclude(pk=refund.pk)
        lately = Q(called_at__gt=now - apart) | Q(ended_at__gt=now - apart)
        on_its_way = Q(state=Refund.State.SENT, in_doubt=True, called_at__gt=now - apart - longest_call)
        return not others.filter(lately | on_its_way).exists()

    def mark_sent(self, refund: "Refund", *, now: datetime) -> bool:
        """Committed before the call leaves: from here on it may have happened. Names the version of the claim."""
        moved = self.filter(
            pk=refund.pk, version=refund.version, state__in=(Refund.State.APPROVED, Refund.State.SENT)
        ).update(state=Refund.State.SENT, in_doubt=True, called_at=now)
        return moved == 1

    def note_answer(self, refund: "Refund", *, in_doubt: bool, refused: str, next_check_at: datetime) -> bool:
        """What a call left open, and when to go on. Names the version of the claim: a late worker moves nothing.

        refused  the code of a certain no that a query must confirm first; empty for none
        """
        moved = self.filter(pk=refund.pk, version=refund.version, state=Refund.State.SENT).update(
            in_doubt=in_doubt, refused=refused[:80], next_check_at=next_check_at
        )
        return moved == 1

    def mark_succeeded(self, refund_id: int, *, evidence: str, now: datetime) -> bool:
        moved = self.filter(pk=refund_id, state__in=(Refund.State.APPROVED, Refund.State.SENT)).update(
            state=Refund.State.SUCCEEDED, evidence=evidence, ended_at=now, in_doubt=False, next_check_at=None,
            version=F("version") + 1,
        )  # fmt: skip
        return moved == 1

    def mark_ended(
        self,
        refund_id: int,
        state: "Refund.State",
        *,
        evidence: str,
        now: datetime,
        answer: str = "",
        version: int | None = None,
    ) -> bool:
        """End a refund that moves no money. The caller releases its reservation in the same commit.

        answer   words to who asked for it
        version  of the claim, where a worker ends it: a late one moves nothing
        """
        before = {
            Refund.State.FAILED: (Refund.State.APPROVED, Refund.State.SENT),
            Refund.State.REJECTED: (Refund.State.REQUESTED,),
            Refund.State.LAPSED: (Refund.State.REQUESTED, Refund.State.APPROVED),
        }[state]
        claimed = {} if version is None else {"version": version}
        moved = self.filter(pk=refund_id, state__in=before, **claimed).update(
            state=state, evidence=evidence, ended_at=now, in_doubt=False, next_check_at=None, answer=answer,
            version=F("version") + 1,
        )  # fmt: skip
        return moved == 1

    def check_at(self, refund: "Refund", *, when: datetime) -> bool:
        """Look at a claimed refund again then. Names the version of the claim: a late worker moves nothing."""
        return (
            self.filter(pk=refund.pk, version=refund.version, next_check_at__isnull=False).update(next_check_at=when)
            == 1
        )

    def bring_forward(self, *, now: datetime, longest_call: timedelta) -> int:
        """Go on with these now, because Alipay has spoken of them, unless a call may still be under way: it will tell."""
        quiet = self.filter(state=Refund.State.SENT, called_at__lte=now - longest_call)
        return quiet.filter(next_check_at__gt=now).update(next_check_at=now)


class Refund(models.Model):
    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        APPROVED = "approved", _("approved")
        SENT = "sent", _("sent")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        REJECTED = "rejected", _("rejected")
        LAPSED = "lapsed", _("lapsed")

    class Origin(models.TextChoices):
        BUYER = "buyer", _("buyer")
        STAFF = "staff", _("staff")
        ROBOT = "robot", _("robot")
        EXTERNAL = "external", _("made in Alipay's console")

    class Reason(models.TextChoices):
        CHANGED_MIND = "changed_mind", _("no longer wanted")
        DAMAGED = "damaged", _("arrived damaged")
        WRONG = "wrong", _("not what was ordered")
        NOT_ARRIVED = "not_arrived", _("did not arrive")
        PRICE = "price", _("wrong price")
        RECALLED = "recalled", _("recalled goods")
        OTHER = "other", _("other")

    RESERVING = (State.REQUESTED, State.APPROVED, State.SENT)

    transaction = internal(
        models.ForeignKey("payments.Transaction", models.PROTECT, related_name="refunds", verbose_name=_("payment"))
    )
    out_request_no = internal(models.CharField(_("refund number"), max_length=64))
    # of one made in Alipay's console, where its answers and its bill don't use one number: the line "bill-12-345" that is this
    # refund; or the number its answer gave, where the bill gave none and `out_request_no` is the line
    other_no = internal(models.CharField(_("its other number"), max_length=64, blank=True, db_default="", default=""))
    amount_fen = internal(models.BigIntegerField(_("amount (fen)")))
    origin = internal(models.CharField(_("origin"), max_length=8, choices=Origin))
    state = internal(models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED))
    in_doubt = internal(models.BooleanField(_("in doubt"), default=False))
    refused = internal(models.CharField(_("refused, to be confirmed"), max_length=80, blank=True, default=""))
    reason_code = internal(models.CharField(_("kind of reason"), max_length=16, choices=Reason, blank=True, default=""))
    reason = internal(models.CharField(_("reason"), max_length=256, blank=True, default=""))
    requester = internal(models.CharField(_("requested by"), max_length=80))
    approver = internal(models.CharField(_("approved by"), max_length=80, blank=True, default=""))
    lines = internal(models.JSONField(_("by line (fen)"), default=dict, blank=True))
    evidence = internal(models.CharField(_("evidence"), max_length=80, blank=True, default=""))
    answer = public(models.CharField(_("answer to who asked"), max_length=200, blank=True, db_default="", default=""))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now()))
    approved_at = internal(models.DateTimeField(_("approved"), null=True, blank=True))
    lapses_at = internal(models.DateTimeField(_("lapses"), null=True, blank=True))
    called_at = internal(models.DateTimeField(_("last sent"), null=True, blank=True))
    ended_at = internal(models.DateTimeField(_("ended"), null=True, blank=True))
    next_check_at = internal(models.DateTimeField(_("next check"), null=True, blank=True))
    checks = internal(models.IntegerField(_("checks"), default=0))
    version = internal(models.BigIntegerField(_("version"), default=0))

    objects: ClassVar[RefundQuerySet] = RefundQuerySet.as_manager()  # type: ignore[assignment]  # a manager with these methods

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        permissions = (("request_refund", "Can ask for a refund"), ("approve_refund", "Can approve a refund"))
        constraints = (
            # an external refund's number is made by Alipay's console: unique within its trade only
            models.UniqueConstraint(
                fields=["out_request_no"], condition=~Q(origin="external"), name="out_request_no_once"
            ),
            models.UniqueConstraint(fields=["transaction", "out_request_no"], name="refund_once_per_trade"),
            models.UniqueConstraint(
                fields=["other_no", "transaction"], condition=~Q(other_no=""), name="refund_other_number_once"
            ),
            check("refund_other_number_is_of_the_console", "other_no = '' OR origin = 'external'"),
            # money beyond an order goes back by itself once; an end without money lets a robot try anew
            models.UniqueConstraint(
                fields=["transaction"],
                condition=Q(origin="robot", state__in=("requested", "approved", "sent", "succeeded")),
                name="refunded_by_a_robot_once",
            ),
            check("refund_moves_something", "amount_fen > 0"),
            check("refund_approved_by_another", "approver <> requester"),
            check(
                "refund_approved_before_it_leaves",
                "approver <> '' OR state IN ('requested', 'rejected', 'lapsed') OR origin = 'external'",
            ),
            check("refund_ended_on_evidence", "(ended_at IS NULL OR evidence <> '')"),
            check("refund_ended_when_over", "(ended_at IS NULL) = (state IN ('requested', 'approved', 'sent'))"),
            check("refund_external_is_a_fact", "origin <> 'external' OR state = 'succeeded'"),
        )
        indexes = (
            BrinIndex(
                fields=["ended_at"], autosummarize=True, pages_per_range=32, name="refund_by_ended_at"
            ),  # a day, for its bill
            models.Index(fields=["next_check_at"], condition=Q(next_check_at__isnull=False), name="refund_due"),
            models.Index(fields=["lapses_at"], condition=Q(state="requested"), name="refund_waiting"),
        )

    def __str__(self) -> str:
        return self.out_request_no

    @property
    def amount(self) -> Money:
        return Money(self.amount_fen)
