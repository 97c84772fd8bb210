"""Pages for whoever looks after the goods: categories, products with their kinds, stock, and import of a spreadsheet."""

import secrets
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminFileWidget
from django.core.cache import cache
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from checkout.models import Category, Product, Stock, Variant
from checkout.models.catalogue import MOST_FEN
from checkout.models.stock import MOST_PIECES
from checkout.queries.goods import FEW
from checkout.services.import_goods import MOST_BYTES, FileRefused, import_goods
from checkout.services.pictures import PictureRefused, check_picture, write_sizes
from payments.errors import InvalidAmount
from payments.money import Money

PREVIEW_LIFE_S = 30 * 60


class YuanField(forms.CharField):
    """Fen for the model, yuan for people: 8880 is shown and typed as "88.80"."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "size": 10})

    def prepare_value(self, value: Any) -> Any:
        return Money(value).to_yuan() if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text in self.empty_values:
            return None
        try:
            money = Money.from_yuan(str(text).removeprefix("¥").strip())
        except InvalidAmount:
            raise ValidationError(
                gettext("Write the price in yuan with at most two decimals, for example 88.80.")
            ) from None
        if money.fen > MOST_FEN:
            raise ValidationError(gettext("The price is higher than {most}.").format(most=Money(MOST_FEN)))
        return money.fen


class PictureField(forms.FileField):
    """A raster picture that Pillow can open to its end; it is stored under a name of our own."""

    widget = AdminFileWidget(attrs={"accept": "image/jpeg,image/png,image/webp"})

    def to_python(self, data: Any) -> Any:
        upload = super().to_python(data)
        if upload is None:
            return None
        try:
            upload.name = check_picture(upload, size=upload.size or 0)
        except PictureRefused as refused:
            raise ValidationError(str(refused)) from None
        return upload


class ProductForm(forms.ModelForm[Product]):
    picture = PictureField(
        label=_("Picture"), required=False, help_text=_("JPEG, PNG or WebP, 5 MB and 6,000 pixels a side at most.")
    )


class VariantForm(forms.ModelForm[Variant]):
    """A variant with its stock. A changed number counts as pieces come or gone since the page was opened, so what was
    sold meanwhile stays sold."""

    price_fen = YuanField(label=_("price (yuan)"))
    on_hand = forms.IntegerField(
        label=_("in stock"), min_value=0, max_value=MOST_PIECES, initial=0, show_hidden_initial=True
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        stock = Stock.objects.filter(pk=self.instance.pk).first() if self.instance.pk else None
        if stock:
            self.initial["on_hand"] = stock.on_hand

    def clean_on_hand(self) -> int:
        """Locks the stock to the end of the request, so that the sum checked here is the sum written."""
        typed: int = self.cleaned_data["on_hand"]
        stock = Stock.objects.select_for_update().filter(pk=self.instance.pk).first() if self.instance.pk else None
        now = stock.on_hand + typed - self._seen(stock.on_hand) if stock else typed
        if stock and now != stock.on_hand and not stock.held <= now <= MOST_PIECES:
            raise ValidationError(
                gettext("Unpaid orders hold {held} of these; stock can't be less.").format(held=stock.held)
            )
        self._difference = now - (stock.on_hand if stock else 0)
        return typed

    def _seen(self, otherwise: int) -> int:
        """What the page showed when it was opened."""
        shown = self.data.get(self.add_initial_prefix("on_hand"), "")
        return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 9 else otherwise

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]  # Django's step after the record itself is saved
        Stock.objects.get_or_create(variant=self.instance)
        if self._difference:
            Stock.objects.filter(pk=self.instance.pk).update(on_hand=F("on_hand") + self._difference)


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("Spreadsheet"), help_text=_("CSV in UTF-8 or GB18030, or XLSX; 2 MB and 5,000 rows at most.")
    )


class StockFilter(admin.SimpleListFilter):
    title = _("in stock")
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("none", _("sold out")), ("few", _("few left")), ("some", _("enough"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Variant]) -> QuerySet[Variant]:
        counted = queryset.annotate(left=F("stock__on_hand") - F("stock__held"))
        match self.value():
            case "none":
                return queryset.exclude(pk__in=counted.filter(left__gt=0))
            case "few":
                return counted.filter(left__range=(1, FEW))
            case "some":
                return counted.filter(left__gt=FEW)
        return queryset


class NamedFields(admin.ModelAdmin[Any]):
    """Fields of a list carry their column's name: a cell has no label of its own."""

    def get_changelist_formset(self, request: HttpRequest, **more: Any) -> Any:
        def named(field: Any, **words: Any) -> Any:
            made = self.formfield_for_dbfield(field, request, **words)
            if made is not None:
                made.widget.attrs["aria-label"] = made.label
            return made

        return super().get_changelist_formset(request, formfield_callback=named, **more)


@admin.register(Category)
class CategoryAdmin(NamedFields):
    list_display = ("name_zh", "name_en", "slug", "position")
    list_editable = ("position",)
    search_fields = ("name_zh", "name_en", "slug")
    prepopulated_fields: ClassVar[dict[str, Any]] = {"slug": ("name_en",)}


