"""Goods as the shop window shows them: listed products with their kinds, prices and whether any are left."""

import django_filters
from django.db.models import Prefetch, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from checkout.models import Category, Product, Variant
from checkout.queries.goods import free_of, window
from payments.api.fields import CURRENCY, Told
from payments.api.pages import Pages
from payments.api.problems import Problem
from payments.api.view import ApiView
from payments.models.api_client import Scope


class VariantTold(Told):
    sku = serializers.CharField()
    name = serializers.CharField()
    title = serializers.CharField(help_text="product and kind in one line, as an order freezes it")
    currency = serializers.SerializerMethodField()
    price_fen = serializers.IntegerField()
    free = serializers.SerializerMethodField(help_text="pieces that may be sold now")

    @extend_schema_field({"type": "string", "enum": [CURRENCY]})
    def get_currency(self, variant: Variant) -> str:
        return CURRENCY

    def get_free(self, variant: Variant) -> int:
        return free_of(variant)


class ProductTold(Told):
    slug = serializers.CharField()
    category = serializers.CharField(source="category.slug")
    name = serializers.CharField()
    summary = serializers.CharField()
    text = serializers.CharField()
    variants = serializers.SerializerMethodField()

    @extend_schema_field(VariantTold(many=True))
    def get_variants(self, product: Product) -> object:
        return VariantTold(product.variants.all(), many=True).data


class ProductFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    category = django_filters.ModelChoiceFilter(queryset=Category.objects.all(), to_field_name="slug")
    free = django_filters.BooleanFilter(method="only_free", label="only what can be sold now")

    def only_free(self, queryset: QuerySet[Product], name: str, value: bool) -> QuerySet[Product]:
        return queryset.filter(pk__in=window(in_stock=True).values("pk")) if value else queryset


def shown() -> QuerySet[Product]:
    """Listed products with their listed kinds and stock: three queries, however many."""
    kinds = Variant.objects.filter(is_listed=True).select_related("stock", "product")
    return window().select_related("category").prefetch_related(Prefetch("variants", queryset=kinds))


class Products(ApiView, GenericAPIView[Product]):
    read = Scope.CATALOGUE_READ
    serializer_class = ProductTold
    pagination_class = Pages
    filter_backends = (DjangoFilterBackend,)
    filterset_class = ProductFilter

    def get_queryset(self) -> QuerySet[Product]:
        return shown()

    @extend_schema(operation_id="products_list", tags=["shop"], responses=ProductTold(many=True))
    def get(self, request: Request) -> Response:
        """Goods for sale, newest first, in the language of Accept-Language."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ProductTold(rows, many=True).data)


class OneProduct(ApiView):
    read = Scope.CATALOGUE_READ

    @extend_schema(operation_id="product_get", tags=["shop"], responses=ProductTold)
    def get(self, request: Request, slug: str) -> Response:
        product = shown().filter(slug=slug).first()
        if product is None:
            raise Problem("not_found")
        return Response(ProductTold(product).data)
