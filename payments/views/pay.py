"""The paying page of one order, opened by its token from any browser, at any time."""

from typing import Any

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from payments.drawing import draw_png, draw_svg
from payments.errors import OrderRefused
from payments.models import Order, Transaction
from payments.queries.paying import Paying, PayState
from payments.services.attempt_requests import pay_address
from payments.services.check_payment import check_payment
from payments.services.extend_order import extend_order
from payments.services.start_payment import start_payment
from payments.services.watch import watch
from payments.views.browsers import App, app_of, is_elsewhere, note_start
from payments.views.private import private

logger = structlog.get_logger(__name__)


class SeeOther(HttpResponseRedirect):
    """A repeat of the request by reload or back is a GET."""

    status_code = 303


@private
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    """The page as of now, code included; script only keeps it fresh."""
    seen = _seen(token)
    return render(request, "payments/pay.html", _shown(request, seen))


@private
@require_GET
def state(request: HttpRequest, token: str) -> HttpResponse:
    """The state block alone, for the page to swap in."""
    seen = _seen(token)
    response = render(request, "payments/_state.html", _shown(request, seen))
    response["X-Version"] = seen.version
    return response


@never_cache
@require_GET
def status(_request: HttpRequest, token: str) -> HttpResponse:
    """Whether the page must change: version and state, seconds left, when to ask again, and the shop's time. Under 200 bytes."""
    seen = watch(token)
    if seen is None:
        return JsonResponse({"state": "unknown", "next": 0}, status=404)
    told = {"version": seen.version, "state": seen.state, "left": seen.seconds_left, "next": seen.next_ms}
    return JsonResponse({**told, "at": f"{timezone.localtime(seen.now):%H:%M}"})


@private
@require_POST
def check(_request: HttpRequest, token: str) -> HttpResponse:
    """ "I have paid": one question to Alipay, then the page with what it said."""
    if check_payment(token) is None:
        raise Http404
    return _back(token)


@private
@require_POST
def start(request: HttpRequest, token: str, scene: str) -> HttpResponse:
    """Pay in this way: Alipay's page at once, in the same tab, or our page with its code.

    Where no way may be offered now, the page says why.
    """
    seen = _seen(token)
    order = Order.objects.get(pk=seen.order_id)
    try:
        attempt = start_payment(
            order, scene=Transaction.Scene(scene), actor="buyer", fresh=bool(request.POST.get("fresh"))
        )
    except OrderRefused as refusal:
        logger.info("attempt_refused", order=order.number, why=str(refusal))
        return _back(token)
    if attempt.scene == scene != Transaction.Scene.QR and attempt.state == Transaction.State.PRESENTED:
        note_start(request, order.pk)
        return SeeOther(pay_address(attempt))
    return _back(token)


@private
@require_POST
def keep(_request: HttpRequest, token: str) -> HttpResponse:
    """ "Need more time?": some minutes more, and a code that lives as long; the page says which."""
    seen = _seen(token)
    extend_order(Order.objects.get(pk=seen.order_id), actor="buyer")
    return _back(token)


@private
@require_GET
def picture(_request: HttpRequest, token: str) -> HttpResponse:
    """The code as a picture to save, for people who pay from the same phone."""
    seen = _seen(token)
    if not _shows_code(seen):
        raise Http404
    response = HttpResponse(draw_png(seen.qr_code or ""), content_type="image/png")
    response["Content-Disposition"] = f'attachment; filename="pay-{seen.number_tail}.png"'
    return response


def _seen(token: str) -> Paying:
    seen = watch(token)
    if seen is None:
        raise Http404
    return seen


def _shows_code(seen: Paying) -> bool:
    return bool(seen.qr_code) and seen.state in (PayState.WAITING, PayState.NOT_SEEN)


def _shown(request: HttpRequest, seen: Paying) -> dict[str, Any]:
    app = app_of(request)
    drawn = _shows_code(seen) and app is not App.ALIPAY  # who reads us inside Alipay has nothing to scan it with
    return {
        "paying": seen,
        "state": seen.state,
        "order": Order.objects.get(pk=seen.order_id),
        "qr_svg": draw_svg(seen.qr_code or "") if drawn else "",
        "app": app,
        "elsewhere": is_elsewhere(request),
        "link": settings.SITE_URL + reverse("payments:pay", args=[seen.token]),
    }


def _back(token: str) -> HttpResponse:
    """The page again, at the heading that says what has become of the buyer's own action."""
    return SeeOther(reverse("payments:pay", args=[token]) + "#now")
