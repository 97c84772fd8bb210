"""Bulk refunds: choose orders, see what would happen, type the total, follow it, and let it go as a second person."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin.batch_forms import ConfirmForm, PlanForm, StopForm
from payments.admin.columns import ReadOnlyAdmin, amount
from payments.admin.forms import check_offered
from payments.errors import (
    NotAllowed,
    NothingFound,
    NotWaiting,
    RefundableMoved,
    RefundRefused,
    SamePerson,
    StaleFactor,
    TooMany,
)
from payments.models import AuditEvent, Order, Refund, RefundBatch, RefundBatchItem, User
from payments.money import Money
from payments.queries.people import names
from payments.queries.refund_batches import Progress, holding, progress
from payments.services.bulk_refund import approve_batch, confirm_batch, may_stop, stop_batch
from payments.services.plan_batch import MOST, plan_batch

Item, State = RefundBatchItem.State, RefundBatch.State
PER_PAGE = 50
NEWS_EVERY_MS = 2000


@admin.register(RefundBatch)
class RefundBatchAdmin(ReadOnlyAdmin):
    list_display = (
        "__str__", "state", amount("total_fen", _("total")), "orders", "requested_by", "approved_by", "reason_code",
        "created_at",
    )  # fmt: skip
    list_filter = ("state", "reason_code", "created_at")
    search_fields = ("=id", "note")
    list_select_related = ("requested_by", "approved_by")
    change_list_template = "admin/payments/refund_batch_list.html"

    def get_urls(self) -> list[URLPattern]:
        own = {
            "plan": "plan/",
            "confirm": "<int:pk>/confirm/",
            "approve": "<int:pk>/approve/",
            "stop": "<int:pk>/stop/",
            "news": "<int:pk>/news/",
        }
        doors = [
            path(where, self.admin_site.admin_view(getattr(self, name)), name=f"payments_refundbatch_{name}")
            for name, where in own.items()
        ]
        return [*doors, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "may_plan": may_plan(request)})

    def plan(self, request: HttpRequest) -> HttpResponse:
        """Choose by goods and days, or orders that were marked in their list; then the dry run."""
        if not may_plan(request):
            raise PermissionDenied
        if request.method != "POST":
            return plan_page(request, PlanForm(initial=request.GET.dict()))
        form = PlanForm(request.POST)
        if not form.is_valid():
            return plan_page(request, form, status=400)
        assert isinstance(request.user, User), "the front door let nobody else in"
        values = form.cleaned_data
        try:
            batch = plan_batch(
                _chosen(values), person=request.user, scope=RefundBatch.Scope(values["scope"]),
                reason=Refund.Reason(values["reason_code"]), skus=values["skus"], note=values["note"],
                paid_from=values["paid_from"], paid_until=values["paid_until"],
            )  # fmt: skip
        except NothingFound:
            form.add_error(None, gettext("No order that was paid on these days holds any of these goods."))
        except TooMany:
            form.add_error(None, gettext("More than {most} orders: choose fewer days.").format(most=MOST))
        else:
            return _to(batch)
        return plan_page(request, form, status=400)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method != "GET" or not object_id.isdecimal():
            return super().change_view(request, object_id, form_url, extra_context)
        batch = _found(int(object_id))
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        return self._page(request, batch)

    def confirm(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The typed total lets it go. A second press, or another tab, finds it done and says no more than that."""
        batch = _found(pk)
        if request.method != "POST":
            return _to(batch)
        if not may_plan(request):
            raise PermissionDenied
        check_offered(request, "total")
        form = ConfirmForm(request.POST, total=batch.total)
        if not form.is_valid():
            return self._page(request, batch, form=form, status=400)
        assert isinstance(request.user, User), "the front door let nobody else in"
        try:
            if confirm_batch(batch, person=request.user, typed=form.cleaned_data["total"]):
                messages.success(request, gettext("Confirmed. The refunds are being asked for now."))
        except NotAllowed as refused:
            raise PermissionDenied from refused
        except RefundRefused as refused:
            form.add_error("total", str(refused))
            return self._page(request, batch, form=form, status=400)
        return _to(batch)

    def approve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A second person lets all that waits go. Every refusal says why, and what to do."""
        batch = _found(pk)
        if request.method != "POST":
            return _to(batch)
        assert isinstance(request.user, User), "the front door let nobody else in"
        check_offered(request, "seen_fen")
        seen = request.POST.get("seen_fen", "")
        try:
            fen = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 18 else 0
            approve_batch(batch, person=request.user, session=request.session, seen=Money(fen))
            messages.success(request, gettext("Approved. The refunds leave for Alipay one after the other."))
        except StaleFactor:
            messages.warning(request, gettext("Please prove your second factor once more, then approve."))
            onward = urlencode({"next": _to(batch)["Location"]}, safe="/")
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{onward}")
        except NotAllowed as refused:
            raise PermissionDenied from refused
        except SamePerson:
            messages.error(request, gettext("Who asks for refunds can't approve them: another colleague must."))
        except RefundableMoved as moved:
            words = gettext("Colleagues decided about some of them meanwhile: {now} waits now. Please look again.")
            messages.error(request, words.format(now=Money(moved.now_fen)))
        except NotWaiting:
            messages.info(request, gettext("Nothing of it waits for approval now; nothing was changed."))
        return _to(batch)

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Who asked stops it, or a colleague does not agree to the whole. What has left is followed to its end."""
        batch = _found(pk)
        if request.method != "POST":
            return _to(batch)
        assert isinstance(request.user, User), "the front door let nobody else in"
        if not may_stop(batch, request.user):
            raise PermissionDenied
        check_offered(request, "why")
        form = StopForm(request.POST)
        if not form.is_valid():
            return self._page(request, batch, stop=form, status=400)
        try:
            stop_batch(batch, person=request.user, why=form.cleaned_data["why"])
            messages.success(request, gettext("Stopped. What has not left for Alipay is taken back now."))
        except NotWaiting:
            messages.info(request, gettext("Nothing of it is left to stop; nothing was changed."))
        return _to(batch)

    def news(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far it is, for a page that is open. The page is loaded anew where the state has changed."""
        batch = _found(pk)
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        far = progress(batch)
        answer = render(request, "admin/payments/_refund_batch.html", {"batch": batch, "progress": far})
        answer["Cache-Control"], answer["X-State"] = "no-store", _stage(batch, far)
        return answer

    def _page(
        self, request: HttpRequest, batch: RefundBatch, *, form: Any = None, stop: Any = None, status: int = 200
    ) -> HttpResponse:
        steps, user, far = list(AuditEvent.objects.about(batch)), request.user, progress(batch)
        assert isinstance(user, User), "the front door let nobody else in"
        own = batch.requested_by_id == user.pk
        shown = request.GET.get("show", "")
        items = batch.items.select_related("order", "refund").order_by("pk")
        if shown in Item.values:
            items = items.filter(state=shown)
        return render(request, "admin/payments/refund_batch.html", {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Bulk refund"),
            "batch": batch, "progress": far, "stage": _stage(batch, far), "steps": steps, "shown": shown,
            "people": names(step.actor for step in steps),
            "tabs": _tabs(far), "page": Paginator(items, PER_PAGE).get_page(request.GET.get("p")),
            "form": form or ConfirmForm(total=batch.total), "is_own": own, "news_every": NEWS_EVERY_MS,
            "may_confirm": own and may_plan(request), "at_work": batch.state in RefundBatch.AT_WORK,
            "may_approve": user.has_perm("payments.approve_refund"), "stop": stop or StopForm(),
            "may_stop": batch.state in RefundBatch.UNDER_WAY and far.unsent.orders and may_stop(batch, user),
        }, status=status)  # fmt: skip


def _stage(batch: RefundBatch, far: Progress) -> str:
    """What an open page follows: the batch's state, or "returning" while its money is on the way."""
    return "returning" if batch.state not in RefundBatch.AT_WORK and far.on_their_way.orders else batch.state


def may_plan(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.has_perm("payments.request_bulk_refund")


def plan_page(request: HttpRequest, form: PlanForm, *, status: int = 200) -> HttpResponse:
    """The form of a new bulk refund; `orders` of it holds those that were marked in the list of orders."""
    context = {**admin.site.each_context(request), "opts": RefundBatch._meta, "title": gettext("New bulk refund")}
    return render(request, "admin/payments/refund_batch_plan.html", {**context, "form": form}, status=status)


def _chosen(values: dict[str, Any]) -> QuerySet[Order]:
    if values["orders"]:
        return Order.objects.filter(pk__in=values["orders"])
    return holding(values["skus"], paid_from=values["paid_from"], paid_until=values["paid_until"])


def _tabs(far: Any) -> list[tuple[str, Any, int]]:
    """What the table may be narrowed to: the state, its words, how many."""
    counts = {
        Item.PLANNED: far.planned.orders, Item.LEFT_OUT: far.left_out.orders, Item.ASKED: far.asked,
        Item.REFUSED: far.refused.orders,
    }  # fmt: skip
    return [("", _("all"), sum(counts.values())), *((str(key), key.label, n) for key, n in counts.items() if n)]


def _found(pk: int) -> RefundBatch:
    return get_object_or_404(RefundBatch.objects.select_related(*RefundBatch.PEOPLE), pk=pk)


def _to(batch: RefundBatch) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:payments_refundbatch_change", args=[batch.pk]))
