"""What a buyer asks back: pieces of lines, and why."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from checkout.forms import Text
from payments.models import Refund
from payments.money import Money
from payments.queries.refundable import SHIPPING, Line, Refundable

REASONS = [
    Refund.Reason.CHANGED_MIND, Refund.Reason.DAMAGED, Refund.Reason.WRONG, Refund.Reason.NOT_ARRIVED, Refund.Reason.OTHER,
]  # fmt: skip


class AskBackForm(forms.Form):
    """Pieces of each line that can still come back; delivery is for staff to decide."""

    reason = forms.ChoiceField(
        label=_("Why"), choices=[(each.value, each.label) for each in REASONS], widget=forms.RadioSelect,
        error_messages={"required": _("Choose a reason.")},
    )  # fmt: skip
    note = Text(label=_("More about it"), most=200, ask="", required=False, help_text=_("Needed for another reason."))

    def __init__(self, *args: Any, part: Refundable, **more: Any) -> None:
        super().__init__(*args, **more)
        self.part = part
        for line in self.lines:
            wanted = _("Choose a whole number from 0 to {most}.").format(most=line.quantity)
            self.fields[f"pieces_{line.key}"] = forms.IntegerField(
                label=line.title, min_value=0, max_value=line.quantity, required=False,
                error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), wanted),
                widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
            )  # fmt: skip

    @property
    def lines(self) -> list[Line]:
        """Lines that can be asked for now."""
        return [line for line in self.part.lines if line.key != SHIPPING and line.left.fen and not line.asked]

    @property
    def rows(self) -> list[tuple[Line, forms.BoundField]]:
        return [(line, self[f"pieces_{line.key}"]) for line in self.lines]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        lines = self.part.chosen({line.key: values.get(f"pieces_{line.key}") or 0 for line in self.lines})
        if not self.errors and not lines:
            raise ValidationError(_("Choose how many pieces you want to give back."))
        if values.get("reason") == Refund.Reason.OTHER and not values.get("note"):
            self.add_error("note", _("Please say in a few words what it is."))
        return {**values, "lines": lines, "total": Money(sum(lines.values()))}
