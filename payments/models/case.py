"""What does not fit and needs a person: with owner, due time, evidence and what to do."""

import json
from typing import Any, ClassVar

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal

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
        severity, days = SEVERITY[kind]
        with connection.cursor() as cursor:
            cursor.execute(OPEN_ONCE, {
                "kind": kind, "subject": subject, "severity": severity, "days": days, "evidence": evidence,
                "amount_fen": amount_fen, "facts": json.dumps(facts, ensure_ascii=False),
            })  # fmt: skip
            return bool(cursor.rowcount)

    def resolve(self, kind: "Case.Kind", subject: str, *, actor: str, note: str) -> bool:
        """End the open case of this kind about this subject: what it waited for has come. True for the one who did it."""
        with transaction.atomic():
            case = self.open().filter(kind=kind, subject=subject).select_for_update(no_key=True).first()
            if case is None:
                return False
            self.filter(pk=case.pk).update(state=Case.State.RESOLVED, ended_at=Now(), note=note)
            CaseEvent.objects.create(case=case, action="resolved", actor=actor, note=note)
        return True


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

    class Severity(models.TextChoices):
        HIGH = "high", _("high")
        NORMAL = "normal", _("normal")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ASSIGNED = "assigned", _("assigned")
        RESOLVED = "resolved", _("resolved")
        WRITTEN_OFF = "written_off", _("written off")

    UNENDED = (State.OPEN, State.ASSIGNED)

    kind = internal(models.CharField(_("kind"), max_length=20, choices=Kind))
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
        )
        indexes = (
            models.Index(fields=["due_at"], condition=Q(state__in=("open", "assigned")), name="case_open_by_due"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.subject}"


# How much it matters, and in how many days a person must have looked.
SEVERITY: dict[Case.Kind, tuple[Case.Severity, int]] = {
    Case.Kind.SURPLUS: (Case.Severity.HIGH, 1),
    Case.Kind.UNKNOWN_NUMBER: (Case.Severity.HIGH, 1),
    Case.Kind.OTHER_APP: (Case.Severity.NORMAL, 3),
    Case.Kind.OTHER_SELLER: (Case.Severity.HIGH, 1),
    Case.Kind.OTHER_AMOUNT: (Case.Severity.HIGH, 1),
    Case.Kind.OTHER_TRADE: (Case.Severity.HIGH, 1),
    Case.Kind.UNREADABLE: (Case.Severity.HIGH, 1),
    Case.Kind.CLOSED_AFTER_PAID: (Case.Severity.HIGH, 1),
    Case.Kind.REFUND_NOTICE: (Case.Severity.NORMAL, 2),
    Case.Kind.REFUND_REFUSED: (Case.Severity.HIGH, 1),
    Case.Kind.EXTERNAL_REFUND: (Case.Severity.HIGH, 1),
    Case.Kind.DEPOSIT_BACK: (Case.Severity.HIGH, 1),
    Case.Kind.REFUSED_CALL: (Case.Severity.HIGH, 1),
    Case.Kind.NOT_ALIPAY: (Case.Severity.HIGH, 1),
    Case.Kind.GATEWAY_DOWN: (Case.Severity.HIGH, 1),
    Case.Kind.CERTIFICATE: (Case.Severity.HIGH, 3),
    Case.Kind.STUCK: (Case.Severity.HIGH, 1),
    Case.Kind.GOODS_GONE: (Case.Severity.HIGH, 1),
    Case.Kind.BOOKS: (Case.Severity.HIGH, 1),
    Case.Kind.BUYER_ASKS: (Case.Severity.NORMAL, 1),
}


class CaseEvent(models.Model):
    """One step in a case's life; only ever added to."""

    case = internal(models.ForeignKey(Case, models.PROTECT, related_name="events"))
    action = internal(models.CharField(_("action"), max_length=40))
    actor = internal(models.CharField(_("who"), max_length=80))
    note = internal(models.TextField(_("note"), blank=True, db_default=""))
    at = internal(models.DateTimeField(_("when"), db_default=Now()))

    class Meta:
        verbose_name = _("case event")
        verbose_name_plural = _("case events")

    def __str__(self) -> str:
        return f"{self.case_id} {self.action}"
