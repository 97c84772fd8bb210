"""Goods and parcels for staff. Prices are typed in yuan."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from checkout.models import Category, Product, Stock, Variant
from payments.errors import InvalidAmount
from payments.money import Money


class VariantForm(forms.ModelForm[Variant]):
    price = forms.CharField(label=_("price (yuan)"), max_length=16)

    class Meta:
        model = Variant
        fields = ("sku", "name_zh", "name_en", "price", "is_listed", "position")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self.instance.pk:
            self.initial["price"] = self.instance.price.to_yuan()

    def clean_price(self) -> str:
        typed = str(self.cleaned_data["price"]).strip()
        try:
            self.instance.price_fen = Money.from_yuan(typed).fen
        except InvalidAmount:
            raise forms.ValidationError(_("Write the price in yuan, for example 88.80.")) from None
        return typed


class VariantInline(admin.TabularInline[Variant, Product]):
    model = Variant
    form = VariantForm
    extra = 0


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin[Category]):
    list_display = ("__str__", "slug", "position")


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin[Product]):
    list_display = ("__str__", "category", "is_listed", "position")
    list_filter = ("category", "is_listed")
    search_fields = ("name_zh", "name_en", "slug", "variants__sku")
    list_select_related = ("category",)
    inlines = (VariantInline,)


@admin.register(Stock)
class StockAdmin(admin.ModelAdmin[Stock]):
    """How many there are; what unpaid orders hold is shown and can't be typed."""

    list_display = ("variant", "on_hand", "held")
    search_fields = ("variant__sku", "variant__product__name_zh", "variant__product__name_en")
    list_select_related = ("variant__product",)
    readonly_fields = ("held",)

    def get_readonly_fields(self, request: HttpRequest, obj: Stock | None = None) -> tuple[str, ...]:
        return ("variant", "held") if obj else ("held",)
