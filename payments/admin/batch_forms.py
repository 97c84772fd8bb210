"""What is typed for a bulk refund: which orders, why, how much of each; and the total that confirms it."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from payments.admin.forms import YuanField
from payments.models import Refund, RefundBatch
from payments.money import Money

MOST_DAYS = 366


class PlanForm(forms.Form):
    """By goods and days; or for orders that were marked in their list (`orders`: ids with commas between)."""

    orders = forms.CharField(required=False, widget=forms.HiddenInput)
    skus = forms.CharField(
        label=_("article numbers"), required=False, max_length=2000,
        help_text=_("Of the goods that come back, with spaces or commas between them."),
    )  # fmt: skip
    paid_from = forms.DateField(label=_("paid from"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    paid_until = forms.DateField(
        label=_("paid until"), required=False, widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Days in Shanghai, both included."),
    )  # fmt: skip
    scope = forms.ChoiceField(
        label=_("how much of each order"), choices=RefundBatch.Scope.choices, widget=forms.RadioSelect,
        initial=RefundBatch.Scope.GOODS,
    )  # fmt: skip
    reason_code = forms.ChoiceField(
        label=_("reason"), choices=Refund.Reason.choices, initial=Refund.Reason.RECALLED,
    )  # fmt: skip
    note = forms.CharField(label=_("note"), required=False, max_length=200, help_text=_("For colleagues."))

    @property
    def marked(self) -> int:
        """How many orders were marked in their list; 0 where they are chosen by goods and days."""
        return len(_numbers(str(self["orders"].value() or "")))

    def clean_orders(self) -> list[int]:
        return _numbers(self.cleaned_data["orders"])

    def clean_skus(self) -> list[str]:
        return sorted({sku for sku in re.split(r"[\s,，、;；]+", self.cleaned_data["skus"]) if sku})

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        goods = values["scope"] == RefundBatch.Scope.GOODS
        if not values["skus"] and (goods or not values["orders"]):
            self.add_error("skus", _("Write the article numbers of the goods."))
        if not values["orders"]:
            self._check_days(values)
        return values

    def _check_days(self, values: dict[str, Any]) -> None:
        since, until = values["paid_from"], values["paid_until"]
        if since is None or until is None:
            self.add_error("paid_until", _("Choose the first and the last day."))
        elif since > until:
            self.add_error("paid_until", _("The last day is before the first."))
        elif (until - since).days > MOST_DAYS:
            self.add_error("paid_until", _("Choose a year at most."))


class ConfirmForm(forms.Form):
    total = YuanField(label=_("the total in yuan"))

    def __init__(self, *args: Any, total: Money, **more: Any) -> None:
        super().__init__(*args, **more)
        self.is_total = total

    def clean_total(self) -> Money:
        typed: Money = self.cleaned_data["total"]
        if typed != self.is_total:
            raise ValidationError(_("This is not the total. Nothing was asked for; please look at it once more."))
        return typed


class StopForm(forms.Form):
    why = forms.CharField(
        label=_("why"), max_length=200, help_text=_("Buyers who were told that money is on its way read it."),
    )  # fmt: skip


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each.isascii() and each.isdigit() and len(each) < 19]
