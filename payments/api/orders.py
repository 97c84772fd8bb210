"""Orders: placed with priced lines by a connected shop, seen, cancelled."""

from typing import Any

import django_filters
from django.conf import settings
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.callers import Caller
from payments.api.fields import CURRENCY, Asked, Count, Fen, Told, address_of
from payments.api.once import answered_once, kept
from payments.api.pages import Pages
from payments.api.problems import Problem, told
from payments.api.view import ApiView
from payments.errors import NotPayable, OrderRefused
from payments.models import Order
from payments.models.api_client import Scope
from payments.money import Money
from payments.queries.order_told import ToldOrder, as_placed, told_order, told_orders
from payments.services import once
from payments.services.cancel_order import cancel_order
from payments.services.place_order import Line, draft_order, place_answered, place_order

MOST_LINES, MOST_PIECES = 100, 9_999


class LineAsked(Asked):
    title = serializers.CharField(max_length=256)
    sku = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    unit_price_fen = Fen()
    quantity = Count(min_value=1, max_value=MOST_PIECES, default=1)


class OrderAsked(Asked):
    title = serializers.CharField(max_length=256, help_text="what the buyer reads at Alipay")
    lines = LineAsked(many=True, min_length=1, max_length=MOST_LINES)  # type: ignore[call-arg]  # of the list
    shipping_fen = Fen(default=0)
    discount_fen = Fen(default=0)
    currency = serializers.ChoiceField(choices=[CURRENCY], default=CURRENCY)
    reference = serializers.CharField(
        max_length=64, required=False, allow_blank=True, default="", help_text="your own number of it"
    )
    language = serializers.ChoiceField(choices=[code for code, _ in settings.LANGUAGES], default=settings.LANGUAGE_CODE)
    email = serializers.EmailField(
        max_length=254, required=False, allow_blank=True, default="", help_text="for the receipt"
    )


class LineTold(Told):
    position = serializers.IntegerField()
    title = serializers.CharField()
    sku = serializers.CharField()
    unit_price_fen = serializers.IntegerField()
    quantity = serializers.IntegerField()


class OrderTold(Told):
    number = serializers.CharField()
    reference = serializers.CharField()
    state = serializers.ChoiceField(choices=Order.State.choices)
    title = serializers.CharField()
    currency = serializers.SerializerMethodField()
    goods_fen = serializers.IntegerField()
    shipping_fen = serializers.IntegerField()
    discount_fen = serializers.IntegerField()
    total_fen = serializers.IntegerField()
    paid_fen = serializers.IntegerField()
    refunded_fen = serializers.IntegerField()
    lines = LineTold(many=True)
    pay_page = serializers.SerializerMethodField(help_text="send the buyer here: every way to pay, in both languages")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, order: ToldOrder) -> str:
        return CURRENCY

    def get_pay_page(self, order: ToldOrder) -> str:
        return str(settings.SITE_URL) + address_of("payments:pay", order.token)


class OrderFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=Order.State.choices)
    reference = django_filters.CharFilter(max_length=64)
    placed_from = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    placed_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")


def visible(caller: Caller) -> QuerySet[Order]:
    """The orders this caller may know of: its own, or all with that scope."""
    if Scope.ORDERS_ALL in caller.scopes:
        return Order.objects.all()
    return Order.objects.filter(client=caller.client_id) if caller.client_id else Order.objects.none()


def found(caller: Caller, number: str) -> Order:
    """One of them. Somebody else's is not there."""
    order = visible(caller).filter(number=number).first()
    if order is None:
        raise Problem("not_found")
    return order


def tell(caller: Caller, number: str) -> dict[str, Any]:
    """One of them as it is told now."""
    order = told_order(number, of_all=Scope.ORDERS_ALL in caller.scopes, client_id=caller.client_id)
    if order is None:
        raise Problem("not_found")
    return OrderTold.of(order)


def _place_at_once(view: "Orders", request: Request, asked: once.Asked) -> Response | None:
    """Order, key and answer by one statement: most orders are placed so. None where that can't be, and nothing happened."""
    client_id = view.caller.client_id
    try:
        said = OrderAsked.read(request.data)
        draft = draft_order(**_placed(said), client_id=client_id, now=view.caller.known_at)
    except (serializers.ValidationError, OrderRefused):
        return None
    if client_id is None or not draft.order.total_fen:
        return None
    response = _answer(OrderTold.of(as_placed(draft.order, said["lines"])))
    answer = once.answer_of(asked, status=response.status_code, body=kept(response))
    placed = place_answered(draft, caller=view.caller.name, kept=answer, shown=view.caller.recalled)
    return response if placed else None


def _answer(told: dict[str, Any]) -> Response:
    return Response(told, status=201, headers={"Location": address_of("api:order", told["number"])})


class Orders(ApiView, GenericAPIView[Order]):
    read, write = Scope.ORDERS_READ, Scope.ORDERS_WRITE
    looks_while_it_acts = True
    queryset = Order.objects.all()  # for the description; who asks is known to get_queryset
    serializer_class = OrderTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = OrderFilter

    def get_queryset(self) -> QuerySet[Order]:
        return visible(self.caller)

    @extend_schema(operation_id="orders_list", tags=["orders"], responses=OrderTold(many=True))
    def get(self, request: Request) -> Response:
        """Orders, newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()).only("pk")) or []
        return self.get_paginated_response([OrderTold.of(each) for each in told_orders([row.pk for row in rows])])

    @extend_schema(operation_id="order_place", tags=["orders"], request=OrderAsked, responses={201: OrderTold})
    @answered_once(in_one_commit=True, at_once=_place_at_once)
    def post(self, request: Request) -> Response:
        """Place an order of priced lines. It awaits payment until `expires_at`; an order of nothing is paid at once."""
        if self.caller.client_id is None:
            raise Problem("forbidden")
        asked = OrderAsked.read(request.data)
        try:
            order = place_order(
                **_placed(asked), caller=self.caller.name, client_id=self.caller.client_id,
                now=self.caller.known_at,
            )  # fmt: skip
        except OrderRefused as refusal:
            raise told(refusal, "order_refused") from refusal
        return _answer(tell(self.caller, order.number))


def _placed(asked: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request as `place_order` takes them."""
    lines = [
        Line(each["title"], Money(each["unit_price_fen"]), each["quantity"], each["sku"]) for each in asked["lines"]
    ]
    return {
        "lines": lines, "title": asked["title"], "language": asked["language"],
        "shipping": Money(asked["shipping_fen"]), "discount": Money(asked["discount_fen"]),
        "contact_email": asked["email"], "reference": asked["reference"],
    }  # fmt: skip


class OneOrder(ApiView):
    read = Scope.ORDERS_READ

    @extend_schema(operation_id="order_get", tags=["orders"], responses=OrderTold)
    def get(self, request: Request, number: str) -> Response:
        """One order with its lines and what was paid and went back."""
        return Response(tell(self.caller, number))


class CancelOrder(ApiView):
    write = Scope.ORDERS_WRITE

    @extend_schema(operation_id="order_cancel", tags=["orders"], request=None, responses=OrderTold)
    @answered_once(in_one_commit=False)
    def post(self, request: Request, number: str) -> Response:
        """End an unpaid order: at Alipay first. Money that still comes is late money, and looked after."""
        order = found(self.caller, number)
        try:
            cancel_order(order, actor=self.caller.name)
        except NotPayable as refusal:
            raise told(refusal, "not_payable") from refusal
        return Response(tell(self.caller, number))