class VariantInline(admin.StackedInline[Variant, Product]):
    """One below the other, for seven columns fit no screen but the widest."""

    model = Variant
    form = VariantForm
    fields = (("sku", "price_fen"), ("name_zh", "name_en"), ("on_hand", "position"), "is_listed")
    extra = 0
    min_num = 1


@admin.register(Product)
class ProductAdmin(NamedFields):
    form = ProductForm
    list_display = ("name_zh", "name_en", "category", "is_listed", "position")
    list_filter = ("is_listed", "category")
    list_editable = ("is_listed", "position")
    list_select_related = ("category",)
    search_fields = ("name_zh", "name_en", "slug", "variants__sku")
    prepopulated_fields: ClassVar[dict[str, Any]] = {"slug": ("name_en",)}
    inlines = (VariantInline,)
    change_list_template = "admin/checkout/product_list.html"
    actions = ("recall",)

    def has_recall_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.request_bulk_refund")

    @admin.action(description=_("Refund orders with these goods (a recall)"), permissions=["recall"])
    def recall(self, request: HttpRequest, products: QuerySet[Product]) -> HttpResponse | None:
        """To the form of a bulk refund, with the article numbers of every kind of these goods."""
        skus = list(
            Variant.objects.filter(product__in=products).exclude(sku="").order_by("sku").values_list("sku", flat=True)
        )
        if not skus:
            messages.error(request, gettext("Choose goods that have article numbers."))
            return None
        where = reverse("admin:payments_refundbatch_plan")
        return HttpResponseRedirect(f"{where}?{urlencode({'skus': ' '.join(skus)})}")

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "picture" in form.changed_data and obj.picture:
            write_sizes(obj.picture)

    def get_urls(self) -> list[URLPattern]:
        page = path("import/", self.admin_site.admin_view(self.import_page), name="checkout_product_import")
        return [page, *super().get_urls()]

    def import_page(self, request: HttpRequest) -> HttpResponse:
        """Upload, see what would happen, then let it happen. The file waits half an hour in the cache between the two."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form, shown = ImportForm(), dict[str, Any]()
        if request.method == "POST" and "apply" in request.POST:
            waiting = _waiting(request, request.POST["apply"])
            content = cache.get(waiting)
            if content is not None:
                cache.delete(waiting)  # a second press must not set the stock again
                return self._apply(request, content)
            messages.error(request, gettext("This preview is over. Choose the file again."))
        elif request.method == "POST":
            form = ImportForm(request.POST, request.FILES)
            shown = self._preview(request, form) if form.is_valid() else {}
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Import goods"), "form": form, **shown,
        }  # fmt: skip
        return TemplateResponse(request, "admin/checkout/import_goods.html", context)

    def _preview(self, request: HttpRequest, form: ImportForm) -> dict[str, Any]:
        upload = form.cleaned_data["file"]
        content = upload.read(MOST_BYTES + 1)
        try:
            report = import_goods(content, dry_run=True)
        except FileRefused as refused:
            form.add_error("file", str(refused))
            return {}
        token = secrets.token_urlsafe(16)
        cache.set(_waiting(request, token), content, PREVIEW_LIFE_S)
        return {"report": report, "token": token, "file_name": upload.name}

    def _apply(self, request: HttpRequest, content: bytes) -> HttpResponse:
        report = import_goods(content, dry_run=False)
        done = gettext("Imported: {added} added, {changed} changed, {unchanged} as they were, {refused} left out.")
        messages.success(
            request,
            done.format(
                added=report.added,
                changed=report.changed,
                unchanged=report.unchanged,
                refused=len(report.refused),
            ),
        )
        return HttpResponseRedirect(reverse("admin:checkout_product_changelist"))


def _waiting(request: HttpRequest, token: str) -> str:
    """Where a previewed file waits: only for the person who brought it."""
    return f"goods-import:{request.user.pk}:{token[:40]}"


@admin.register(Variant)
class VariantAdmin(admin.ModelAdmin[Variant]):
    form = VariantForm
    fields = ("product", "sku", "name_zh", "name_en", "price_fen", "on_hand", "is_listed", "position")
    autocomplete_fields = ("product",)
    list_display = ("sku", "product", "name_zh", "name_en", "yuan", "on_hand", "held", "free", "is_listed")
    list_filter = (StockFilter, "is_listed", "product__category")
    list_select_related = ("product", "stock")
    search_fields = ("sku", "name_zh", "name_en", "product__name_zh", "product__name_en")
    ordering = ("product__position", "product", "position", "pk")

    @admin.display(description=_("price"), ordering="price_fen")
    def yuan(self, variant: Variant) -> str:
        return str(variant.price)

    @admin.display(description=_("in stock"), ordering="stock__on_hand")
    def on_hand(self, variant: Variant) -> int:
        return variant.stock.on_hand if hasattr(variant, "stock") else 0

    @admin.display(description=_("held by unpaid orders"), ordering="stock__held")
    def held(self, variant: Variant) -> int:
        return variant.stock.held if hasattr(variant, "stock") else 0

    @admin.display(description=_("free to sell"))
    def free(self, variant: Variant) -> int:
        return variant.stock.free if hasattr(variant, "stock") else 0
