"""The books' own pages: trial balance, runs of the invariants, seals of the audit trail. They look, and change nothing."""

from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from payments.admin.columns import ReadOnlyAdmin, of_payment
from payments.alipay.clock import BEIJING
from payments.models import AuditSeal, BooksCheck, Transfer
from payments.money import Money
from payments.queries.trial_balance import trial_balance


class AsOf(forms.Form):
    as_of = forms.DateField(
        label=_("At the end of (Shanghai)"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def moment(self) -> datetime | None:
        """The end of that day in Shanghai; None for now, or for a day that is none."""
        day = self.cleaned_data.get("as_of") if self.is_valid() else None
        return datetime.combine(day, time.max, BEIJING) if day else None


@require_safe
def trial_balance_page(request: HttpRequest) -> HttpResponse:
    """Debit, credit and balance of every account, now or at a day's end."""
    if not request.user.has_perm("payments.view_transfer"):
        raise PermissionDenied
    form = AsOf(request.GET or None)
    found = trial_balance(form.moment())
    rows = [
        (row.account.label, Money(row.debit_fen), Money(row.credit_fen), Money(row.balance_fen)) for row in found.rows
    ]
    words = {
        **admin.site.each_context(request), "title": _("Trial balance"), "form": form, "rows": rows, "proves": found.proves,
        "debit": Money(found.debit_fen), "credit": Money(found.credit_fen), "opts": Transfer._meta,
        "difference": Money(found.debit_fen - found.credit_fen), "in_cases": Money(found.in_cases_fen),
        "booked_in_cases": Money(found.booked_in_cases_fen),
    }  # fmt: skip
    return render(request, "admin/payments/trial_balance.html", words)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("posted_at", "debit", "credit", "amount", "cause", "transaction")
    list_filter = ("debit", "credit", "cause", "posted_at")
    search_fields = ("transaction__out_trade_no", "transaction__trade_no")
    list_select_related = ("transaction",)
    change_list_template = "admin/payments/transfer_list.html"

    def named(self, word: str) -> list[Q]:
        return of_payment(word, "transaction__")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(trial_balance_page)
        return [path("trial-balance/", page, name="payments_transfer_trial_balance"), *super().get_urls()]

    @admin.display(description=_("amount"), ordering="fen")
    def amount(self, transfer: Transfer) -> str:
        return str(Money(transfer.fen))


@admin.register(BooksCheck)
class BooksCheckAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "reach", "holds", "checked", "broken", "took", "found")
    list_filter = ("reach", "started_at")

    @admin.display(description=_("holds"), boolean=True)
    def holds(self, run: BooksCheck) -> bool:
        return run.is_green

    @admin.display(description=_("seconds"))
    def took(self, run: BooksCheck) -> str:
        return f"{(run.ended_at - run.started_at).total_seconds():.1f}"

    @admin.display(description=_("what is broken"))
    def found(self, run: BooksCheck) -> str:
        red: dict[str, Any] = {name: each for name, each in run.results.items() if each["count"]}
        return "; ".join(f"{name}: {', '.join(each['ids'][:3])}" for name, each in red.items()) or "—"


@admin.register(AuditSeal)
class AuditSealAdmin(ReadOnlyAdmin):
    list_display = ("number", "first_position", "key_id", "head", "sealed_at")
    list_filter = ("sealed_at",)
    fields = ("number", "first_position", "events", "key_id", "head", "sealed_at")
    readonly_fields = fields

    @admin.display(description=_("head, as verify_audit --head takes it"))
    def head(self, seal: AuditSeal) -> str:
        return str(seal)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("events", "digests")
