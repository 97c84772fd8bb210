"""Cash at the counter and bank transfers: staff record that the money of an order has reached the merchant."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.errors import NotPayable
from payments.models import Order, Transaction
from payments.services.record_payment import record_payment

Scene = Transaction.Scene


class RecordForm(forms.Form):
    way = forms.ChoiceField(
        label=_("way to pay"),
        choices=[(each.value, each.label) for each in (Scene.CASH, Scene.BANK)],
        widget=forms.RadioSelect,
    )
    reference = forms.CharField(
        label=_("slip or transfer number"),
        max_length=60,
        help_text=_("What proves it; kept with the payment for ever."),
    )


def may_record(request: HttpRequest, order: Order) -> bool:
    waits = order.state == Order.State.AWAITING_PAYMENT and order.total_fen > 0
    return waits and request.user.has_perm("payments.record_payment")


def record(request: HttpRequest, order_id: int) -> HttpResponse:
    """One page: the sum, the way, what proves it. Whether the order still takes it is for `record_payment` to say."""
    if not request.user.has_perm("payments.record_payment"):
        raise PermissionDenied
    order = get_object_or_404(Order, pk=order_id)
    form, back = RecordForm(request.POST or None), reverse("admin:payments_order_change", args=[order_id])
    if form.is_valid():
        try:
            record_payment(
                order, way=Scene(form.cleaned_data["way"]), reference=form.cleaned_data["reference"],
                actor=f"staff:{request.user.pk}",
            )  # fmt: skip
        except NotPayable as refusal:
            messages.error(request, gettext("Nothing was recorded: {why}.").format(why=refusal))
        else:
            messages.success(request, gettext("{amount} recorded; the order is paid.").format(amount=order.total))
        return HttpResponseRedirect(back)
    return TemplateResponse(request, "admin/one_step.html", {
        **admin.site.each_context(request), "title": gettext("Record cash or a bank transfer"), "form": form, "record": order,
        "back": back, "press": gettext("Record {amount}").format(amount=order.total),
        "effect": gettext("The order is paid in full by this; codes of Alipay that are still open end first."),
    })  # fmt: skip
