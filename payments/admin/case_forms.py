"""Forms on a case's page: who gets it, what is said, how much goes back."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from payments.admin.forms import YuanField
from payments.models import User
from payments.money import Money


def workers() -> QuerySet[User]:
    """Who may work on cases. One query; ids inside, so that a person with several roles is there once."""
    may = Q(is_superuser=True) | Q(groups__permissions__codename="work_case")
    ids = User.objects.filter(may, is_staff=True, is_active=True).values("pk")
    return User.objects.filter(pk__in=ids).order_by("name", "email")


class OwnerForm(forms.Form):
    owner = forms.ModelChoiceField(User.objects.none(), label=_("colleague"), empty_label=_("choose"))

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        field = self.fields["owner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = workers()


class NoteForm(forms.Form):
    text = forms.CharField(label=_("note"), max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))


class RefundPartForm(forms.Form):
    """All of what is left, or a part. Carries what was refundable when the page was opened."""

    amount = YuanField(label=_("amount (yuan)"))
    text = forms.CharField(label=_("why"), max_length=200)
    seen_fen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, most: Money, data: Any = None) -> None:
        super().__init__(data, initial={"amount": most.to_yuan(), "seen_fen": most.fen})
        self.most = most

    def clean_amount(self) -> Money:
        amount: Money = self.cleaned_data["amount"]
        if not 0 < amount.fen <= self.most.fen:
            raise ValidationError(_("{most} can be refunded at most.").format(most=self.most))
        return amount
