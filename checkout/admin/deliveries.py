"""Parcels and questions: who serves buyers sees where a parcel goes, sends it, and reads what was asked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from checkout.errors import MoneyGoesBack
from checkout.models import Delivery, Question
from checkout.services.send_delivery import confirm_arrival, goes_back, send_delivery
from payments.admin.columns import ReadOnlyAdmin

State = Delivery.State
NOT_SENT = _(
    "This parcel is not sent: all of its money is back, on its way back, or asked for. "
    "Where a refund is still waiting, a colleague can reject it first."
)


class SendForm(forms.Form):
    carrier = forms.CharField(
        label=_("carrier and number"), max_length=80, required=False, help_text=_("The buyer reads it.")
    )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("order", "state", "created_at", "sent_at", "delivered_at", "carrier")
    list_filter = ("state", "created_at")
    search_fields = ("order__number", "carrier")
    list_select_related = ("order",)
    ordering = ("-order_id",)
    fields = readonly_fields = (
        "order", "buyer", "name", "mobile", "region", "address", "note", "state", "created_at", "sent_at", "delivered_at",
        "carrier",
    )  # fmt: skip
    change_form_template = "admin/checkout/delivery/change_form.html"

    def named(self, word: str) -> list[Q]:
        return [Q(order__number=word)]

    def get_urls(self) -> list[URLPattern]:
        return [
            path("<int:order_id>/send/", self.admin_site.admin_view(self.send), name="checkout_delivery_send"),
            path("<int:order_id>/arrived/", self.admin_site.admin_view(self.arrived), name="checkout_delivery_arrived"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, object_id)
        state = delivery.state if delivery and request.user.has_perm("checkout.send_delivery") else ""
        held = delivery is not None and state == State.PREPARING and goes_back(delivery.order)
        if held:
            messages.warning(request, NOT_SENT)
        shown = {"may_send": state == State.PREPARING and not held, "may_confirm": state == State.SENT}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def send(self, request: HttpRequest, order_id: int) -> HttpResponse:
        _check(request, order_id)
        form = SendForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                sent = send_delivery(
                    order_id, carrier=form.cleaned_data["carrier"], actor=f"staff:{request.user.pk}"
                )  # fmt: skip
            except MoneyGoesBack:  # the parcel's page says why
                return HttpResponseRedirect(self._page(order_id))
            return self._done(request, order_id, sent)
        return self._step(request, order_id, form, gettext("Send it"), gettext("The buyer gets a mail at once."))

    def arrived(self, request: HttpRequest, order_id: int) -> HttpResponse:
        _check(request, order_id)
        if request.method == "POST":
            return self._done(request, order_id, confirm_arrival(order_id, actor=f"staff:{request.user.pk}"))
        effect = gettext("The order page says so from now on; no mail is sent.")
        return self._step(request, order_id, forms.Form(), gettext("It has arrived"), effect)

    def _step(self, request: HttpRequest, order_id: int, form: forms.Form, press: str, effect: str) -> HttpResponse:
        delivery = get_object_or_404(Delivery.objects.select_related("order"), pk=order_id)
        return TemplateResponse(request, "admin/one_step.html", {
            **self.admin_site.each_context(request), "title": press, "press": press, "effect": effect, "form": form,
            "record": delivery.order, "back": self._page(order_id),
        })  # fmt: skip

    def _done(self, request: HttpRequest, order_id: int, done: bool) -> HttpResponse:
        if done:
            messages.success(request, gettext("Done."))
        else:
            messages.error(request, gettext("Nothing was changed: its state is another one now."))
        return HttpResponseRedirect(self._page(order_id))

    def _page(self, order_id: int) -> str:
        return reverse("admin:checkout_delivery_change", args=[order_id])


def _check(request: HttpRequest, order_id: int) -> None:
    if not request.user.has_perm("checkout.send_delivery"):
        raise PermissionDenied
    get_object_or_404(Delivery, pk=order_id)


@admin.register(Question)
class QuestionAdmin(ReadOnlyAdmin):
    list_display = ("order", "asked_at")
    list_filter = ("asked_at",)
    search_fields = ("order__number",)
    list_select_related = ("order",)
    fields = readonly_fields = ("order", "asked_at", "text", "email")
