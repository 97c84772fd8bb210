"""What does not fit and needs a person: with owner, due time, evidence and what to do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal
from payments.models.audit import AuditEvent
from payments.models.checks import check

OPEN_ONCE = """
INSERT INTO payments_case (kind, subject, severity, amount_fen, evidence, facts, due_at)
VALUES (%(kind)s, %(subject)s, %(severity)s, %(amount_fen)s::bigint, %(evidence)s, %(facts)s::jsonb,
        now() + %(days)s * interval '1 day')
ON CONFLICT (kind, subject) WHERE state IN ('open', 'assigned') DO NOTHING
"""


class CaseQuerySet(models.QuerySet["Case"]):
    def open(self) -> "CaseQuerySet":
        return self.filter(state__in=Case.UNENDED)

    def open_once(
        self, kind: "Case.Kind", subject: str, *, evidence: str, amount_fen: int | None = None, **facts: Any
    ) -> bool:
        """Open a case unless one of this kind about this subject is open already. True when it was opened now.

        subject   what it is about: "transaction:17", "number:2026…"
        evidence  reference of the message or call that showed it
        facts     plain values that a person needs to see; never personal ones
        """
        rule = RULES[kind]
        with connection.cursor() as cursor:
            cursor.execute(OPEN_ONCE, {
                "kind": kind, "subject": subject, "severity": rule.severity, "days": rule.days, "evidence": evidence,
                "amount_fen": amount_fen, "facts": json.dumps(facts, ensure_ascii=False),
            })  # fmt: skip
            return bool(cursor.rowcount)

    def resolve(self, kind: "Case.Kind", subject: str, *, actor: str, note: str) -> bool:
        """End the open case of this kind about this subject: what it waited for has come. True for the one who did it."""
        with transaction.atomic():
            case = self.open().filter(kind=kind, subject=subject).select_for_update(no_key=True).first()
            if case is None:
                return False
            return self.mark_resolved(case, actor=actor, note=note)

    def mark_resolved(self, case: "Case", *, actor: str, note: str) -> bool:
        """End it with a note. True for the one who did it."""
        moved = self.open().filter(pk=case.pk).update(state=Case.State.RESOLVED, ended_at=Now(), note=note)
        if moved:
            CaseEvent.objects.add(case, "resolved", actor=actor, note=note, state=Case.State.RESOLVED)
        return moved == 1

    def mark_assigned(self, case: "Case", owner_id: int | None, *, actor: str) -> bool:
        """Give it to a person, or back to the queue with None. True when that changed who has it."""
        state = Case.State.OPEN if owner_id is None else Case.State.ASSIGNED
        moved = self.open().filter(pk=case.pk).exclude(owner=owner_id, state=state).update(owner=owner_id, state=state)
        if moved:
            CaseEvent.objects.add(
                case, "released" if owner_id is None else "assigned", actor=actor, state=state,
                note="" if owner_id is None else f"staff:{owner_id}",
            )  # fmt: skip
        return moved == 1

    def ask_write_off(self, case: "Case", person_id: int, *, actor: str, why: str) -> bool:
        """Note that a person wants it written off. False when that is asked for already, or the case is over."""
        moved = (
            self.open()
            .filter(pk=case.pk, write_off_requester=None)
            .update(write_off_requester=person_id, write_off_requested_at=Now(), write_off_why=why)
        )
        if moved:
            CaseEvent.objects.add(case, "write_off_asked", actor=actor, note=why)
        return moved == 1

    def refuse_write_off(self, case: "Case", *, actor: str, why: str) -> bool:
        """Take the wish back, with the reason its requester will read."""
        moved = (
            self.open()
            .filter(pk=case.pk, write_off_requester__isnull=False)
            .update(write_off_requester=None, write_off_requested_at=None, write_off_why="")
        )
        if moved:
            CaseEvent.objects.add(case, "write_off_refused", actor=actor, note=why)
        return moved == 1

    def mark_written_off(self, case: "Case", approver_id: int, *, actor: str) -> bool:
        """A second person agrees: the case is over. False for the requester, and when nobody asks for it any more."""
        wanted = (
            self.open().filter(pk=case.pk, write_off_requester__isnull=False).exclude(write_off_requester=approver_id)
        )
        moved = wanted.update(
            state=Case.State.WRITTEN_OFF, write_off_approver=approver_id, ended_at=Now(), note=F("write_off_why")
        )
        if moved:
            CaseEvent.objects.add(
                case, "written_off", actor=actor, note=case.write_off_why, state=Case.State.WRITTEN_OFF
            )
        return moved == 1

    def mark_escalated(self, case: "Case", *, now: datetime) -> bool:
        """Say once that it is overdue; from here on it counts as severe."""
        moved = (
            self.open()
            .filter(pk=case.pk, escalated_at=None, due_at__lte=now)
            .update(escalated_at=now, severity=Case.Severity.HIGH)
        )
        if moved:
            CaseEvent.objects.add(case, "escalated", actor="clock")
        return moved == 1


class Case(models.Model):
    class Kind(models.TextChoices):
        SURPLUS = "surplus", _("money beyond the order")
        UNKNOWN_NUMBER = "unknown_number", _("payment with an unknown number")
        OTHER_APP = "other_app", _("message for another application")
        OTHER_SELLER = "other_seller", _("money for another seller")
        OTHER_AMOUNT = "other_amount", _("amount differs")
        OTHER_TRADE = "other_trade", _("another trade for the same number")
        UNREADABLE = "unreadable", _("message we can't read")
        CLOSED_AFTER_PAID = "closed_after_paid", _("closed at Alipay after payment")
        REFUND_NOTICE = "refund_notice", _("refund reported by Alipay")
        REFUND_REFUSED = "refund_refused", _("Alipay refuses a refund")
        EXTERNAL_REFUND = "external_refund", _("refund made in Alipay's console")
        DEPOSIT_BACK = "deposit_back", _("the buyer's bank returned a refund")
        REFUSED_CALL = "refused_call", _("Alipay refuses our calls")
        NOT_ALIPAY = "not_alipay", _("answer not signed by Alipay")
        GATEWAY_DOWN = "gateway_down", _("Alipay can't be reached")
        CERTIFICATE = "certificate", _("certificate runs out")
        STUCK = "stuck", _("no certain answer for too long")
        GOODS_GONE = "goods_gone", _("paid, but the goods are gone")
        BOOKS = "books", _("the books contradict themselves")
        BUYER_ASKS = "buyer_asks", _("buyer asks for help")
        BILL_MISSING = "bill_missing", _("a day's bill does not come")
        BILL_REFUSED = "bill_refused", _("a bill we can't take")
        BILL_CHANGED = "bill_changed", _("another bill for a day that has one")
        BILL_BROKE = "bill_broke", _("a day's books can't be done")
        # a bill says something else than we do: see payments.models.Difference
        PAYMENT_NOT_IN_BILL = "payment_not_in_bill", _("paid here, not in the bill")
        REFUND_NOT_IN_BILL = "refund_not_in_bill", _("refunded here, not in the bill")
        PAYMENT_NOT_HERE = "payment_not_here", _("paid in the bill, not here")
        REFUND_NOT_HERE = "refund_not_here", _("refunded in the bill, not here")
        UNKNOWN_REFUND = "unknown_refund", _("refund of a payment we don't know")
        OUTSIDE_REFUND = "outside_refund", _("refund made elsewhere, booked from the bill")
        BILL_AMOUNT = "bill_amount", _("amount in the bill differs")
        BILL_REFUND_AMOUNT = "bill_refund_amount", _("refunded amount in the bill differs")
        BILL_RECEIPT = "bill_receipt", _("amount received differs")
        BILL_NUMBER = "bill_number", _("another number for the same trade")
        BILL_FEE = "bill_fee", _("fee differs from the agreed rate")
        BILL_DAY = "bill_day", _("on another day here than in the bill")
        BILL_DUPLICATE = "bill_duplicate", _("stands twice in the bill")
        BILL_WORD = "bill_word", _("kind of line we don't know")
        FLOW_WITHOUT_TRADE = "flow_without_trade", _("movement of the account without a trade")
        TRADE_WITHOUT_FLOW = "trade_without_flow", _("trade without a movement of the account")
        FLOW_AMOUNT = "flow_amount", _("movement of the account differs from the trade")
        FLOW_FEE = "flow_fee", _("fee taken from the account differs")
        FLOW_BALANCE = "flow_balance", _("balance of the account does not follow")
        WEBHOOK_DEAD = "webhook_dead", _("a webhook does not take what we tell")

    class Severity(models.TextChoices):
        HIGH = "high", _("high")
        NORMAL = "normal", _("normal")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ASSIGNED = "assigned", _("assigned")
        RESOLVED = "resolved", _("resolved")
        WRITTEN_OFF = "written_off", _("written off")

    UNENDED = (State.OPEN, State.ASSIGNED)

    kind = internal(models.CharField(_("kind"), max_length=24, choices=Kind))
    subject = internal(models.CharField(_("about"), max_length=100))
    severity = internal(models.CharField(_("severity"), max_length=8, choices=Severity))
    state = internal(models.CharField(_("state"), max_length=12, choices=State, db_default=State.OPEN))
    owner = internal(models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True))
    amount_fen = internal(models.BigIntegerField(_("at stake (fen)"), null=True, blank=True))
    evidence = internal(models.CharField(_("evidence"), max_length=80, blank=True, db_default=""))
    facts = internal(models.JSONField(_("facts"), db_default=models.Value({}, models.JSONField()), default=dict))
    opened_at = internal(models.DateTimeField(_("opened"), db_default=Now()))
    due_at = internal(models.DateTimeField(_("due")))
    ended_at = internal(models.DateTimeField(_("ended"), null=True, blank=True))
    note = internal(models.TextField(_("note"), blank=True, db_default=""))
    escalated_at = internal(models.DateTimeField(_("escalated"), null=True, blank=True))
    write_off_requester = internal(
        models.ForeignKey(
            settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
            verbose_name=_("write-off asked for by"),
        )
    )  # fmt: skip
    write_off_requested_at = internal(models.DateTimeField(_("write-off asked for"), null=True, blank=True))
    write_off_why = internal(models.TextField(_("why write off"), blank=True, db_default=""))
    write_off_approver = internal(
        models.ForeignKey(
            settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
            verbose_name=_("write-off approved by"),
        )
    )  # fmt: skip
    announced_at = internal(models.DateTimeField(_("told to webhooks"), null=True, editable=False))

    objects: ClassVar[CaseQuerySet] = CaseQuerySet.as_manager()  # type: ignore[assignment]  # a manager with these methods

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        permissions = (("work_case", "Can work on a case"), ("write_off_case", "Can write a case off"))
        constraints = (
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(state__in=("open", "assigned")),
                name="one_open_case_per_subject",
            ),
            check("case_assigned_to_somebody", "state <> 'assigned' OR owner_id IS NOT NULL"),
            check("case_written_off_by_another", "write_off_approver_id <> write_off_requester_id"),
            check(
                "case_written_off_by_two",
                "state <> 'written_off' OR num_nulls(write_off_requester_id, write_off_approver_id) = 0",
            ),
        )
        indexes = (
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=("open", "assigned"), escalated_at=None),
                name="case_to_escalate",
            ),
            models.Index(fields=["due_at"], condition=Q(state__in=("open", "assigned")), name="case_open_by_due"),
            models.Index(fields=["id"], condition=Q(announced_at=None), name="case_to_announce"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.subject}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of case asks for.

    severity  how much it matters
    days      in how many a person must have ended it
    role      whose work it is until a person takes it (payments/models/roles.py)
    """

    severity: Case.Severity
    days: int
    role: str


