"""The queue's filters: whose work it is, how late, how old. All of them live in the address."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from payments.admin.case_words import ROLES
from payments.models import Case, User
from payments.models.case import kinds_of

Cases = QuerySet[Case]
BOUNDS: dict[str, tuple[int, int | None]] = {"0": (0, 1), "1": (1, 3), "3": (3, 7), "7": (7, None)}  # days


class Work(admin.SimpleListFilter):
    """Without a choice: what is mine and what nobody has taken, of what is not over."""

    title, parameter_name = _("work"), "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("overdue", _("overdue")), ("today", _("due within a day")), ("second", _("waits for a second person")),
            ("all", _("everybody's")), ("resolved", _("resolved")), ("written_off", _("written off")), ("any", _("all ever")),
        ]  # fmt: skip

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in [(None, _("mine and nobody's")), *self.lookup_choices]:
            chosen = {self.parameter_name: value} if value else {}
            address = changelist.get_query_string(chosen, [self.parameter_name])
            yield {"selected": self.value() == value, "query_string": address, "display": label}

    def queryset(self, request: HttpRequest, cases: Cases) -> Cases:
        unended = Q(state__in=Case.UNENDED)
        wanted = {
            "overdue": unended & Q(due_at__lt=Now()), "today": unended & Q(due_at__lt=Now() + timedelta(days=1)),
            "second": unended & Q(write_off_requester__isnull=False), "all": unended, "resolved": Q(state="resolved"),
            "written_off": Q(state="written_off"), "any": Q(),
        }  # fmt: skip
        return cases.filter(wanted.get(self.value() or "", unended & (Q(owner=request.user.pk) | Q(owner=None))))


class Owner(admin.SimpleListFilter):
    """People who have cases; never the whole list of people, which holds every shopper."""

    title, parameter_name = _("owner"), "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        people = User.objects.filter(case__state__in=Case.UNENDED).distinct().order_by("pk")[:50]
        return [("me", _("me")), ("nobody", _("nobody")), *((str(each.pk), str(each)) for each in people)]

    def queryset(self, request: HttpRequest, cases: Cases) -> Cases:
        match self.value():
            case None:
                return cases
            case "me":
                return cases.filter(owner=request.user.pk)
            case "nobody":
                return cases.filter(owner=None)
            case chosen:
                return cases.filter(owner=int(chosen)) if chosen.isdecimal() and len(chosen) < 10 else cases.none()


class Kinds(admin.SimpleListFilter):
    """The kinds of which there is one to be worked on; all of them would fill two screens."""

    title, parameter_name = _("kind"), "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        found = Case.objects.open().order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, Case.Kind(kind).label) for kind in found]

    def queryset(self, request: HttpRequest, cases: Cases) -> Cases:
        return cases.filter(kind=self.value()) if self.value() else cases


class Role(admin.SimpleListFilter):
    """Whose work a kind of case is by its rule."""

    title, parameter_name = _("role"), "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ROLES.items())

    def queryset(self, request: HttpRequest, cases: Cases) -> Cases:
        role = self.value()
        return cases.filter(kind__in=kinds_of([role])) if role else cases


class Age(admin.SimpleListFilter):
    """How long ago it was opened."""

    title, parameter_name = _("age"), "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("0", _("less than a day")), ("1", _("one to three days")), ("3", _("three to seven days")),
            ("7", _("more than a week")),
        ]  # fmt: skip

    def queryset(self, request: HttpRequest, cases: Cases) -> Cases:
        if self.value() not in BOUNDS:
            return cases
        least, most = BOUNDS[self.value() or ""]
        cases = cases.filter(opened_at__lte=Now() - timedelta(days=least))
        return cases if most is None else cases.filter(opened_at__gt=Now() - timedelta(days=most))
