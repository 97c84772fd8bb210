"""Read-only lists of transactions, calls, messages and the audit trail."""

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from payments.admin.columns import ReadOnlyAdmin, among, amount, flag, of_payment, person
from payments.models import (
    AuditEvent,
    GatewayCall,
    InboundMessage,
    OutboxMessage,
    Transaction,
)
from payments.queries.record_words import (
    EVERY_ACTION,
    PURPOSES,
    SUBJECTS,
    action_words,
    bill_action_words,
    purpose_words,
    subject_words,
)
from payments.services.replay_notices import replay_each

RECORDS = {kind: words for kind, words in SUBJECTS.items() if kind in apps.get_app_config("payments").models}


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin):
    list_display = (
        "out_trade_no", "trade_no", "scene", amount("amount_fen", _("amount")), "state", flag("in_doubt", _("in doubt")),
        flag("late", _("paid after closing")), "created_at",
        "paid_at", "next_check_at",
    )  # fmt: skip
    list_filter = ("state", "scene", "in_doubt", "late", "superseded", "created_at")
    search_fields = ("out_trade_no", "trade_no", "order__number")
    list_select_related = ("order",)
    exclude = ("qr_code",)

    def named(self, word: str) -> list[models.Q]:
        return [*of_payment(word), models.Q(order__number=word)]


@admin.register(GatewayCall)
class GatewayCallAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "asked",
        "number",
        amount("amount_fen", _("amount")),
        "outcome",
        "code",
        "why",
        "ended_at",
    )
    list_filter = (among("purpose", _("purpose"), PURPOSES), "outcome", "started_at")
    search_fields = ("number", "code", "id")

    def named(self, word: str) -> list[models.Q]:
        return of_payment(word, "transaction__")

    @admin.display(description=_("purpose"), ordering="purpose")
    def asked(self, call: GatewayCall) -> object:
        return purpose_words(call.purpose)


@admin.register(InboundMessage)
class InboundMessageAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "kind", "out_trade_no", "verdict", "reason", "deliveries", "last_at")
    list_filter = ("kind", "verdict", "received_at")
    search_fields = ("out_trade_no", "fingerprint")
    exclude = ("body", "seal_id")
    actions = ("hear_again",)

    def named(self, word: str) -> list[models.Q]:
        return [models.Q(out_trade_no=word), models.Q(fingerprint=word)]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.ask_alipay")

    @admin.action(description=_("Hear again: what was applied before changes nothing"), permissions=["replay"])
    def hear_again(self, request: HttpRequest, messages: models.QuerySet[InboundMessage]) -> None:
        counts = replay_each(messages.order_by("pk"))
        told = ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common())
        self.message_user(
            request, _("%(count)d messages heard again: %(outcomes)s") % {"count": counts.total(), "outcomes": told}
        )


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "about", "did", person("actor", _("who")), "cause")
    actors = ("actor",)
    list_filter = (among("subject_kind", _("kind"), RECORDS), among("action", _("action"), EVERY_ACTION), "at")
    search_fields = ("=subject_id", "cause", "actor")

    def named(self, word: str) -> list[models.Q]:
        return [models.Q(subject_kind__in=[*RECORDS], subject_id=word)] if word.isdecimal() and len(word) < 19 else []

    @admin.display(description=_("about"), ordering="subject_id")
    def about(self, event: AuditEvent) -> str:
        return subject_words(f"{event.subject_kind}:{event.subject_id}")

    @admin.display(description=_("action"), ordering="action")
    def did(self, event: AuditEvent) -> object:
        return (
            bill_action_words(event.action)
            if event.subject_kind == "billday"
            else action_words(event.action, event.subject_kind)
        )


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "topic", "dedupe_key", "attempts", "due_at", "delivered_at", "last_error")
    list_filter = (among("topic", _("topic"), {topic: topic for topic in settings.OUTBOX_HANDLERS}), "created_at")
    search_fields = ("dedupe_key",)

    def named(self, word: str) -> list[models.Q]:
        return [models.Q(dedupe_key=word)]
