"""The ledger and the cases of the house, to read: for the merchant's own books and alarms."""

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from payments.api.fields import CURRENCY, Told
from payments.api.pages import Pages
from payments.api.view import ApiView
from payments.models import Account, Case, Transfer
from payments.models.api_client import Scope


class TransferTold(Told):
    id = serializers.IntegerField()
    cause = serializers.ChoiceField(choices=Transfer.Cause.choices)
    debit = serializers.ChoiceField(choices=Account.choices)
    credit = serializers.ChoiceField(choices=Account.choices)
    currency = serializers.SerializerMethodField()
    amount_fen = serializers.IntegerField(source="fen")
    payment = serializers.CharField(source="transaction.out_trade_no")
    refund = serializers.CharField(source="refund.out_request_no", allow_null=True, default=None)
    posted_at = serializers.DateTimeField()

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, transfer: Transfer) -> str:
        return CURRENCY


class TransferFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    cause = django_filters.ChoiceFilter(choices=Transfer.Cause.choices)
    payment = django_filters.CharFilter(field_name="transaction__out_trade_no", max_length=64)
    posted_from = django_filters.IsoDateTimeFilter(field_name="posted_at", lookup_expr="gte")
    posted_before = django_filters.IsoDateTimeFilter(field_name="posted_at", lookup_expr="lt")


class Ledger(ApiView, GenericAPIView[Transfer]):
    read = Scope.LEDGER_READ
    serializer_class = TransferTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = TransferFilter

    def get_queryset(self) -> QuerySet[Transfer]:
        return Transfer.objects.select_related("transaction", "refund")

    @extend_schema(operation_id="ledger_list", tags=["books"], responses=TransferTold(many=True))
    def get(self, request: Request) -> Response:
        """Transfers, newest first. Each moves fen from `credit` to `debit`; none is ever changed."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(TransferTold(rows, many=True).data)


class CaseTold(Told):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Case.Kind.choices)
    subject = serializers.CharField()
    severity = serializers.ChoiceField(choices=Case.Severity.choices)
    state = serializers.ChoiceField(choices=Case.State.choices)
    currency = serializers.SerializerMethodField()
    amount_fen = serializers.IntegerField(allow_null=True, help_text="at stake, where that is known")
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, case: Case) -> str:
        return CURRENCY


class CaseFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=Case.State.choices)
    kind = django_filters.ChoiceFilter(choices=Case.Kind.choices)
    severity = django_filters.ChoiceFilter(choices=Case.Severity.choices)


class Cases(ApiView, GenericAPIView[Case]):
    read = Scope.CASES_READ
    serializer_class = CaseTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = CaseFilter

    def get_queryset(self) -> QuerySet[Case]:
        return Case.objects.all()

    @extend_schema(operation_id="cases_list", tags=["books"], responses=CaseTold(many=True))
    def get(self, request: Request) -> Response:
        """What did not fit and needs a person, newest first."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(CaseTold(rows, many=True).data)