RULES: dict[Case.Kind, Rule] = {
    Case.Kind.SURPLUS: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.UNKNOWN_NUMBER: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.OTHER_APP: Rule(Case.Severity.NORMAL, 3, "owner"),
    Case.Kind.OTHER_SELLER: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.OTHER_AMOUNT: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.OTHER_TRADE: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.UNREADABLE: Rule(Case.Severity.HIGH, 1, "owner"),
    Case.Kind.CLOSED_AFTER_PAID: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.REFUND_NOTICE: Rule(Case.Severity.NORMAL, 2, "finance"),
    Case.Kind.REFUND_REFUSED: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.EXTERNAL_REFUND: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.DEPOSIT_BACK: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.REFUSED_CALL: Rule(Case.Severity.HIGH, 1, "owner"),
    Case.Kind.NOT_ALIPAY: Rule(Case.Severity.HIGH, 1, "owner"),
    Case.Kind.GATEWAY_DOWN: Rule(Case.Severity.HIGH, 1, "owner"),
    Case.Kind.CERTIFICATE: Rule(Case.Severity.HIGH, 3, "owner"),
    Case.Kind.STUCK: Rule(Case.Severity.HIGH, 1, "support"),
    Case.Kind.GOODS_GONE: Rule(Case.Severity.HIGH, 1, "support"),
    Case.Kind.BOOKS: Rule(Case.Severity.HIGH, 1, "owner"),
    Case.Kind.BUYER_ASKS: Rule(Case.Severity.NORMAL, 1, "support"),
    Case.Kind.BILL_MISSING: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.BILL_REFUSED: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.BILL_CHANGED: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.BILL_BROKE: Rule(Case.Severity.HIGH, 1, "owner"),
    Case.Kind.PAYMENT_NOT_IN_BILL: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.REFUND_NOT_IN_BILL: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.PAYMENT_NOT_HERE: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.REFUND_NOT_HERE: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.UNKNOWN_REFUND: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.OUTSIDE_REFUND: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.BILL_AMOUNT: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.BILL_REFUND_AMOUNT: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.BILL_RECEIPT: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.BILL_NUMBER: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.BILL_FEE: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.BILL_DAY: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.BILL_DUPLICATE: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.BILL_WORD: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.FLOW_WITHOUT_TRADE: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.TRADE_WITHOUT_FLOW: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.FLOW_AMOUNT: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.FLOW_FEE: Rule(Case.Severity.NORMAL, 3, "finance"),
    Case.Kind.FLOW_BALANCE: Rule(Case.Severity.HIGH, 1, "finance"),
    Case.Kind.WEBHOOK_DEAD: Rule(Case.Severity.NORMAL, 3, "owner"),
}


