"""Accounts: e-mail and password. One mail makes the account or opens it again, so that no page tells who has one."""

import time

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from checkout.account_forms import EmailForm, PasswordForm, SignInForm
from checkout.services import accounts
from checkout.services.carts import find_cart, merge
from checkout.views.doors import COOKIE, SeeOther, limited, too_often
from payments.models import User
from payments.services import passkeys
from payments.services.throttle import seconds_to_wait
from payments.views.private import private

BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@sensitive_post_parameters("password")
@limited("sign_in", most=20, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    form = SignInForm(request.POST or None)
    if form.is_valid():
        email = form.cleaned_data["email"]
        wait = seconds_to_wait("sign_in_as", email, most=10, per_s=600)
        if wait:
            return too_often(request, wait)
        user = authenticate(request, username=email, password=form.cleaned_data["password"])
        if isinstance(user, User):
            return signed_in(request, user)
        form.refuse()
    status = 400 if form.errors else 200
    seen = {"form": form, "next": _onward(request), "passkey_domain": passkeys.domain()}
    return render(request, "checkout/sign_in.html", seen, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return SeeOther(reverse("checkout:catalogue"))


@never_cache
@limited("join", most=5, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    return _by_mail(request, "checkout/join.html")


@never_cache
@limited("join", most=5, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    return _by_mail(request, "checkout/forgotten.html")


@never_cache
@require_safe
def mailed(request: HttpRequest) -> HttpResponse:
    """ "We have sent you a mail": the same words whether or not there is an account."""
    return render(request, "checkout/mailed.html")


@private
@sensitive_post_parameters("password")
@limited("password", most=20, per_s=600)
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest, ticket: str) -> HttpResponse:
    """The link of that mail: set a password, once."""
    email = accounts.email_of(ticket)
    if email is None:
        return render(request, "checkout/ticket_over.html", status=410)
    form = PasswordForm(request.POST or None, email=email)
    if form.is_valid():
        user = accounts.set_password(ticket, form.cleaned_data["password"])
        if user is None:
            return render(request, "checkout/ticket_over.html", status=410)
        return signed_in(request, user)
    return render(request, "checkout/password.html", {"form": form}, status=400 if form.errors else 200)


def _by_mail(request: HttpRequest, template: str) -> HttpResponse:
    form = EmailForm(request.POST or None)
    if form.is_valid():
        accounts.send_ticket(form.cleaned_data["email"])
        return SeeOther(reverse("checkout:mailed"))
    return render(request, template, {"form": form}, status=400 if form.errors else 200)


def signed_in(request: HttpRequest, user: User) -> HttpResponse:
    """This browser is this person's from here on; the guest's cart comes along."""
    guest, onward = find_cart(request.COOKIES.get(COOKIE), None), _onward(request)
    login(request, user, backend=BACKEND)
    request.session["signed_in_at"] = time.time()
    merge(guest, user)
    response = SeeOther(onward)
    response.delete_cookie(COOKIE)
    return response


def _onward(request: HttpRequest) -> str:
    """Where the shopper was going; only ever a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return reverse("checkout:history")
