"""Days of Alipay's bills: a month by state, a day's two sides and what differs, its lines, and what a person can do about it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from payments.admin.bill_words import say, signed, signed_count
from payments.admin.columns import ReadOnlyAdmin
from payments.alipay.clock import BEIJING
from payments.errors import MalformedBill
from payments.models import AuditEvent, BillDay, BillFile
from payments.models.clock import database_now
from payments.queries.bill_days import Cell, Side, lines, merchants_with_days, month, unsolved, waiting_until
from payments.queries.bill_reasons import reason_words
from payments.queries.people import names
from payments.services.books.ask_again import compare_now, fetch_now
from payments.services.books.reconcile import close_day
from payments.services.books.upload import upload_bill

PER_PAGE = 50
WATCHED = (BillDay.State.FETCHING, BillDay.State.IMPORTED)  # somebody is at it: the page looks again by itself


class UploadForm(forms.Form):
    kind = forms.ChoiceField(label=_("which bill"), choices=BillFile.Kind)
    file = forms.FileField(
        label=_("the zip as Alipay gave it"), widget=forms.ClearableFileInput(attrs={"accept": ".zip,application/zip"})
    )


class MonthForm(forms.Form):
    """The month and merchant of the address; what makes no sense there counts as not said."""

    month = forms.DateField(required=False, input_formats=["%Y-%m"])
    account = forms.IntegerField(required=False)


@admin.register(BillDay)
class BillDayAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/fetch/", view(self.fetch), name="payments_billday_fetch"),
            path("<int:pk>/compare/", view(self.compare), name="payments_billday_compare"),
            path("<int:pk>/upload/", view(self.upload), name="payments_billday_upload"),
            path("<int:pk>/close/", view(self.close), name="payments_billday_close"),
            path("<int:pk>/lines/<int:file_pk>/", view(self.lines), name="payments_billday_lines"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The month: one cell a day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = MonthForm(request.GET)
        form.is_valid()
        merchants, now = merchants_with_days(), database_now()
        chosen = next((each for each in merchants if each.pk == form.cleaned_data.get("account")), None)
        account = chosen or (merchants[0] if merchants else None)
        first = (form.cleaned_data.get("month") or now.astimezone(BEIJING).date()).replace(day=1)
        seen = month(account.pk, first) if account else None
        today = now.astimezone(BEIJING).date()
        cells = [(cell, say(cell, today=today), cell.date == today) for cell in seen.cells] if seen else []
        return render(request, "admin/payments/bill_month.html", self._context(request) | {
            "title": _("Bill days"), "month": seen, "cells": cells, "account": account, "merchants": merchants, "now": now,
        })  # fmt: skip

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET" or not object_id.isdecimal():
            return super().change_view(request, object_id, form_url, extra_context)
        day = _found(int(object_id))
        if not self.has_view_permission(request, day):
            raise PermissionDenied
        return self._page(request, day)

    # --- what a person can do

    def fetch(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have the worker ask Alipay now instead of at the hour."""
        day = self._allowed(request, pk, "upload_bill")
        if request.method == "POST":
            if fetch_now(day, actor=_actor(request)):
                messages.success(request, gettext("Alipay is asked within a minute; this page shows what comes."))
            else:
                messages.info(request, gettext("Nothing to fetch: the bills are there, or are being fetched already."))
        return _to(day)

    def compare(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have the worker compare the day now, or once more."""
        day = self._allowed(request, pk, "close_bill_day")
        if request.method == "POST":
            if compare_now(day, actor=_actor(request)):
                messages.success(request, gettext("The day is compared within a minute; this page shows the result."))
            else:
                messages.info(request, gettext("Nothing to compare: its bills are not read yet, or the day is closed."))
        return _to(day)

    def upload(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a bill from the browser. A refusal says why, and that nothing of it was taken."""
        day = self._allowed(request, pk, "upload_bill")
        if request.method != "POST":
            return _to(day)
        form = UploadForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._page(request, day, form=form, status=400)
        kind = BillFile.Kind(form.cleaned_data["kind"])
        try:
            read = upload_bill(day.account, day.day, form.cleaned_data["file"].file, kind=kind, actor=_actor(request))
        except MalformedBill as refused:
            form.add_error(
                "file", gettext("Refused; nothing of it was taken: {why}").format(why=reason_words(str(refused)))
            )
            return self._page(request, _found(pk), form=form, status=400)
        words = ngettext("Read: {n} line.", "Read: {n} lines.", read.lines or 0).format(n=read.lines or 0)
        messages.success(request, words)
        return _to(day)

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close a compared day, where each difference is explained or has its case."""
        day = self._allowed(request, pk, "close_bill_day")
        if request.method == "POST":
            if close_day(day, actor=_actor(request)):
                messages.success(request, gettext("The day is closed."))
            else:
                messages.error(request, gettext("It can't be closed yet: {why}").format(why=_why_not(_found(pk))))
        return _to(day)

    def lines(self, request: HttpRequest, pk: int, file_pk: int) -> HttpResponse:
        """A bill's lines, each beside our record of it."""
        day = _found(pk)
        if not (self.has_view_permission(request, day) and request.user.has_perm("payments.view_statementline")):
            raise PermissionDenied
        file = get_object_or_404(BillFile, pk=file_pk, day=day, state=BillFile.State.IMPORTED)
        about = request.GET.get("q", "").replace("\x00", "").strip()[:64]
        found = lines(file, after=request.GET.get("after", "").replace("\x00", "")[:200], about=about)
        return render(request, "admin/payments/bill_lines.html", self._context(request) | {
            "title": _("Lines of the bill"), "day": day, "file": file, "found": found, "about": about,
        })  # fmt: skip

    # --- the day's page

    def _page(self, request: HttpRequest, day: BillDay, *, form: Any = None, status: int = 200) -> HttpResponse:
        differences = Paginator(day.differences.select_related("case__owner").order_by("kind", "key"), PER_PAGE)
        count, left = differences.count, unsolved(day)
        files, steps = list(day.files.order_by("pk")), list(AuditEvent.objects.about(day))
        people = names({day.closed_by, *(each.actor for each in files), *(each.actor for each in steps)})
        given = {
            "title": f"{_('Bill day')} {day.day:%Y-%m-%d}", "day": day,
            "said": say(Cell(day.day, day, count, left), today=day.day),
            "counts": Side(day.ours_count, day.theirs_count), "fen": Side(day.ours_fen, day.theirs_fen),
            "more_lines": signed_count(Side(day.ours_count, day.theirs_count).difference),
            "by_how_much": signed(day.difference_fen) if day.difference_fen is not None else "",
            "differences": differences.get_page(request.GET.get("p")), "unsolved": left, "form": form or UploadForm(),
            "files": [(each, people.get(each.actor, each.actor)) for each in files],
            "steps": [(each, people.get(each.actor, each.actor)) for each in steps],
            "closed_by": people.get(day.closed_by, day.closed_by), "now": database_now(),
            "why_not": _why_not(day), "is_watched": day.state in WATCHED or _is_asked(day), "errors": bool(form),
            "may": {each: request.user.has_perm(f"payments.{each}") for each in ("upload_bill", "close_bill_day")},
            "lacks_bills": day.state in (BillDay.State.EXPECTED, BillDay.State.FETCHING),
        }  # fmt: skip
        return render(request, "admin/payments/bill_day.html", self._context(request) | given, status=status)

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts}

    def _allowed(self, request: HttpRequest, pk: int, right: str) -> BillDay:
        if not request.user.has_perm(f"payments.{right}"):
            raise PermissionDenied
        return _found(pk)


def _why_not(day: BillDay) -> str:
    """What a day lacks to be closed; empty when it can be."""
    if day.state == BillDay.State.CLOSED:
        return gettext("it is closed already")
    if day.state in (BillDay.State.EXPECTED, BillDay.State.FETCHING):
        return gettext("its bills have not come")
    if day.state == BillDay.State.IMPORTED:
        return gettext("it has not been compared")
    waits, until = waiting_until(day)
    if waits and until:
        words = ngettext(
            "{n} difference waits for another day's bill, until {at} at most",
            "{n} differences wait for another day's bill, until {at} at most", waits,
        )  # fmt: skip
        return words.format(n=waits, at=f"{until.astimezone(BEIJING):%Y-%m-%d %H:%M}")
    return ""


def _is_asked(day: BillDay) -> bool:
    return day.state == BillDay.State.EXPECTED and day.due_at is not None and day.due_at <= database_now()


def _actor(request: HttpRequest) -> str:
    return f"staff:{request.user.pk}"


def _to(day: BillDay) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:payments_billday_change", args=[day.pk]))


def _found(pk: int) -> BillDay:
    return get_object_or_404(BillDay.objects.select_related("account"), pk=pk)
