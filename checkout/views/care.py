"""What a buyer may want beside paying: a person's answer, word when goods are back, a password for next time."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from checkout.forms import AskForm, TellMeForm
from checkout.models import Variant
from checkout.services import accounts, stock_alerts
from checkout.services.ask_us import ask_us
from checkout.views.doors import SeeOther, limited
from payments.models import Order
from payments.templatetags.words import clock
from payments.views.private import private


@private
@limited("ask", most=5, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, token: str) -> HttpResponse:
    """ "Ask us" about an order: it becomes a case with an owner and a time by which somebody answers."""
    order = get_object_or_404(Order, token=token)
    form = AskForm(request.POST or None, needs_email=not order.contact_email)
    if form.is_valid():
        case = ask_us(order, text=form.cleaned_data["text"], email=form.cleaned_data.get("email", ""))
        messages.success(
            request, _("We have your question; a colleague answers by {by}.").format(by=clock(case.due_at))
        )
        return SeeOther(reverse("checkout:order", args=[token]))
    return render(request, "checkout/ask.html", {"form": form, "order": order}, status=400 if form.errors else 200)


@limited("tell_me", most=10, per_s=600)
@require_POST
def tell_me(request: HttpRequest, sku: str) -> HttpResponse:
    """ "Tell me when back", with consent; the answer is the same for an address we knew already."""
    variant = get_object_or_404(
        Variant.objects.select_related("product"), sku=sku, is_listed=True, product__is_listed=True
    )
    form = TellMeForm(request.POST)
    if form.is_valid():
        stock_alerts.want(variant, email=form.cleaned_data["email"], language=get_language() or "zh-hans")
        messages.info(request, _("We write to you once when {title} is back.").format(title=variant.title))
    else:
        for each in form.errors.values():
            messages.error(request, str(each[0]))
    return SeeOther(f"{variant.product.get_absolute_url()}?kind={variant.sku}")


@private
@limited("join", most=5, per_s=600)
@require_POST
def account(request: HttpRequest, token: str) -> HttpResponse:
    """ "Set a password for next time": a mail to the order's own address, for an account that has this order."""
    order = get_object_or_404(Order, token=token)
    if order.contact_email:
        accounts.send_ticket(order.contact_email.lower(), order_id=order.pk)
    return SeeOther(reverse("checkout:mailed"))
