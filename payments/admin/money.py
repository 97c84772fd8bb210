"""Read-only lists of orders, transactions, calls, messages, cases and the audit trail."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from payments.admin import by_hand
from payments.models import (
    AuditEvent,
    Case,
    GatewayCall,
    InboundMessage,
    Order,
    OrderLine,
    OutboxMessage,
    Refund,
    Transaction,
    Transfer,
)
from payments.money import Money
from payments.services.replay_notices import replay


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Looks, filters and searches. Adding, changing and deleting is refused whoever asks, by form or crafted POST."""

    list_per_page = 50
    show_full_result_count = False
    ordering = ("-pk",)  # newest first, by an index every table has
    actions: Sequence[str] | None = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _amount(name: str, label: Any) -> Any:
    """A column that shows fen as yuan, and sorts as the number it is."""

    @admin.display(description=label, ordering=name)
    def column(record: models.Model) -> str:
        fen = getattr(record, name)
        return "—" if fen is None else str(Money(fen))

    return column


class LineInline(admin.TabularInline[OrderLine, Order]):
    model = OrderLine
    extra = 0
    can_delete = False


class TransactionInline(admin.TabularInline[Transaction, Order]):
    model = Transaction
    fields = ("out_trade_no", "trade_no", "scene", "state", "in_doubt", "late", "paid_at", "next_check_at")
    extra = 0
    can_delete = False
    show_change_link = True


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("number", "title", _amount("total_fen", _("total")), "state", "created_at", "expires_at", "paid_at")
    list_filter = ("state", "created_at")
    search_fields = ("number", "title", "transactions__out_trade_no", "transactions__trade_no")
    inlines = (LineInline, TransactionInline)
    exclude = ("token", "contact_email", "seal_id")
    change_form_template = "admin/payments/order/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        record = self.admin_site.admin_view(by_hand.record)
        return [path("<int:order_id>/record/", record, name="payments_order_record"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        may = order is not None and by_hand.may_record(request, order)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "may_record": may})


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin):
    list_display = (
        "out_trade_no", "trade_no", "scene", _amount("amount_fen", _("amount")), "state", "in_doubt", "late", "created_at",
        "paid_at", "next_check_at",
    )  # fmt: skip
    list_filter = ("state", "scene", "in_doubt", "late", "superseded", "created_at")
    search_fields = ("out_trade_no", "trade_no", "order__number")
    list_select_related = ("order",)
    exclude = ("qr_code",)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at", "out_request_no", "transaction", _amount("amount_fen", _("amount")), "origin", "state", "in_doubt",
        "requester", "approver", "ended_at",
    )  # fmt: skip
    list_filter = ("state", "origin", "in_doubt", "created_at")
    search_fields = ("out_request_no", "transaction__out_trade_no", "transaction__trade_no")
    list_select_related = ("transaction",)


@admin.register(GatewayCall)
class GatewayCallAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "purpose",
        "number",
        _amount("amount_fen", _("amount")),
        "outcome",
        "code",
        "why",
        "ended_at",
    )
    list_filter = ("purpose", "outcome", "started_at")
    search_fields = ("number", "code", "id")


@admin.register(InboundMessage)
class InboundMessageAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "kind", "out_trade_no", "verdict", "reason", "deliveries", "last_at")
    list_filter = ("kind", "verdict", "received_at")
    search_fields = ("out_trade_no", "fingerprint")
    exclude = ("body", "seal_id")
    actions = ("hear_again",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.ask_alipay")

    @admin.action(description=_("Hear again: what was applied before changes nothing"), permissions=["replay"])
    def hear_again(self, request: HttpRequest, messages: models.QuerySet[InboundMessage]) -> None:
        counts = Counter(str(replay(message) or "still refused") for message in messages.order_by("pk"))
        told = ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common())
        self.message_user(
            request, _("%(count)d messages heard again: %(outcomes)s") % {"count": counts.total(), "outcomes": told}
        )


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = (
        "opened_at",
        "kind",
        "subject",
        _amount("amount_fen", _("at stake")),
        "severity",
        "state",
        "owner",
        "due_at",
    )
    list_filter = ("state", "kind", "severity", "owner")
    search_fields = ("subject", "evidence")
    list_select_related = ("owner",)
    ordering = ("due_at",)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("posted_at", "debit", "credit", _amount("fen", _("amount")), "cause", "transaction")
    list_filter = ("debit", "credit", "cause", "posted_at")
    search_fields = ("transaction__out_trade_no", "transaction__trade_no")
    list_select_related = ("transaction",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "subject_kind", "subject_id", "action", "state", "actor", "cause")
    list_filter = ("subject_kind", "action", "at")
    search_fields = ("=subject_id", "cause", "actor")


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "topic", "dedupe_key", "attempts", "due_at", "delivered_at", "last_error")
    list_filter = ("topic", "created_at")
    search_fields = ("dedupe_key",)
