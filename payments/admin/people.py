"""Who may enter the staff pages: people and their roles. Passwords are set by their owners, through the mail of the shop."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin.columns import ShownFiltersOnly
from payments.models import AuditEvent, User
from payments.services import second_factor


class PersonForm(forms.ModelForm[User]):
    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "groups")

    def save(self, commit: bool = True) -> User:
        if self.instance._state.adding:
            self.instance.set_unusable_password()  # until they set one by "Forgotten the password?"
        return super().save(commit)


@admin.register(User)
class PersonAdmin(ShownFiltersOnly):
    form = PersonForm
    list_display = ("email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("-pk",)
    filter_horizontal = ("groups",)
    actions = ("reset_second_factor",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what they did stays theirs; an account is closed by "may sign in"

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody changes their own rights, and only who has every right changes one who has."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or (obj != request.user and (not obj.is_superuser or _has_all(request))))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        person: User = form.instance
        AuditEvent.objects.add(
            person, "person_changed" if change else "person_added", actor=f"staff:{request.user.pk}",
            roles=sorted(person.groups.values_list("name", flat=True)), is_staff=person.is_staff, is_active=person.is_active,
            changed=sorted(form.changed_data),
        )  # fmt: skip

    @admin.action(
        description=_("Reset the second factor: they set up a new one at the next sign-in"), permissions=["change"]
    )
    def reset_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> None:
        chosen = [person for person in people if self.has_change_permission(request, person)]
        for person in chosen:
            second_factor.reset(person, actor=f"staff:{request.user.pk}")
        messages.info(request, gettext("The second factor of %(count)d people is reset.") % {"count": len(chosen)})


def _has_all(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser
