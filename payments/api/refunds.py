"""Refunds: asked for by a program or a person, decided by another person, seen."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.callers import Caller
from payments.api.fields import CURRENCY, Asked, Count, Fen, Told
from payments.api.once import answered_once
from payments.api.orders import MOST_LINES, MOST_PIECES
from payments.api.orders import found as found_order
from payments.api.orders import visible as visible_orders
from payments.api.pages import Pages
from payments.api.problems import Problem, told
from payments.api.view import ApiView
from payments.errors import NotAllowed, NotWaiting, RefundRefused, SamePerson, StaleFactor
from payments.models import Order, Refund
from payments.models.api_client import Scope
from payments.money import Money
from payments.queries.refundable import Refundable, refundable
from payments.services.approve_refund import approve, ask_as_staff, reject


class PiecesAsked(Asked):
    position = Count(min_value=1, max_value=MOST_LINES)
    quantity = Count(min_value=1, max_value=MOST_PIECES)


class RefundAsked(Asked):
    amount_fen = Fen(min_value=1, required=False, help_text="an amount, or the pieces below; not both")
    lines = PiecesAsked(many=True, required=False, min_length=1, max_length=MOST_LINES)  # type: ignore[call-arg]  # of the list
    reason = serializers.ChoiceField(choices=Refund.Reason.choices)
    note = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="for colleagues"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("amount_fen" in attrs) == ("lines" in attrs):
            raise serializers.ValidationError({"amount_fen": ["Either amount_fen or lines."]})
        return attrs


class RefusalAsked(Asked):
    why = serializers.CharField(max_length=200, help_text="as the one who asked will read it")


class RefundTold(Told):
    number = serializers.CharField(source="out_request_no")
    order = serializers.CharField(source="transaction.order.number")
    payment = serializers.CharField(source="transaction.out_trade_no")
    state = serializers.ChoiceField(choices=Refund.State.choices)
    in_doubt = serializers.BooleanField(help_text="Alipay has not given a certain answer; it is being asked")
    origin = serializers.ChoiceField(choices=Refund.Origin.choices)
    reason = serializers.CharField(source="reason_code", allow_blank=True)
    currency = serializers.SerializerMethodField()
    amount_fen = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    lapses_at = serializers.DateTimeField(allow_null=True, help_text="a request nobody decides ends then")
    approved_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, refund: Refund) -> str:
        return CURRENCY


class RefundFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=Refund.State.choices)
    order = django_filters.CharFilter(field_name="transaction__order__number", max_length=32)


def visible(caller: Caller) -> QuerySet[Refund]:
    orders = visible_orders(caller)
    return Refund.objects.filter(transaction__order__in=orders).select_related("transaction__order")


def found(caller: Caller, number: str) -> Refund:
    refund = visible(caller).filter(out_request_no=number).order_by("pk").first()
    if refund is None:
        raise Problem("not_found")
    return refund


class Refunds(ApiView, GenericAPIView[Refund]):
    read = Scope.ORDERS_READ
    queryset = Refund.objects.all()  # for the description; who asks is known to get_queryset
    serializer_class = RefundTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = RefundFilter

    def get_queryset(self) -> QuerySet[Refund]:
        return visible(self.caller)

    @extend_schema(operation_id="refunds_list", tags=["refunds"], responses=RefundTold(many=True))
    def get(self, request: Request) -> Response:
        """Refunds, newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(RefundTold(rows, many=True).data)


class OneRefund(ApiView):
    read = Scope.ORDERS_READ

    @extend_schema(operation_id="refund_get", tags=["refunds"], responses=RefundTold)
    def get(self, request: Request, number: str) -> Response:
        return Response(RefundTold(found(self.caller, number)).data)


class OrderRefunds(ApiView):
    write = Scope.REFUNDS_WRITE

    @extend_schema(operation_id="refund_ask", tags=["refunds"], request=RefundAsked, responses={201: RefundTold})
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """Ask for a refund of a paid order. A program asks in the name of who made its key, within that person's limits:
        small ones leave by rule, others wait for another person."""
        order = found_order(self.caller, number)
        asked = RefundAsked.read(request.data)
        refund = _asked(order, asked, self.caller)
        address = reverse("api:refund", args=[refund.out_request_no])
        return Response(RefundTold(refund).data, status=201, headers={"Location": address})


def _asked(order: Order, asked: dict[str, Any], caller: Caller) -> Refund:
    part = refundable(order)
    if order.paid_by is None or part is None:
        raise Problem("refund_refused")
    lines = _worth(part, asked.get("lines", []))
    amount = Money(asked.get("amount_fen") or sum(lines.values()))
    try:
        return ask_as_staff(
            order.paid_by, amount, person=caller.person, reason=Refund.Reason(asked["reason"]), note=asked["note"],
            lines=lines,
        )  # fmt: skip
    except NotAllowed as refusal:
        raise told(refusal, "forbidden") from refusal
    except RefundRefused as refusal:
        raise told(refusal, "refund_refused") from refusal


def _worth(part: Refundable, lines: list[dict[str, int]]) -> dict[str, int]:
    return part.chosen({str(each["position"]): each["quantity"] for each in lines})


class Decide(ApiView):
    """What both decisions share: a person in a session of their own. A key never decides, whoever made it."""

    persons_right = "payments.approve_refund"

    def decided(self, number: str, **words: Any) -> Response:
        refund = found(self.caller, number)
        try:
            if "why" in words:
                reject(refund, person=self.caller.person, why=words["why"])
            else:
                approve(refund, person=self.caller.person, session=self.request.session)
        except StaleFactor as refusal:
            raise told(refusal, "fresh_factor_needed") from refusal
        except SamePerson as refusal:
            raise told(refusal, "same_person") from refusal
        except NotAllowed as refusal:
            raise told(refusal, "forbidden") from refusal
        except NotWaiting as refusal:
            raise told(refusal, "already_decided") from refusal
        return Response(RefundTold(found(self.caller, number)).data)


class ApproveRefund(Decide):
    @extend_schema(operation_id="refund_approve", tags=["refunds"], request=None, responses=RefundTold)
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """The word of a second person, with the second factor proved minutes ago. Never by a key."""
        return self.decided(number)


class RejectRefund(Decide):
    @extend_schema(
        operation_id="refund_reject",
        tags=["refunds"],
        request=RefusalAsked,
        responses=RefundTold,
    )
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """Say no, with the reason the one who asked will read. Never by a key."""
        asked = RefusalAsked.read(request.data)
        return self.decided(number, why=asked["why"])
