"""The staff pages' front door: signed in, staff, and a second factor proved in this session."""

from functools import update_wrapper
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from payments.drawing import draw_svg
from payments.errors import PasskeyRefused
from payments.models import User
from payments.models.clock import database_now
from payments.queries.waiting import Waiting, waiting
from payments.services import passkeys, second_factor
from payments.services.throttle import seconds_to_wait

TRIES, TRIES_PER_S = 6, 10 * 60
NEW_KEY, ASKED = "code_app_key", "passkey_confirming"
NAME = _("Jiezhang")


class StaffSite(AdminSite):
    site_header = site_title = NAME
    index_title = _("Staff pages")
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and second_factor.is_proved(request.session, database_now())

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """No form of its own: the shop's sign-in, which is throttled and knows passkeys, then the second factor."""
        onward = _onward(request)
        if not request.user.is_authenticated:
            return redirect_to_login(onward)
        if not (isinstance(request.user, User) and request.user.is_active and request.user.is_staff):
            raise PermissionDenied
        return _first(onward)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """First what needs somebody, each figure a link; then the lists."""
        now = database_now()
        figures = _figures(waiting(now))
        if request.user.has_perm("payments.change_user"):
            figures.append(_people_to_confirm())
        seen = {"at": now, "figures": figures, "any": any(each["count"] for each in figures)}
        return super().index(request, {**(extra_context or {}), "waiting": seen})

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            path("second-factor/", _for_staff(confirm), name="second_factor"),
            path("second-factor/passkey", _for_staff(begin_passkey), name="second_factor_passkey"),
            path("second-factor/enrol/", _for_staff(enrol), name="second_factor_enrol"),
            *super().get_urls(),
        ]


def _figures(seen: Waiting) -> list[dict[str, Any]]:
    lists = {name: reverse(f"admin:payments_{name}_changelist") for name in ("refund", "case", "transaction")}
    figures = [
        (
            seen.approvals,
            _("refunds wait for approval"),
            seen.approvals_fen,
            f"{lists['refund']}?state__exact=requested",
        ),
        (seen.overdue, _("cases are overdue"), seen.overdue_fen, f"{lists['case']}?work=overdue"),
        (seen.open_cases, _("cases are open"), 0, f"{lists['case']}?work=all"),
        (seen.doubtful, _("payments are in doubt"), seen.doubtful_fen, f"{lists['transaction']}?in_doubt__exact=1"),
    ]
    return [{"count": n, "words": words, "fen": fen, "address": at} for n, words, fen, at in figures]


def _people_to_confirm() -> dict[str, Any]:
    where = f"{reverse('admin:payments_user_changelist')}?to_confirm=yes"
    return {
        "count": User.objects.waiting().count(),
        "words": _("accounts wait to be confirmed"),
        "fen": 0,
        "address": where,
    }


def _for_staff(view: Any) -> Any:
    """For staff who are signed in, before their second factor is proved."""

    def answer(request: HttpRequest, *args: Any, **more: Any) -> HttpResponseBase:
        if not (isinstance(request.user, User) and request.user.is_active and request.user.is_staff):
            return redirect_to_login(request.get_full_path())
        found: HttpResponseBase = view(request, request.user, *args, **more)
        return found

    return never_cache(update_wrapper(answer, view))


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, user: User) -> HttpResponse:
    """The code of the app, a recovery code, or a passkey; then onward."""
    if not second_factor.is_enrolled(user):
        return _first(_onward(request), "admin:second_factor_enrol")
    problem, status, wait = "", 200, 0
    if request.method == "POST":
        wait = seconds_to_wait("second_factor", str(user.pk), most=TRIES, per_s=TRIES_PER_S)
        if not wait and _proves(request, user):
            return _proved(request, _onward(request))
        problem, status = ("wait", 429) if wait else ("wrong", 400)
    seen = {
        "problem": problem, "minutes": -(-wait // 60), "next": _onward(request), "passkey_domain": passkeys.domain(),
        "has_app": hasattr(user, "code_app"), "has_passkey": user.passkeys.exists(),
    }  # fmt: skip
    return _page(request, "admin/second_factor.html", seen, status)


@require_POST
def begin_passkey(request: HttpRequest, user: User) -> HttpResponse:
    options, request.session[ASKED] = passkeys.begin_sign_in()
    return JsonResponse(options)


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def enrol(request: HttpRequest, user: User) -> HttpResponse:
    """A code app for this person: the first by password alone, another only with the present factor freshly proved."""
    if second_factor.must_prove_first(user, request.session, database_now()):
        return _first(request.path)
    key, wrong = request.session.get(NEW_KEY) or second_factor.new_key(), False
    request.session[NEW_KEY] = key
    if request.method == "POST":
        codes = second_factor.enrol(user, key=key, code=request.POST.get("code", ""), now=database_now())
        if codes is not None:
            del request.session[NEW_KEY]
            _proved(request, _onward(request))
            return _page(request, "admin/recovery_codes.html", {"codes": codes, "next": _onward(request)})
        wrong = True
    return _page(request, "admin/second_factor_enrol.html", {
        "key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)), "wrong": wrong, "next": _onward(request),
        "qr_svg": draw_svg(second_factor.app_address(user, key)),
    }, 400 if wrong else 200)  # fmt: skip


def _page(request: HttpRequest, template: str, seen: dict[str, Any], status: int = 200) -> HttpResponse:
    """A page before the door, under the same name as those behind it."""
    named = {"title": _("Second factor"), "site_title": NAME, "site_header": NAME}
    return render(request, template, {**named, **seen}, status=status)


def _proves(request: HttpRequest, user: User) -> bool:
    credential = request.POST.get("credential")
    if credential:
        try:
            return passkeys.finish_sign_in(request.session.pop(ASKED, None) or {}, passkeys.read(credential)) == user
        except PasskeyRefused:
            return False
    return second_factor.check_code(user, request.POST.get("code", ""), now=database_now())


def _proved(request: HttpRequest, onward: str) -> HttpResponse:
    request.session.cycle_key()
    second_factor.mark_proved(request.session, database_now())
    return HttpResponseRedirect(onward)


def _first(onward: str, page: str = "admin:second_factor") -> HttpResponse:
    """To a page of the door, which leads on afterwards: a list's filters included."""
    return HttpResponseRedirect(f"{reverse(page)}?{urlencode({'next': onward}, safe='/')}")


def _onward(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if safe else reverse("admin:index")
