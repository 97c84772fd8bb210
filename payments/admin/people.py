"""Who may enter the staff pages: people and their roles. Passwords are set by their owners, through the mail of the shop.

What one changes of a colleague's account another confirms: services/people.py.
"""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin.columns import ReadOnlyAdmin, ShownFiltersOnly
from payments.errors import NotAllowed, NotWaiting, SamePerson, StaleFactor
from payments.models import User
from payments.queries.record_words import ROLES
from payments.services import people


class Roles(forms.ModelMultipleChoiceField[Group]):
    def label_from_instance(self, obj: Group) -> str:
        return str(ROLES.get(obj.name, obj.name))


class PersonForm(forms.ModelForm[User]):
    groups = Roles(
        Group.objects.order_by("name"), label=_("Roles"), required=False, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "groups")

    def save(self, commit: bool = True) -> User:
        if self.instance._state.adding:
            self.instance.set_unusable_password()  # until they set one by "Forgotten the password?"
        return super().save(commit)


class ToConfirm(admin.SimpleListFilter):
    title = _("to be confirmed")
    parameter_name = "to_confirm"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("yes")), ("no", _("no"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        waits = {"pk__in": User.objects.waiting().values("pk")}
        match self.value():
            case "yes":
                return queryset.filter(**waits)
            case "no":
                return queryset.exclude(**waits)
        return queryset


class InRole(admin.SimpleListFilter):
    title = _("Roles")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ROLES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset.filter(groups__name=self.value()) if self.value() else queryset


@admin.register(User)
class PersonAdmin(ShownFiltersOnly):
    form = PersonForm
    change_form_template = "admin/payments/person.html"
    list_display = ("email", "name", "is_staff", "is_active", "is_confirmed", "last_login")
    list_filter = ("is_staff", "is_active", ToConfirm, InRole)
    search_fields = ("email", "name")
    ordering = ("-pk",)
    actions = ("reset_second_factor",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what they did stays theirs; an account is closed by "may sign in"

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody changes their own rights, and only who has every right changes one who has."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or (obj != request.user and (not obj.is_superuser or _has_all(request))))

    def get_urls(self) -> list[URLPattern]:
        confirm = self.admin_site.admin_view(self.confirm)
        return [path("<int:pk>/confirm/", confirm, name="payments_user_confirm"), *super().get_urls()]

    @admin.display(description=_("confirmed by a colleague"), boolean=True)
    def is_confirmed(self, person: User) -> bool:
        return not person.awaits_confirmation

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        person: User | None = super().get_object(request, object_id, from_field)
        if person is not None:
            person.email_before = person.email  # type: ignore[attr-defined]  # the form writes over it
        return person

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        person: User = form.instance
        old = getattr(person, "email_before", "") if "email" in form.changed_data else ""
        people.note_change(person, by=_me(request), changed=form.changed_data, added=not change, old_email=old)

    def confirm(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A second person says that the account is as it should be. Every refusal says why, and what to do."""
        person = get_object_or_404(User.objects.select_related("changed_by"), pk=pk)
        here = HttpResponseRedirect(reverse("admin:payments_user_change", args=[pk]))
        if request.method != "POST":
            return here
        try:
            seen = parse_datetime(request.POST.get("seen", ""))
            people.confirm(person, by=_me(request), session=request.session, seen=seen)
            messages.success(request, gettext("Confirmed. From the next page on they may do what their roles grant."))
        except StaleFactor:
            messages.warning(request, gettext("Please prove your second factor once more, then confirm."))
            onward = urlencode({"next": here["Location"]}, safe="/")
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{onward}")
        except NotAllowed as refused:
            raise PermissionDenied from refused
        except SamePerson:
            messages.error(request, gettext("Who changed an account can't confirm it: another colleague must."))
        except (NotWaiting, ValueError):
            messages.error(request, gettext("It is confirmed already, or was changed meanwhile. Please look again."))
        return here

    @admin.action(
        description=_("Reset the second factor: they set up a new one at the next sign-in"), permissions=["change"]
    )
    def reset_second_factor(self, request: HttpRequest, marked: QuerySet[User]) -> None:
        chosen = [person for person in marked if self.has_change_permission(request, person)]
        for person in chosen:
            people.reset_factor(person, by=_me(request))
        messages.info(request, gettext("The second factor of %(count)d people is reset.") % {"count": len(chosen)})


def _has_all(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """What a role may do is the code's own table (models/roles.py): nobody widens one that colleagues were confirmed in."""

    list_display = ("in_words",)
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).prefetch_related("permissions__content_type")

    @admin.display(description=_("Roles"), ordering="name")
    def in_words(self, role: Group) -> object:
        return ROLES.get(role.name, role.name)


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the front door let nobody else in"
    return request.user
