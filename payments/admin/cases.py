"""The queue of cases, and a case's own page: what it is, both sides, and the deeds that end it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import Count, DurationField, ExpressionWrapper, F, QuerySet, Sum
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from payments.admin.bill_words import signed
from payments.admin.case_deeds import DEEDS, Unclear, may, offered, person, why_not
from payments.admin.case_filters import Age, Kinds, Owner, Role, Work
from payments.admin.case_forms import NoteForm, OwnerForm, RefundPartForm, workers
from payments.admin.case_words import ROLES, WORDS, what_differs
from payments.admin.columns import ReadOnlyAdmin, amount, span
from payments.errors import CaseRefused, NotAllowed, RefundRefused, StaleFactor
from payments.models import BillDay, BooksCheck, Case, User
from payments.models.case import RULES
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.bill_reasons import reason_words
from payments.queries.case_story import story
from payments.queries.record_words import subject_words
from payments.services import work_cases


class PickOwner(ActionForm):
    owner = forms.ModelChoiceField(User.objects.none(), label=_("to"), required=False)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        field = self.fields["owner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = workers()


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ("due", "what", "about", amount("amount_fen", _("at stake")), "how_severe", "stands", "whose", "age")
    list_display_links = ("what",)
    list_filter = (Work, "severity", Kinds, Role, Owner, Age)
    search_fields = ("subject", "evidence")
    list_select_related = ("owner",)
    ordering = ("due_at",)
    actions = ("take", "assign", "release")
    action_form = PickOwner
    change_list_template = "admin/payments/case_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        spans = {
            "late_by": ExpressionWrapper(Now() - F("due_at"), DurationField()),
            "old": ExpressionWrapper(Now() - F("opened_at"), DurationField()),
        }
        cases: QuerySet[Case] = super().get_queryset(request)
        return cases.annotate(**spans)

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(self.act)
        return [path("<int:pk>/do/<slug:what>/", act, name="payments_case_act"), *super().get_urls()]

    # --- the queue

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        late = Case.objects.open().filter(due_at__lt=Now())
        told = {
            "title": _("Cases"), "overdue": late.aggregate(count=Count("pk"), fen=Sum("amount_fen")),
            "last_check": BooksCheck.objects.order_by("-pk").first(), "looked_at": database_now(),
        }  # fmt: skip
        return super().changelist_view(request, {**told, **(extra_context or {})})

    @admin.display(description=_("due"), ordering="due_at")
    def due(self, case: Any) -> str:
        if case.state not in Case.UNENDED:
            return format_html('<span class="quiet">{}</span>', pgettext("due time of a case", "over"))
        if case.late_by.total_seconds() > 0:
            return format_html('<b class="late">▲ {}</b>', gettext("{span} late").format(span=span(case.late_by)))
        return gettext("in {span}").format(span=span(-case.late_by))

    @admin.display(description=_("kind"), ordering="kind")
    def what(self, case: Case) -> str:
        return case.get_kind_display()

    @admin.display(description=_("about"), ordering="subject")
    def about(self, case: Case) -> str:
        number = _about(case)
        return format_html('<span class="ref">{}</span>', number)

    @admin.display(description=_("severity"), ordering="severity")
    def how_severe(self, case: Case) -> str:
        mark = "◆" if case.severity == Case.Severity.HIGH else "◇"
        return format_html('<span class="mark" aria-hidden="true">{}</span> {}', mark, case.get_severity_display())

    @admin.display(description=_("state"), ordering="state")
    def stands(self, case: Case) -> str:
        if case.state in Case.UNENDED and case.write_off_requester_id:
            return gettext("waits for a second person")
        return case.get_state_display()

    @admin.display(description=_("owner"), ordering="owner")
    def whose(self, case: Case) -> str:
        return str(case.owner) if case.owner else format_html('<span class="quiet">{}</span>', _role(case))

    @admin.display(description=_("age"), ordering="-opened_at")
    def age(self, case: Any) -> str:
        return span(case.old)

    # --- many at once

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(work_cases.WORK)

    @admin.action(description=_("Take"), permissions=["work"])
    def take(self, request: HttpRequest, cases: QuerySet[Case]) -> None:
        self._assign(request, cases, person(request))

    @admin.action(description=_("Assign to"), permissions=["work"])
    def assign(self, request: HttpRequest, cases: QuerySet[Case]) -> None:
        form = OwnerForm(request.POST)
        if form.is_valid():
            self._assign(request, cases, form.cleaned_data["owner"])
        else:
            messages.error(request, gettext("Choose the colleague who is to have them."))

    @admin.action(description=_("Back to the queue"), permissions=["work"])
    def release(self, request: HttpRequest, cases: QuerySet[Case]) -> None:
        self._assign(request, cases, None)

    def _assign(self, request: HttpRequest, cases: QuerySet[Case], owner: User | None) -> None:
        moved = work_cases.assign(list(cases), owner, person=person(request))
        words = gettext("%(count)d cases, %(amount)s at stake: now with %(who)s.") % {
            "count": len(moved), "amount": Money(sum(each.amount_fen or 0 for each in moved)),
            "who": owner or gettext("nobody"),
        }  # fmt: skip
        messages.success(request, words)

    # --- one case

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET" or not object_id.isdecimal():
            return super().change_view(request, object_id, form_url, extra_context)
        case = _found(int(object_id))
        if not self.has_view_permission(request, case):
            raise PermissionDenied
        return self._page(request, case)

    def act(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """One deed on one case. A refusal says why and changes nothing."""
        deed = DEEDS.get(what)
        if deed is None:
            raise Http404
        case = _found(pk)
        if not may(request, case, what):
            raise PermissionDenied
        here = HttpResponseRedirect(reverse("admin:payments_case_change", args=[pk]))
        if request.method != "POST":
            return here
        try:
            messages.success(request, deed(request, case))
        except Unclear as unclear:
            return self._page(request, case, forms={what: unclear.form}, status=400)
        except StaleFactor:
            messages.warning(request, gettext("Please prove your second factor once more, then do it again."))
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?next={here['Location']}")
        except NotAllowed as refused:
            raise PermissionDenied from refused
        except (CaseRefused, RefundRefused) as refused:
            messages.error(request, why_not(refused))
        return here

    def _page(self, request: HttpRequest, case: Case, *, forms: Any = None, status: int = 200) -> HttpResponse:
        seen, day = story(case), _day(case)
        given = {"note": NoteForm(), "refund": RefundPartForm(seen.refundable), "assign": OwnerForm(), **(forms or {})}
        happened, suggestion = WORDS[Case.Kind(case.kind)]
        return render(request, "admin/payments/case.html", {
            **self.admin_site.each_context(request), "opts": self.opts, "title": case.get_kind_display(), "case": case,
            "story": seen, "happened": happened, "suggestion": suggestion, "differs": what_differs(case, seen),
            "may": {_name(what): offered(request, case, what, seen) for what in DEEDS},
            "forms": {_name(what): form for what, form in given.items()}, "role": _role(case),
            "late": _lateness(case), "is_open": case.state in Case.UNENDED,
            "day": day, "about": _about(case), "in_bill": signed(seen.in_bill_fen),
            "asked_by_me": case.write_off_requester_id == request.user.pk, "facts": _plain_facts(case, day),
            "errors": bool(forms),
        }, status=status)  # fmt: skip


def _about(case: Case) -> str:
    """The number people know it by; else the record."""
    return str(case.facts.get("out_trade_no") or case.facts.get("number") or subject_words(case.subject))


def _day(case: Case) -> BillDay | None:
    """The bill day whose file, or whose lack of one, opened the case."""
    kind, _separator, key = case.evidence.partition(":")
    about = {"billday": {"pk": key}, "bill": {"files__pk": key}}.get(kind) if key.isdecimal() else None
    return BillDay.objects.filter(**about).first() if about else None


def _lateness(case: Case) -> str:
    """How long it is overdue, in words; empty while it is not."""
    late_by = database_now() - case.due_at
    return span(late_by) if late_by.total_seconds() > 0 else ""


def _name(what: str) -> str:
    """A deed as templates call it."""
    return what.replace("-", "_")


def _plain_facts(case: Case, day: BillDay | None) -> list[tuple[str, str]]:
    """What the case carries beside the difference and the records it leads to, small, for support."""
    hidden = {"field", "ours", "theirs", "file", *(("day",) if day else ())}
    if case.subject.startswith(("transaction:", "refund:", "order:")):
        hidden |= {"out_trade_no", "trade_no", "number", "out_request_no"}
    return [
        (name, reason_words(_short(value)) if name == "reason" else _short(value))
        for name, value in case.facts.items()
        if name not in hidden and value not in ("", None, [])
    ]


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _role(case: Case) -> str:
    return str(ROLES[RULES[Case.Kind(case.kind)].role])


def _found(pk: int) -> Case:
    related = ("owner", "write_off_requester", "write_off_approver")
    return get_object_or_404(Case.objects.select_related(*related), pk=pk)
