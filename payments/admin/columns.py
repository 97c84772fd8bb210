"""What staff's lists of records share: they look and search, and amounts are written as yuan."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html

from payments.money import Money


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


def amount(name: str, label: Any) -> Any:
    """A column that shows fen as yuan, right-aligned, and sorts as the number it is."""

    @admin.display(description=label, ordering=name)
    def column(record: models.Model) -> str:
        fen = getattr(record, name)
        return format_html('<span class="fen">{}</span>', "—" if fen is None else Money(fen))

    return column
