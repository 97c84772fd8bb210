"""Programs that use the API: which there are, what they may do, and their keys. A key's text is shown once, when it is made."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin.columns import ReadOnlyAdmin
from payments.models import ApiClient, ApiKey, AuditEvent, User
from payments.models.api_client import Scope
from payments.models.clock import database_now
from payments.queries.people import names
from payments.services import second_factor
from payments.services.api_keys import add_client, change_client, revoke, rotate

OVERLAPS = [(0, _("at once")), (1, _("in an hour")), (24, _("in a day")), (7 * 24, _("in a week"))]


class WhatForm(forms.Form):
    """What a program may do, and from where."""

    scopes = forms.MultipleChoiceField(label=_("may"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple)
    addresses = forms.CharField(
        label=_("only from"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Addresses or networks such as 203.0.113.0/24, one on each line; empty: from anywhere."),
    )  # fmt: skip

    def clean_addresses(self) -> list[str]:
        try:
            return [str(ip_network(each, strict=False)) for each in self.cleaned_data["addresses"].split()]
        except ValueError:
            raise ValidationError(_("Write addresses or networks such as 203.0.113.0/24, one on each line.")) from None


class NewForm(WhatForm):
    name = forms.CharField(label=_("name"), max_length=60, help_text=_("Which shop or program it is."))
    field_order = ("name", "scopes", "addresses")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if ApiClient.objects.filter(name=name).exists():
            raise ValidationError(_("There is a program of this name already."))
        return name


class RotateForm(forms.Form):
    hours = forms.TypedChoiceField(label=_("present keys end"), choices=OVERLAPS, coerce=int, initial=24)


@admin.register(ApiClient)
class ApiClientAdmin(ReadOnlyAdmin):
    list_display = ("name", "created_at")
    search_fields = ("name", "keys__name")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("payments.manage_api")

    def get_urls(self) -> list[URLPattern]:
        views = {"change-scopes": self.rescope, "rotate": self.rotate}
        own = [path(f"<int:pk>/{at}/", self.admin_site.admin_view(view), name=f"payments_apiclient_{at.replace('-', '_')}")
               for at, view in views.items()]  # fmt: skip
        ending = path("key/<int:pk>/revoke/", self.admin_site.admin_view(self.revoke), name="payments_apikey_revoke")
        return [*own, ending, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        client = get_object_or_404(ApiClient, pk=int(object_id) if object_id.isdecimal() else 0)
        if not self.has_view_permission(request, client):
            raise PermissionDenied
        now, steps = database_now(), list(AuditEvent.objects.about(client))
        return render(request, "admin/payments/api_client.html", {
            **self.admin_site.each_context(request), "opts": self.opts, "title": client.name, "client": client, "now": now,
            "may": [Scope(each).label for each in client.scopes], "may_manage": self.has_add_permission(request),
            "keys": client.keys.select_related("made_by").order_by("-pk"), "in_force": set(client.keys.in_force(now)),
            "steps": steps, "people": names(step.actor for step in steps),
        })  # fmt: skip

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A program with its first key."""
        person = self._allowed(request)
        if isinstance(person, HttpResponse):
            return person
        form = NewForm(request.POST or None)
        if not form.is_valid():
            effect = gettext("It gets a key, which is shown once.")
            return self._step(request, form, gettext("Connect a program"), effect, press=gettext("Make its key"))
        client, text = add_client(
            form.cleaned_data["name"], scopes=form.cleaned_data["scopes"], addresses=form.cleaned_data["addresses"],
            person=person,
        )  # fmt: skip
        return self._shown(request, client, text)

    def rescope(self, request: HttpRequest, pk: int) -> HttpResponse:
        person, client = self._allowed(request), get_object_or_404(ApiClient, pk=pk)
        if isinstance(person, HttpResponse):
            return person
        before = {"scopes": client.scopes, "addresses": "\n".join(client.addresses)}
        form = WhatForm(request.POST or None, initial=before)
        if not form.is_valid():
            effect = gettext("Holds for all its keys, from the next request on.")
            return self._step(
                request, form, gettext("Change what it may do"), effect, press=gettext("Change"), client=client
            )
        change_client(
            client, scopes=form.cleaned_data["scopes"], addresses=form.cleaned_data["addresses"], person=person
        )
        messages.success(request, gettext("Changed."))
        return HttpResponseRedirect(_page_of(client))

    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new key beside those in use, which end later: so no request is lost on the way."""
        person, client = self._allowed(request), get_object_or_404(ApiClient, pk=pk)
        if isinstance(person, HttpResponse):
            return person
        form = RotateForm(request.POST or None)
        if not form.is_valid():
            effect = gettext("The new key is shown once. Put it in place before the present ones end.")
            return self._step(request, form, gettext("New key"), effect, press=gettext("Make a new key"), client=client)
        overlap = timedelta(hours=form.cleaned_data["hours"])
        return self._shown(request, client, rotate(client, person=person, overlap=overlap))

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        person = self._allowed(request)
        if isinstance(person, HttpResponse):
            return person
        key = get_object_or_404(ApiKey.objects.select_related("client"), pk=pk)
        if request.method == "POST" and revoke(key, person=person):
            messages.success(request, gettext("The key {key} works no more.").format(key=key.name))
        return HttpResponseRedirect(_page_of(key.client))

    def _allowed(self, request: HttpRequest) -> User | HttpResponse:
        """Who may make keys and proved the second factor minutes ago; else the way there."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        assert isinstance(request.user, User), "the front door let nobody else in"
        if second_factor.is_fresh(request.session, database_now()):
            return request.user
        messages.warning(request, gettext("Please prove your second factor once more."))
        onward = request.path if request.method == "GET" else reverse("admin:payments_apiclient_changelist")
        return HttpResponseRedirect(f"{reverse('admin:second_factor')}?next={onward}")

    def _step(
        self, request: HttpRequest, form: forms.Form, title: str, effect: str, *, press: str, client: Any = None
    ) -> HttpResponse:
        back = _page_of(client) if client else reverse("admin:payments_apiclient_changelist")
        return TemplateResponse(request, "admin/one_step.html", {
            **self.admin_site.each_context(request), "title": title, "form": form, "record": client or self.opts.verbose_name,
            "back": back, "press": press, "effect": effect,
        }, status=400 if form.errors else 200)  # fmt: skip

    def _shown(self, request: HttpRequest, client: ApiClient, text: str) -> HttpResponse:
        return render(request, "admin/payments/api_key_made.html", {
            **self.admin_site.each_context(request), "opts": self.opts, "title": client.name, "text": text, "client": client,
        })  # fmt: skip


def _page_of(client: ApiClient) -> str:
    return reverse("admin:payments_apiclient_change", args=[client.pk])
