"""What staff's lists of records share: they look and search, and amounts are written as yuan."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext

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

    def get_changelist(self, request: HttpRequest, **more: Any) -> type[ChangeList]:
        return NamingList if self.actors else super().get_changelist(request, **more)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
