"""Forms of accounts. No message tells whether an address has an account."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from payments.models import User

ADDRESS = {
    "required": _("Enter your e-mail address."),
    "invalid": _("Enter an e-mail address like name@example.com."),
}


class EmailForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"), max_length=254, error_messages=ADDRESS)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["email"].widget.attrs.update({"autocomplete": "email", "inputmode": "email"})

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class SignInForm(EmailForm):
    password = forms.CharField(
        label=_("Password"),
        max_length=200,
        strip=False,
        error_messages={"required": _("Enter your password.")},
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def refuse(self) -> None:
        self.add_error(None, _("E-mail and password don't go together. Please check both."))


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New password"),
        max_length=200,
        strip=False,
        help_text=_("12 characters or more; a sentence is fine."),
        error_messages={"required": _("Choose a password of 12 characters or more.")},
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self.email = email

    def clean_password(self) -> str:
        chosen = str(self.cleaned_data["password"])
        validate_password(chosen, User(email=self.email))
        return chosen
