"""Refunds as staff see them: what waits for a second person, how far each is, and the decision."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin.columns import ReadOnlyAdmin, amount, flag, of_payment, person
from payments.admin.forms import DecisionForm, check_offered
from payments.errors import NotAllowed, NotWaiting, SamePerson, StaleFactor
from payments.models import AuditEvent, Refund, User
from payments.models.clock import database_now
from payments.queries.people import names
from payments.queries.refundable import refundable
from payments.services.approve_refund import actor, approve, reject

ENDED_EMPTY = (Refund.State.FAILED, Refund.State.REJECTED, Refund.State.LAPSED)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at", amount("amount_fen", _("amount")), "state", flag("in_doubt", _("in doubt")), "origin",
        person("requester", _("requested by")),
        person("approver", _("approved by")), "lapses_at", "ended_at", "out_request_no", "transaction",
    )  # fmt: skip
    list_filter = ("state", "origin", "reason_code", "in_doubt", "created_at")
    search_fields = ("out_request_no", "other_no", "transaction__out_trade_no", "transaction__trade_no")
    list_select_related = ("transaction",)
    actors = ("requester", "approver")

    def named(self, word: str) -> list[Q]:
        own = [
            Q(out_request_no=word) & ~Q(origin=Refund.Origin.EXTERNAL),
            Q(other_no=word) & ~Q(other_no=""),
        ]
        return [*own, *of_payment(word, "transaction__")]

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        return [path("<int:pk>/decide/", decide, name="payments_refund_decide"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET" or not object_id.isdecimal():
            return super().change_view(request, object_id, form_url, extra_context)
        refund = _found(int(object_id))
        if not self.has_view_permission(request, refund):
            raise PermissionDenied
        return self._page(request, refund)

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A second person says yes or no. Every refusal says why, and what to do."""
        refund, user = _found(pk), request.user
        here = HttpResponseRedirect(reverse("admin:payments_refund_change", args=[pk]))
        assert isinstance(user, User), "the front door let nobody else in"
        if request.method != "POST":
            return here
        check_offered(request, "approve", "reject", "why")
        form = DecisionForm(request.POST)
        if "reject" in request.POST and not form.is_valid():
            return self._page(request, refund, form=form, status=400)
        try:
            if "reject" in request.POST:
                reject(refund, person=user, why=form.cleaned_data["why"])
                messages.success(request, gettext("The refund is not agreed; its amount is free again."))
            else:
                approve(refund, person=user, session=request.session)
                messages.success(request, gettext("Approved. The refund leaves for Alipay within seconds."))
        except StaleFactor:
            messages.warning(request, gettext("Please prove your second factor once more, then approve."))
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?next={here['Location']}")
        except NotAllowed as refused:
            raise PermissionDenied from refused
        except SamePerson:
            messages.error(request, gettext("Who asks for a refund can't approve it: another colleague must."))
        except NotWaiting:
            messages.error(request, gettext("It is decided already, or has lapsed; nothing was changed."))
        return here

    def _page(self, request: HttpRequest, refund: Refund, *, form: Any = None, status: int = 200) -> HttpResponse:
        order, user, steps = refund.transaction.order, request.user, list(AuditEvent.objects.about(refund))
        may_decide = isinstance(user, User) and user.has_perm("payments.approve_refund")
        return render(request, "admin/payments/refund.html", {
            **self.admin_site.each_context(request), "opts": self.opts, "title": refund.out_request_no, "refund": refund,
            "order": order, "part": refundable(order) if order else None, "form": form or DecisionForm(),
            "is_own": refund.requester == actor(user) if isinstance(user, User) else False,
            "counts": refund.state in (*Refund.RESERVING, Refund.State.SUCCEEDED),
            "anew": order is not None and refund.state in ENDED_EMPTY and user.has_perm("payments.request_refund"),
            "may_decide": may_decide, "waits": refund.state == Refund.State.REQUESTED, "now": database_now(),
            "steps": steps, "people": names([refund.requester, refund.approver, *(step.actor for step in steps)]),
        }, status=status)  # fmt: skip


def _found(pk: int) -> Refund:
    return get_object_or_404(Refund.objects.select_related("transaction__order__paid_by", "batch_item__batch"), pk=pk)
