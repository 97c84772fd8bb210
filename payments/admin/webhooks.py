"""Webhooks: which of the shop's own systems are told, the secret shown once, what was delivered and what came of it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from payments.admin.columns import ReadOnlyAdmin
from payments.errors import LinkRefused
from payments.models import WebhookDelivery, WebhookEndpoint, WebhookKind, WebhookTry
from payments.services import webhooks
from payments.services.deliver_webhooks import body, check_address, message_id


class EndpointForm(forms.ModelForm[WebhookEndpoint]):
    url = forms.CharField(
        label=_("Address"), max_length=500, widget=forms.URLInput(attrs={"size": 60}),
        help_text=_("An https address on the open internet, for example https://shop.example/jiezhang."),
    )  # fmt: skip
    kinds = forms.MultipleChoiceField(
        label=_("Tells about"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=[each for each in WebhookKind.choices if each[0] != WebhookKind.TEST],
        help_text=_("Nothing chosen: everything."),
    )  # fmt: skip

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "kinds", "active")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        try:
            check_address(url)
        except LinkRefused as refusal:
            raise ValidationError(_("This address can't be told anything: %(why)s."), params={"why": refusal}) from None
        return url

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("active") and webhooks.is_full(beside=self.instance):
            words = _("%(most)d webhooks are told already: switch one off first.")
            raise ValidationError(words, params={"most": webhooks.MOST_ACTIVE})


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(admin.ModelAdmin[WebhookEndpoint]):
    form = EndpointForm
    list_display = ("url", "description", "active", "why_not", "last_sequence", "created_at")
    list_filter = ("active",)
    search_fields = ("url", "description")
    ordering = ("-pk",)
    actions = ("send_test",)
    change_form_template = "admin/payments/webhook.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what it was told stays; it is switched off instead

    def get_urls(self) -> list[URLPattern]:
        rotate = self.admin_site.admin_view(require_POST(self.rotate))
        return [path("<int:pk>/secret/", rotate, name="payments_webhookendpoint_rotate"), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        """Through the one door; a new one's secret travels to the page that shows it once."""
        wanted = {name: form.cleaned_data[name] for name in ("url", "kinds", "description")}
        if change:
            webhooks.change_endpoint(obj, **wanted, active=form.cleaned_data["active"], actor=_actor(request))
        else:
            made = webhooks.add_endpoint(**wanted, actor=_actor(request))
            obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: Any = None) -> HttpResponse:
        return self._secret(request, obj, str(obj.signing_secret))

    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new secret, shown on the answer to this press and never again."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        endpoint = get_object_or_404(WebhookEndpoint, pk=pk)
        return self._secret(request, endpoint, webhooks.rotate_secret(endpoint, actor=_actor(request)))

    def _secret(self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
        return TemplateResponse(request, "admin/payments/webhook_secret.html", {
            **self.admin_site.each_context(request), "title": gettext("Keep this secret"), "secret": secret,
            "endpoint": endpoint, "onward": reverse("admin:payments_webhookendpoint_change", args=[endpoint.pk]),
        })  # fmt: skip

    @admin.action(description=_("Send a test"), permissions=["change"])
    def send_test(self, request: HttpRequest, endpoints: QuerySet[WebhookEndpoint]) -> HttpResponse:
        for endpoint in endpoints:
            webhooks.send_test(endpoint, actor=_actor(request))
        self.message_user(request, gettext("A test is on its way; what comes of it stands here."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:payments_webhookdelivery_changelist"))


class TryInline(admin.TabularInline[WebhookTry, WebhookDelivery]):
    model = WebhookTry
    template = "admin/payments/_tries.html"
    fields = readonly_fields = ("at", "status", "took_ms", "error", "answer")
    extra, can_delete, ordering = 0, False, ("pk",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("payments.view_webhookdelivery")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "endpoint", "sequence", "state", "attempts", "last_answer", "next_try")
    list_filter = ("state", "event__kind", "endpoint", "created_at")
    search_fields = ("event__dedupe_key", "event__id")
    list_select_related = ("event", "endpoint")
    fields = (
        "endpoint", "kind", "message_id", "sequence", "sent", "state", "attempts", "replays", "next_try", "created_at",
        "delivered_at",
    )  # fmt: skip
    readonly_fields = ("kind", "message_id", "sent", "next_try")
    inlines = (TryInline,)
    actions = ("send_again",)

    def named(self, word: str) -> list[Q]:
        return [Q(event__dedupe_key=word)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return super().get_queryset(request).prefetch_related("tries")

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_webhookendpoint")

    @admin.display(description=_("what"), ordering="event__kind")
    def kind(self, delivery: WebhookDelivery) -> str:
        return str(WebhookKind(delivery.event.kind).label)

    @admin.display(description="webhook-id")
    def message_id(self, delivery: WebhookDelivery) -> str:
        return message_id(delivery)

    @admin.display(description=_("next try"), ordering="due_at")
    def next_try(self, delivery: WebhookDelivery) -> str:
        """Only where there will be one."""
        waits = delivery.state == WebhookDelivery.State.WAITING
        return str(display_for_value(delivery.due_at, "")) if waits else "—"

    @admin.display(description=_("last answer"))
    def last_answer(self, delivery: WebhookDelivery) -> str:
        tries = sorted(delivery.tries.all(), key=lambda each: each.pk)
        return str(tries[-1]) if tries else "—"

    @admin.display(description=_("what is sent"))
    def sent(self, delivery: WebhookDelivery) -> str:
        return body(delivery).decode()

    @admin.action(description=_("Send again, under the same id"), permissions=["again"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]) -> None:
        count = webhooks.send_again(deliveries, actor=_actor(request))
        self.message_user(request, gettext("%(count)d deliveries are on their way again.") % {"count": count})


def _actor(request: HttpRequest) -> str:
    return f"staff:{request.user.pk}"
