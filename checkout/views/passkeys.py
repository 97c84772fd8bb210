"""Passkeys of an account: made, listed and removed on one page; offered beside the password at sign-in.

The browser's part needs script; without it the buttons stay hidden and the password serves.
"""

import time

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from checkout.views.accounts import signed_in
from checkout.views.doors import SeeOther, limited, shopper
from payments.errors import PasskeyRefused
from payments.models import User
from payments.models.clock import database_now
from payments.services import passkeys, second_factor
from payments.views.private import private

logger = structlog.get_logger(__name__)
ADDING, ENTERING = "passkey_adding", "passkey_entering"
FRESH_S = 10 * 60  # a passkey is a lasting way in: it is only added shortly after a sign-in


@private
@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    person = shopper(request)
    known = person.passkeys.order_by("pk") if person else []
    return render(request, "checkout/passkeys.html", {
        "passkeys": known, "fresh": _is_fresh(request, person), "passkey_domain": passkeys.domain(),
        "must_prove": person is not None and _must_prove(request, person),
    })  # fmt: skip


@private
@login_required
@require_POST
def begin_adding(request: HttpRequest) -> HttpResponse:
    person = shopper(request)
    if person is None or not _is_fresh(request, person):
        return JsonResponse({"problem": _("Please sign in once more, then add the passkey.")}, status=403)
    try:
        options, request.session[ADDING] = passkeys.begin_adding(person)
    except PasskeyRefused:
        return JsonResponse({"problem": _("Ten passkeys are enough; remove one first.")}, status=409)
    return JsonResponse(options)


@private
@login_required
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    person, state = shopper(request), request.session.pop(ADDING, None)
    name = request.POST.get("name", "").strip() or _("Passkey")
    try:
        if person is None or state is None or not _is_fresh(request, person):
            raise PasskeyRefused("no ceremony was begun here")
        passkeys.finish_adding(person, state, passkeys.read(request.POST.get("credential", "")), name=name)
    except PasskeyRefused as refusal:
        logger.info("passkey_not_added", why=str(refusal))
        messages.warning(request, _("The passkey was not added. Please try once more."))
    else:
        messages.info(
            request, _("The passkey “%(name)s” is added. You can sign in with it from now on.") % {"name": name}
        )
    return SeeOther(reverse("checkout:passkeys"))


@private
@login_required
@require_POST
def remove(request: HttpRequest, passkey_id: int) -> HttpResponse:
    person = shopper(request)
    if person is not None and _must_prove(request, person):
        return SeeOther(f"{reverse('admin:second_factor')}?next={reverse('checkout:passkeys')}")
    if person is not None and passkeys.remove(person, passkey_id):
        messages.info(request, _("The passkey is removed. It no longer opens your account."))
    return SeeOther(reverse("checkout:passkeys"))


@private
@limited("passkey_begin", most=60, per_s=600)
@require_POST
def begin_sign_in(request: HttpRequest) -> HttpResponse:
    options, request.session[ENTERING] = passkeys.begin_sign_in()
    return JsonResponse(options)


@private
@limited("sign_in", most=20, per_s=600)
@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    state = request.session.pop(ENTERING, None)
    try:
        if state is None:
            raise PasskeyRefused("no ceremony was begun here")
        person = passkeys.finish_sign_in(state, passkeys.read(request.POST.get("credential", "")))
    except PasskeyRefused as refusal:
        logger.info("passkey_refused", why=str(refusal))
        messages.warning(
            request, _("This passkey did not open an account here. Please sign in with e-mail and password.")
        )
        return SeeOther(reverse("checkout:sign_in"))
    answer = signed_in(request, person)
    second_factor.mark_proved(request.session, database_now())  # it verified the person: both factors at once
    return answer


def _must_prove(request: HttpRequest, person: User) -> bool:
    """A passkey opens the staff pages too: there the present factor comes first, a password alone changes nothing."""
    return second_factor.must_prove_first(person, request.session, database_now())


def _is_fresh(request: HttpRequest, person: User | None) -> bool:
    if person is None or _must_prove(request, person):
        return False
    return time.time() - float(request.session.get("signed_in_at", 0)) < FRESH_S
