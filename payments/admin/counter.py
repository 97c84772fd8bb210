"""The counter: staff charge the payment code a buyer shows, see what became of it, and what their till took today."""

import unicodedata
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from payments.admin.forms import YuanField
from payments.alipay.requests import is_payment_code
from payments.errors import KeyReused, NotPayable, OrderRefused, TillBusy, TooLittleTime
from payments.models import Order, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.till import Charge, ChargeState, charge, till
from payments.services.charge_barcode import Counter, Sale, charge_barcode
from payments.services.close import set_aside

PART = "X-Part"  # sent by the page's script, which wants the block alone
BUSY = _("The last charge is still open, so nothing was charged now. Wait until it has ended, or set it aside.")
REFUSED: tuple[tuple[type[OrderRefused], Any], ...] = (
    (TillBusy, BUSY),
    (NotPayable, _("Nothing was charged: this order is paid, over, or being paid another way just now.")),
    (TooLittleTime, _("Nothing was charged: too little time is left on this order. Please make a new sale.")),
    (KeyReused, _("Nothing was charged: this page was used for another sale already. Please enter it again.")),
    (OrderRefused, _("Nothing was charged: Alipay takes ¥0.01 to ¥100,000,000, through an account that is connected.")),
)
View = Callable[..., HttpResponse]


class CodeForm(forms.Form):
    """The buyer's code, for an order whose amount is known. The code is never written back into a page."""

    auth_code = forms.CharField(label=_("payment code"), max_length=60)
    key = forms.CharField(max_length=64)

    def clean_auth_code(self) -> str:
        """Scanners and input methods add spaces or write full-width digits."""
        code = "".join(unicodedata.normalize("NFKC", self.cleaned_data["auth_code"]).split())
        if not is_payment_code(code):
            raise ValidationError(
                _("This is no payment code of Alipay's: 16 to 24 digits that begin with 25 to 30. Please scan again.")
            )
        return code


class SaleForm(CodeForm):
    amount = YuanField(label=_("amount (yuan)"))
    title = forms.CharField(label=_("what for"), max_length=100, required=False)

    def clean_amount(self) -> Money:
        amount: Money = self.cleaned_data["amount"]
        if amount.fen < 1:
            raise ValidationError(_("Nothing can be charged below ¥0.01."))
        return amount

    def clean_title(self) -> str:
        return str(self.cleaned_data["title"]).strip() or gettext("Counter sale")


def urls() -> list[URLPattern]:
    guarded = admin.site.admin_view
    return [
        path("counter/", guarded(page), name="payments_counter"),
        path("counter/<int:pk>/status", guarded(status), name="payments_counter_status"),
        path("counter/<int:pk>/end", guarded(end), name="payments_counter_end"),
        path("counter/<int:pk>/aside", guarded(aside), name="payments_counter_aside"),
    ]


def may_charge(request: HttpRequest) -> bool:
    return request.user.has_perm("payments.charge_counter")


def _for_cashiers(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **more: Any) -> HttpResponse:
        if not may_charge(request):
            raise PermissionDenied
        return view(request, *args, **more)

    return never_cache(answer)


@sensitive_post_parameters("auth_code")
@_for_cashiers
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """One sale after the other: the charge at hand, the next one's form, and the till."""
    cashier = _cashier(request)
    if request.method == "POST":
        return _charge(request, cashier)
    order, unknown = _order(request.GET.get("order", ""))
    return _shown(request, cashier, order=order, problem=unknown)


@_for_cashiers
@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether the page must change; has Alipay asked again while somebody looks."""
    seen = charge(_cashier(request).pk, pk)
    if seen is None:
        raise Http404
    if seen.is_open and seen.state is not ChargeState.ASKING:  # the call's own answer comes first
        Transaction.objects.check_by(pk, when=seen.ask_at)
    return JsonResponse({"version": seen.version, "left": seen.seconds_left})


@_for_cashiers
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """The cashier doesn't want to wait: a worker asks once more, and cancels what is open."""
    if charge(_cashier(request).pk, pk) is not None:
        Transaction.objects.end_by(pk, when=database_now())
    return _back(pk)


@_for_cashiers
@require_POST
def aside(request: HttpRequest, pk: int) -> HttpResponse:
    """A doubtful charge leaves the till; it stays watched, and stands among today's sales."""
    seen = charge(_cashier(request).pk, pk)
    if seen is not None and seen.state is ChargeState.DOUBT:
        set_aside(seen.attempt, actor=f"staff:{request.user.pk}")
    return HttpResponseRedirect(reverse("admin:payments_counter"))


def _charge(request: HttpRequest, cashier: User) -> HttpResponse:
    order, unknown = _order(request.POST.get("order", ""))
    form = CodeForm(request.POST) if order else SaleForm(request.POST)
    if unknown or not form.is_valid():
        problem = unknown or (str(BUSY) if Transaction.objects.open_charge(cashier.pk) else "")
        return _shown(request, cashier, order=order, form=form, problem=problem, answer=400)
    said = form.cleaned_data
    what = order or Sale(said["amount"], said["title"], get_language() or "zh-hans")
    try:
        attempt = charge_barcode(what, auth_code=said["auth_code"], counter=Counter.of(cashier), key=said["key"])
    except OrderRefused as refused:
        problem = next(str(words) for kind, words in REFUSED if isinstance(refused, kind))
        return _shown(request, cashier, order=order, form=form, problem=problem, answer=409)
    return _back(attempt.pk)


def _shown(
    request: HttpRequest,
    cashier: User,
    *,
    order: Order | None,
    form: CodeForm | None = None,
    problem: str = "",
    answer: int = 200,
) -> HttpResponse:
    at_hand = _at_hand(request, cashier, has_form=form is not None)
    if order is None and form is None and at_hand is not None and at_hand.may_charge_again:
        order = at_hand.attempt.order
    template = "admin/_counter.html" if request.headers.get(PART) else "admin/counter.html"
    return render(request, template, {
        **admin.site.each_context(request), "title": gettext("Counter"), "charge": at_hand, "order": order, "form": form,
        "problem": problem, "till": till(cashier.pk), "key": uuid.uuid4().hex,
    }, status=answer)  # fmt: skip


def _at_hand(request: HttpRequest, cashier: User, *, has_form: bool) -> Charge | None:
    """The charge that is open; else the one this page was led to."""
    still_open = Transaction.objects.open_charge(cashier.pk)
    if still_open is not None:
        return charge(cashier.pk, still_open.pk)
    wanted = request.GET.get("charge", "")
    return charge(cashier.pk, int(wanted)) if wanted.isascii() and wanted.isdigit() and not has_form else None


def _order(number: str) -> tuple[Order | None, str]:
    """The order with this number, typed in groups or not; and what is wrong with the number."""
    digits = "".join(number.split())
    if not digits:
        return None, ""
    found = Order.objects.filter(number=digits[:32]).select_related("account").first()
    return found, "" if found else gettext("There is no order {number}.").format(number=digits[:32])


def _cashier(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the front door let nobody else in"
    return request.user


def _back(pk: int) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('admin:payments_counter')}?charge={pk}", status=303)
