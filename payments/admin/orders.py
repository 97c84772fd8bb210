"""An order as staff see it: its state in one sentence, its whole story, and what can be done about it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin import by_hand, counter
from payments.admin.batch_forms import PlanForm
from payments.admin.batches import may_plan, plan_page
from payments.admin.columns import ReadOnlyAdmin, amount, of_payment
from payments.admin.forms import RefundForm, check_offered
from payments.errors import FirstInDoubt, RefundableMoved, RefundRefused
from payments.models import Order, Refund, RefundBatch, Transaction, User
from payments.money import Money
from payments.queries.order_story import story
from payments.queries.refundable import refundable
from payments.services import ask
from payments.services.approve_refund import ask_as_staff
from payments.services.plan_batch import MOST


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("number", "title", amount("total_fen", _("total")), "state", "created_at", "expires_at", "paid_at")
    list_filter = ("state", "created_at")
    search_fields = ("number", "title", "transactions__out_trade_no", "transactions__trade_no")
    actions = ("refund_marked",)

    def named(self, word: str) -> list[Q]:
        return [Q(number=word), *of_payment(word, "transactions__")]

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/refund/", self.admin_site.admin_view(self.refund), name="payments_order_refund"),
            path("<int:order_id>/record/", self.admin_site.admin_view(by_hand.record), name="payments_order_record"),
            path("<int:pk>/ask/", self.admin_site.admin_view(self.ask), name="payments_order_ask"),
        ]
        return [*own, *counter.urls(), *super().get_urls()]

    def has_bulk_refund_permission(self, request: HttpRequest) -> bool:
        return may_plan(request)

    @admin.action(
        description=_("Refund the marked orders: first a look at what would go back"), permissions=["bulk_refund"]
    )
    def refund_marked(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        """To the form of a bulk refund, with these orders."""
        ids = list(orders.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
        if len(ids) > MOST:
            messages.error(request, gettext("More than {most} orders: mark fewer.").format(most=MOST))
            return None
        marked = {"orders": ",".join(map(str, ids)), "scope": RefundBatch.Scope.WHOLE}
        return plan_page(request, PlanForm(initial=marked))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET" or not object_id.isdecimal():
            return super().change_view(request, object_id, form_url, extra_context)
        order = get_object_or_404(Order.objects.select_related("paid_by"), pk=object_id)
        if not self.has_view_permission(request, order):
            raise PermissionDenied
        return render(request, "admin/payments/order.html", self._context(request, order) | {
            "story": story(order), "lines": order.lines.order_by("position"),
            "may_refund": _may(request, "request_refund"), "may_ask": _may(request, "ask_alipay"),
            "may_record": by_hand.may_record(request, order),
            "may_charge": counter.may_charge(request) and order.state == Order.State.AWAITING_PAYMENT,
        })  # fmt: skip

    def refund(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a refund: by line, with a reason; where what is refundable moved meanwhile, both figures and once more."""
        if not _may(request, "request_refund"):
            raise PermissionDenied
        order = get_object_or_404(Order.objects.select_related("paid_by"), pk=pk)
        part = refundable(order)
        if part is None or not part.most.fen:
            return self._refund_page(request, order, part=part)
        form = RefundForm(request.POST or None, part=part, initial={"seen_fen": part.most.fen})
        check_offered(request, *form.fields)
        if not form.is_valid():
            return self._refund_page(request, order, part=part, form=form, status=400 if request.POST else 200)
        assert isinstance(order.paid_by, Transaction), "something refundable was paid"
        assert isinstance(request.user, User), "the front door let nobody else in"
        values = form.cleaned_data
        try:
            asked = ask_as_staff(
                order.paid_by, values["total"], person=request.user, reason=Refund.Reason(values["reason_code"]),
                note=values["note"], lines=values["lines"], seen_refundable=Money(values["seen_fen"]),
            )  # fmt: skip
        except RefundableMoved as moved:
            fresh = RefundForm(
                part=refundable(order) or part, initial={**request.POST.dict(), "seen_fen": moved.now_fen}
            )
            seen = {"was": Money(values["seen_fen"]), "now": Money(moved.now_fen)}
            return self._refund_page(request, order, part=fresh.part, form=fresh, moved=seen, status=409)
        except FirstInDoubt:
            form.add_error(
                None, gettext("An earlier refund of this payment has no certain answer yet; it is being checked.")
            )
            return self._refund_page(request, order, part=part, form=form, status=400)
        except RefundRefused as refused:
            form.add_error(None, str(refused))
            return self._refund_page(request, order, part=part, form=form, status=400)
        messages.success(request, _said(asked))
        return HttpResponseRedirect(reverse("admin:payments_refund_change", args=[asked.pk]))

    def ask(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have Alipay asked now about every attempt that is not settled; say what was and what is."""
        if not _may(request, "ask_alipay"):
            raise PermissionDenied
        order = get_object_or_404(Order, pk=pk)
        if request.method == "POST":
            attempts = Transaction.objects.unsettled().filter(order=order).select_related("account")
            before = {each.pk: each.get_state_display() for each in attempts}
            for attempt in attempts:
                ask.ask_now(attempt, actor=f"staff:{request.user.pk}")
            for attempt in Transaction.objects.filter(pk__in=before):
                words = {"number": attempt.out_trade_no, "was": before[attempt.pk], "now": attempt.get_state_display()}
                messages.info(request, gettext("Alipay was asked about %(number)s: %(was)s → %(now)s") % words)
            if not before:
                messages.info(request, gettext("Nothing is undecided: every attempt is settled."))
        return HttpResponseRedirect(reverse("admin:payments_order_change", args=[pk]))

    def _context(self, request: HttpRequest, order: Order) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "order": order, "title": order.number}

    def _refund_page(self, request: HttpRequest, order: Order, *, status: int = 200, **seen: Any) -> HttpResponse:
        context = self._context(request, order) | {"moved": None, "form": None} | seen
        return render(request, "admin/payments/refund_form.html", context, status=status)


def _may(request: HttpRequest, right: str) -> bool:
    return isinstance(request.user, User) and request.user.has_perm(f"payments.{right}")


def _said(refund: Refund) -> str:
    if refund.state == Refund.State.APPROVED:
        return gettext("The refund of %(amount)s is on its way to Alipay.") % {"amount": refund.amount}
    return gettext("The refund of %(amount)s is asked for. A colleague must approve it.") % {"amount": refund.amount}
