"""The buyer asks for money back: by line, with a reason, after a look at how much it is."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from checkout.refund_form import AskBackForm
from checkout.views.doors import SeeOther, knows, limited
from payments.errors import RefundRefused
from payments.models import Order, Refund, Transaction
from payments.queries.refundable import refundable
from payments.services.approve_refund import ask_as_buyer
from payments.views.private import private


@private
@limited("ask_back", most=20, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def ask_back(request: HttpRequest, token: str) -> HttpResponse:
    """First the lines and the reason, then the same once more with the sum; only the second press asks."""
    order = get_object_or_404(Order.objects.select_related("delivery", "paid_by"), token=token)
    here = reverse("checkout:order", args=[token])
    if not hasattr(order, "delivery") or not isinstance(order.paid_by, Transaction):
        raise Http404
    if not knows(request, order.delivery):
        messages.warning(
            request, _("Please show first that this order is yours: by the last digits of its mobile number.")
        )
        return SeeOther(here)
    part = refundable(order)
    by_hand = order.paid_by.scene in Transaction.BY_HAND
    if part is None or by_hand or not part.most.fen or not AskBackForm(part=part).lines:
        return render(request, "checkout/ask_back.html", {"order": order, "part": part, "by_hand": by_hand})
    form = AskBackForm(request.POST or None, part=part)
    seen = {"order": order, "part": part, "form": form, "by_hand": False}
    if not form.is_valid():
        return render(request, "checkout/ask_back.html", seen, status=400 if request.POST else 200)
    values = form.cleaned_data
    if "send" not in request.POST:
        return render(request, "checkout/ask_back.html", seen | {"total": values["total"]})
    try:
        ask_as_buyer(
            order.paid_by, values["total"], reason=Refund.Reason(values["reason"]), note=values["note"],
            lines=values["lines"],
        )  # fmt: skip
    except RefundRefused:
        messages.warning(
            request, _("Nothing was sent: what can come back has changed meanwhile. Please look once more.")
        )
        return SeeOther(request.path)
    messages.info(request, _("We have your request. You hear from us by mail, and it stands on this page."))
    return SeeOther(here)
