"""Days of Alipay's bills: how far each is, what differs, and their end, which takes a person."""

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.fields import CURRENCY, Told
from payments.api.once import answered_once
from payments.api.pages import Pages
from payments.api.problems import Problem
from payments.api.view import ApiView
from payments.models import BillDay, Case, Difference
from payments.models.api_client import Scope
from payments.services.books.reconcile import close_day


class BillDayTold(Told):
    id = serializers.IntegerField()
    day = serializers.DateField(help_text="in Shanghai")
    seller_id = serializers.CharField(source="account.seller_id")
    state = serializers.ChoiceField(choices=BillDay.State.choices)
    content = serializers.ChoiceField(
        choices=BillDay.Content.choices, help_text="no bill, and a bill without lines, are two things"
    )
    currency = serializers.SerializerMethodField()
    ours_count = serializers.IntegerField(allow_null=True, help_text="payments and refunds booked here")
    theirs_count = serializers.IntegerField(allow_null=True, help_text="and those in the bill")
    ours_fen = serializers.IntegerField(allow_null=True, help_text="their sum, refunds negative")
    theirs_fen = serializers.IntegerField(allow_null=True)
    difference_fen = serializers.IntegerField(allow_null=True, help_text="what the bill says more")
    fee_fen = serializers.IntegerField(allow_null=True)
    imported_at = serializers.DateTimeField(allow_null=True)
    matched_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, day: BillDay) -> str:
        return CURRENCY


class DifferenceTold(Told):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Case.Kind.choices)
    state = serializers.ChoiceField(choices=Difference.State.choices)
    trade_no = serializers.CharField(allow_blank=True)
    payment = serializers.CharField(source="out_trade_no", allow_blank=True)
    refund = serializers.CharField(source="out_request_no", allow_blank=True)
    field = serializers.CharField(help_text="what is not the same")
    ours = serializers.CharField(allow_blank=True)
    theirs = serializers.CharField(allow_blank=True)
    currency = serializers.SerializerMethodField()
    amount_fen = serializers.IntegerField(source="fen", help_text="what the bill has more")
    case = serializers.IntegerField(source="case_id", allow_null=True)
    found_at = serializers.DateTimeField()

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, difference: Difference) -> str:
        return CURRENCY


class BillDayFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=BillDay.State.choices)
    seller_id = django_filters.CharFilter(field_name="account__seller_id", max_length=32)
    day_from = django_filters.DateFilter(field_name="day", lookup_expr="gte")
    day_before = django_filters.DateFilter(field_name="day", lookup_expr="lt")


class DifferenceFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=Difference.State.choices)


def found(number: str) -> BillDay:
    day = BillDay.objects.select_related("account").filter(pk=int(number)).first()
    if day is None:
        raise Problem("not_found")
    return day


class BillDays(ApiView, GenericAPIView[BillDay]):
    read = Scope.BILLS_READ
    queryset = BillDay.objects.select_related("account")
    serializer_class = BillDayTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = BillDayFilter

    @extend_schema(operation_id="bill_days_list", tags=["books"], responses=BillDayTold(many=True))
    def get(self, request: Request) -> Response:
        """Bill days of every merchant account, the newest row first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(BillDayTold(rows, many=True).data)


class OneBillDay(ApiView):
    read = Scope.BILLS_READ

    @extend_schema(operation_id="bill_day_get", tags=["books"], responses=BillDayTold)
    def get(self, request: Request, number: str) -> Response:
        """How far one day is."""
        return Response(BillDayTold(found(number)).data)


class Differences(ApiView, GenericAPIView[Difference]):
    read = Scope.BILLS_READ
    queryset = Difference.objects.all()  # for the description; of which day is known to get_queryset
    serializer_class = DifferenceTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = DifferenceFilter

    def get_queryset(self) -> QuerySet[Difference]:
        return Difference.objects.filter(day=found(self.kwargs["number"]))

    @extend_schema(operation_id="differences_list", tags=["books"], responses=DifferenceTold(many=True))
    def get(self, request: Request, number: str) -> Response:
        """What is not the same in that day's bill and here, newest first. A line without one is matched."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(DifferenceTold(rows, many=True).data)


class CloseBillDay(ApiView):
    persons_right = "payments.close_bill_day"

    @extend_schema(operation_id="bill_day_close", tags=["books"], request=None, responses=BillDayTold)
    @answered_once(in_one_commit=True)
    def post(self, request: Request, number: str) -> Response:
        """Close a compared day, each difference of which is explained or has its case. Never by a key."""
        if not close_day(found(number), actor=self.caller.name):
            raise Problem("day_not_closable")
        return Response(BillDayTold(found(number)).data)