def kinds_of(roles: Iterable[str]) -> list[Case.Kind]:
    """The kinds that are the work of these roles."""
    return [kind for kind, rule in RULES.items() if rule.role in roles]


class CaseEventQuerySet(models.QuerySet["CaseEvent"]):
    def add(self, case: Case, action: str, *, actor: str, note: str = "", state: str = "") -> None:
        """Note one step in a case's history and, without its words, in the audit trail."""
        self.create(case=case, action=action, actor=actor, note=note)
        AuditEvent.objects.add(case, action, actor=actor, cause=case.evidence, state=state)


class CaseEvent(models.Model):
    """One step in a case's life; only ever added to."""

    case = internal(models.ForeignKey(Case, models.PROTECT, related_name="events"))
    action = internal(models.CharField(_("action"), max_length=40))
    actor = internal(models.CharField(_("who"), max_length=80))
    note = internal(models.TextField(_("note"), blank=True, db_default=""))
    at = internal(models.DateTimeField(_("when"), db_default=Now()))

    objects: ClassVar[CaseEventQuerySet] = CaseEventQuerySet.as_manager()  # type: ignore[assignment]  # a manager with these methods

    class Meta:
        verbose_name = _("case event")
        verbose_name_plural = _("case events")

    def __str__(self) -> str:
        return f"{self.case_id} {self.action}"
