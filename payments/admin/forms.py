"""Forms of staff about money: what may be typed, and what it means in fen."""

from typing import Any

from django import forms
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from payments.errors import InvalidAmount
from payments.models import Refund
from payments.money import Money
from payments.queries.refundable import Refundable


class YuanField(forms.CharField):
    """An amount as people type it: "88.8" or "¥88.80"; its value is Money."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "size": 10, "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text in self.empty_values:
            return None
        try:
            return Money.from_yuan(str(text).strip().removeprefix("¥").strip())
        except InvalidAmount:
            raise ValidationError(_("Write the amount in yuan with at most two decimals, for example 30.00.")) from None


class RefundForm(forms.Form):
    """By line, or a free amount where lines don't say it. Carries what was refundable when the page was opened."""

    amount = YuanField(
        label=_("another amount (yuan)"), required=False,
        help_text=_("Only where no line fits, for example a goodwill part; leave empty otherwise."),
    )  # fmt: skip
    reason_code = forms.ChoiceField(label=_("reason"), choices=[("", "—"), *Refund.Reason.choices])
    note = forms.CharField(
        label=_("note"), required=False, max_length=200, help_text=_("For colleagues; the buyer sees the reason only.")
    )
    seen_fen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, part: Refundable, **more: Any) -> None:
        super().__init__(*args, **more)
        self.part = part
        for line in part.lines:
            self.fields[f"pieces_{line.key}"] = forms.IntegerField(
                label=line.title or _("delivery"), min_value=0, max_value=line.quantity, required=False,
                widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        lines = self.part.chosen({line.key: values.get(f"pieces_{line.key}") or 0 for line in self.part.lines})
        free: Money | None = values.get("amount")
        if free is not None and lines:
            raise ValidationError(_("Choose lines or another amount, not both."))
        total = free if free is not None else Money(sum(lines.values()))
        if not self.errors and total.fen <= 0:
            raise ValidationError(_("Choose what is refunded: pieces of a line, or an amount."))
        if total > self.part.most:
            raise ValidationError(_("{most} can be refunded at most.").format(most=self.part.most))
        return {**values, "total": total, "lines": lines}

    @property
    def rows(self) -> list[tuple[Any, forms.BoundField]]:
        """Each line with its field."""
        return [(line, self[f"pieces_{line.key}"]) for line in self.part.lines]


def check_offered(request: HttpRequest, *names: str) -> None:
    """Raises SuspiciousOperation, answered 400, where a form carries a field that its page did not offer: it was made by hand."""
    if strange := set(request.POST) - {"csrfmiddlewaretoken", *names}:
        raise SuspiciousOperation(f"fields that no page of ours offers: {sorted(strange)[:5]}")


class DecisionForm(forms.Form):
    why = forms.CharField(
        label=_("reason, as the one who asked will read it"), max_length=200, widget=forms.Textarea(attrs={"rows": 2})
    )
