"""What staff's lists of records share: they look, filter and search, however long the history; amounts are written as yuan."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext

from payments.models import Transaction
from payments.money import Money
from payments.queries.people import names, said


class NamingList(ChangeList):
    """A page of records that knows the people its `actors` name, by one query for all rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        assert isinstance(self.model_admin, ReadOnlyAdmin), "it made this list"
        rows: list[Any] = list(self.result_list)
        people = names(getattr(row, field) for row in rows for field in self.model_admin.actors)
        for row in rows:
            row.people = people
        self.result_list = rows


class ShownFiltersOnly(admin.ModelAdmin[Any]):
    """A list is filtered by what its filters show, and by no other field: some are secret, and would be told by letters."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        name, fields = lookup.partition("__")[0], {"pk", *(field.name for field in self.opts.get_fields())}
        own = {
            getattr(each, "parameter_name", None) for each in self.list_filter
        }  # of filters with a question of their own
        shown = name not in fields or name in self.list_filter or lookup in own
        return shown and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]  # as Django hands it on


class ReadOnlyAdmin(ShownFiltersOnly):
    """Looks, filters and searches. Adding, changing and deleting is refused whoever asks, by form or crafted POST."""

    list_per_page = 50
    show_full_result_count = False
    ordering = ("-pk",)  # newest first, by an index every table has
    actions: Sequence[str] | None = None
    actors: Sequence[str] = ()  # fields that say who: "staff:7" or a door
    most_named = 200

    def named(self, word: str) -> Sequence[models.Q]:
        """The places where a whole number may stand, each with an index of its own: asked one by one, before all else."""
        return ()

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """By the whole number first, which is what people paste; else by any part of any field, through all records."""
        records = self.model._base_manager
        for place in self.named(search_term.strip()) if search_term.strip() else ():
            keys = list(records.filter(place).values_list("pk", flat=True)[: self.most_named])
            if keys:
                return queryset.filter(pk__in=keys), False
        return super().get_search_results(request, queryset, search_term)

    def get_changelist(self, request: HttpRequest, **more: Any) -> type[ChangeList]:
        return NamingList if self.actors else super().get_changelist(request, **more)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def among(name: str, label: Any, words: Mapping[str, object]) -> type[admin.SimpleListFilter]:
    """A filter by one of the values a field may have, in words: known here, and not looked for in a million records."""

    class Among(admin.SimpleListFilter):
        title, parameter_name = label, name

        def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
            return sorted(((value, str(word)) for value, word in words.items()), key=lambda each: each[1])

        def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
            return queryset.filter(**{name: self.value()}) if self.value() else queryset

    return Among


def of_payment(word: str, place: str = "") -> list[models.Q]:
    """Where a payment's numbers stand, seen from a record that leads to it by `place`."""
    return [
        models.Q((f"{place}out_trade_no", word), (f"{place}origin", Transaction.Origin.OURS)),
        models.Q((f"{place}trade_no", word)),
    ]


def amount(name: str, label: Any) -> Any:
    """A column that shows fen as yuan, right-aligned, and sorts as the number it is."""

    @admin.display(description=label, ordering=name)
    def column(record: models.Model) -> str:
        fen = getattr(record, name)
        return format_html('<span class="fen">{}</span>', "—" if fen is None else Money(fen))

    return column


def flag(name: str, label: Any) -> Any:
    """A column that says its own name where it holds, and else nothing: a red cross beside all that is well misleads."""

    @admin.display(description=label, ordering=name)
    def column(record: models.Model) -> str:
        return format_html('<span class="late">{}</span>', label) if getattr(record, name) else ""

    return column


def person(name: str, label: Any) -> Any:
    """A column that says who, by name: a member of staff or a door. For lists whose `actors` hold this field."""

    @admin.display(description=label, ordering=name)
    def column(record: Any) -> object:
        return said(getattr(record, name), record.people) or "—"

    return column


def span(time: timedelta) -> str:
    """How long, in the largest unit that says it: "3 days", "5 hours", "20 minutes"."""
    minutes = max(int(time.total_seconds()) // 60, 0)
    if minutes >= 48 * 60:
        return gettext("{n} days").format(n=minutes // (24 * 60))
    if minutes >= 120:
        return gettext("{n} hours").format(n=minutes // 60)
    return ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)
