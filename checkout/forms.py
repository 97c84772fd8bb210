"""What shoppers type: read generously, checked on submit, and every complaint says what to do."""

import re
import unicodedata
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from checkout.models.cart import MOST_OF_ONE

ADDRESS = {
    "required": _("Enter an e-mail address like name@example.com."),
    "invalid": _("Enter an e-mail address like name@example.com."),
    "max_length": _("Please shorten this to %(limit_value)d characters."),
}
MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)
NEVER_TYPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Text(forms.CharField):
    """Text as typed, without control characters; a field's limit is said in words."""

    def __init__(self, *, ask: Any, most: int, **more: Any) -> None:
        super().__init__(
            max_length=most,
            error_messages={"required": ask, "max_length": _("Please shorten this to %(limit_value)d characters.")},
            **more,
        )

    def clean(self, value: Any) -> str:
        return NEVER_TYPED.sub("", super().clean(value))


class Quantity(forms.IntegerField):
    def __init__(self, *, least: int = 1, **more: Any) -> None:
        wanted = _("Choose a whole number from 1 to 99.")
        super().__init__(
            min_value=least,
            max_value=MOST_OF_ONE,
            error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), wanted),
            **more,
        )


class AddForm(forms.Form):
    variant = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    quantity = Quantity()


class ChangeForm(forms.Form):
    variant = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    quantity = Quantity(least=0)


class ContactForm(forms.Form):
    """Who and where, in six fields."""

    name = Text(label=_("Name"), most=60, ask=_("Enter the name of the person who receives the parcel."))
    mobile = Text(label=_("Mobile number"), most=30, ask=_("Enter your mobile number, for example 138 0000 0000."))
    region = Text(label=_("Province, city, district"), most=80, ask=_("Enter province, city and district."))
    address = Text(label=_("Street and house number"), most=200, ask=_("Enter street, house number and room."))
    email = forms.EmailField(
        label=_("E-mail for the receipt"),
        max_length=254,
        error_messages={
            "required": _("Enter your e-mail; receipt and news of this order go there."),
            "invalid": _("Enter an e-mail address like name@example.com."),
            "max_length": _("Please shorten this to %(limit_value)d characters."),
        },
    )
    note = Text(label=_("Note for the shop"), most=300, ask="", required=False)

    # how browsers and phones help with each field
    HINTS: ClassVar[dict[str, dict[str, str]]] = {
        "name": {"autocomplete": "name"},
        "mobile": {"autocomplete": "tel", "type": "tel", "inputmode": "tel"},
        "region": {"autocomplete": "address-level1"},
        "address": {"autocomplete": "street-address"},
        "email": {"autocomplete": "email", "type": "email", "inputmode": "email"},
        "note": {"autocomplete": "off"},
    }

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, hints in self.HINTS.items():
            self.fields[name].widget.attrs.update(hints)

    def clean_mobile(self) -> str:
        """Eleven digits; spaces, hyphens, full-width digits and +86 are taken as people write them."""
        typed = unicodedata.normalize("NFKC", self.cleaned_data["mobile"])
        digits = re.sub(r"[\s()\-.·]", "", typed)
        digits = re.sub(r"^(\+|00)?86(?=1\d{10}$)", "", digits)
        if not MOBILE.fullmatch(digits):
            raise forms.ValidationError(_("Enter your mobile number, for example 138 0000 0000."))
        return digits


class ConfirmForm(forms.Form):
    """The last step. Prices and goods come from the cart; `total_fen` only says which sum the shopper saw."""

    key = forms.RegexField(r"\A[A-Za-z0-9_-]{16,64}\Z")
    total_fen = forms.IntegerField(min_value=0, max_value=2**53)
    way = forms.ChoiceField(choices=[(each, each) for each in ("qr", "page", "wap")])


class FindForm(forms.Form):
    number = Text(label=_("Order number"), most=40, ask=_("Enter the 16 digits of the order number."))
    mobile = Text(
        label=_("Mobile number of the order"), most=30, ask=_("Enter the mobile number that was given with the order.")
    )

    def clean_number(self) -> str:
        return re.sub(r"\D", "", unicodedata.normalize("NFKC", self.cleaned_data["number"]))

    clean_mobile = ContactForm.clean_mobile


class AskForm(forms.Form):
    """A question about an order; where the order has no address, one for the answer."""

    text = Text(
        label=_("Your question"),
        most=1000,
        ask=_("Write what you would like to know."),
        widget=forms.Textarea({"rows": 5}),
    )
    email = forms.EmailField(label=_("E-mail for the answer"), max_length=254, error_messages=ADDRESS)

    def __init__(self, *args: Any, needs_email: bool, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["email"].widget.attrs.update({"autocomplete": "email"})
        if not needs_email:
            del self.fields["email"]


class TellMeForm(forms.Form):
    email = forms.EmailField(max_length=254, error_messages=ADDRESS)
    consent = forms.BooleanField(error_messages={"required": _("Tick that we may write to you once about this.")})


class TailForm(forms.Form):
    """The last four digits of the mobile: who knows them may see the address."""

    tail = forms.RegexField(
        r"\A\d{4}\Z",
        label=_("Last 4 digits of the mobile number"),
        error_messages=dict.fromkeys(("required", "invalid"), _("Enter the last 4 digits of the mobile number.")),
    )
