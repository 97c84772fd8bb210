"""What is for sale, in both languages. A variant is what one puts into a cart: it has the price and the stock."""

from pathlib import PurePosixPath
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from payments.fields import public
from payments.money import Money

PICTURE_WIDTHS = (480, 960)
MOST_FEN = 10_000_000_00  # no single thing costs more; keeps every sum far from what a column can hold
sku_shape = RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z", _("Letters, digits, dots and hyphens, 40 at most."))


def in_language(zh: str, en: str) -> str:
    """The text for the reader; where one language is empty, the other serves both."""
    return (zh or en) if (get_language() or "zh").startswith("zh") else (en or zh)


def size_name(name: str, width: int) -> str:
    """Where the copy of an upload lies: "goods/ab12.jpg" at 480 is "goods/ab12-480.webp"."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{width}.webp"))


class Category(models.Model):
    slug = public(models.SlugField(_("address"), max_length=60, unique=True))
    name_zh = public(models.CharField(_("name in Chinese"), max_length=60))
    name_en = public(models.CharField(_("name in English"), max_length=60))
    position = public(models.PositiveSmallIntegerField(_("position"), default=0))

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("checkout:category", args=[self.slug])

    @property
    def name(self) -> str:
        return in_language(self.name_zh, self.name_en)


class ProductQuerySet(models.QuerySet["Product"]):
    def listed(self) -> "ProductQuerySet":
        """What shoppers see: listed products with something listed in them."""
        return self.filter(is_listed=True, variants__is_listed=True).distinct()


class Product(models.Model):
    slug = public(models.SlugField(_("address"), max_length=80, unique=True))
    category = public(models.ForeignKey(Category, models.PROTECT, related_name="products", verbose_name=_("category")))
    name_zh = public(models.CharField(_("name in Chinese"), max_length=120))
    name_en = public(models.CharField(_("name in English"), max_length=120))
    summary_zh = public(models.CharField(_("one line in Chinese"), max_length=200, blank=True, default=""))
    summary_en = public(models.CharField(_("one line in English"), max_length=200, blank=True, default=""))
    text_zh = public(models.TextField(_("text in Chinese"), max_length=5000, blank=True, default=""))
    text_en = public(models.TextField(_("text in English"), max_length=5000, blank=True, default=""))
    # a drawing of the sample shop, by its path under static/; merchants upload a picture instead
    drawing = public(models.CharField(_("drawing"), max_length=120, blank=True, default="", editable=False))
    picture = public(models.ImageField(_("picture"), upload_to="goods/", max_length=120, blank=True, default=""))
    is_listed = public(models.BooleanField(_("for sale"), default=True))
    position = public(models.PositiveSmallIntegerField(_("position"), default=0))
    created_at = public(models.DateTimeField(_("created"), db_default=Now(), editable=False))

    objects: ClassVar[ProductQuerySet] = ProductQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering: ClassVar = ["position", "pk"]
        indexes = (models.Index(fields=["category", "position"], name="product_by_category"),)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("checkout:product", args=[self.slug])

    @property
    def name(self) -> str:
        return in_language(self.name_zh, self.name_en)

    @property
    def summary(self) -> str:
        return in_language(self.summary_zh, self.summary_en)

    @property
    def text(self) -> str:
        return in_language(self.text_zh, self.text_en)

    @property
    def unit(self) -> str:
        """What the lowest price buys, "50 克"; only known of products that the shop window asked for."""
        return in_language(getattr(self, "unit_zh", "") or "", getattr(self, "unit_en", "") or "")

    @property
    def pictures(self) -> dict[int, str]:
        """Addresses of the upload's copies by their width in pixels."""
        store, name = self.picture.storage, str(self.picture.name)
        return {width: store.url(size_name(name, width)) for width in PICTURE_WIDTHS}


class Variant(models.Model):
    product = public(models.ForeignKey(Product, models.PROTECT, related_name="variants", verbose_name=_("product")))
    sku = public(models.CharField(_("article number"), max_length=40, unique=True, validators=[sku_shape]))
    name_zh = public(models.CharField(_("size or kind in Chinese"), max_length=60, blank=True, default=""))
    name_en = public(models.CharField(_("size or kind in English"), max_length=60, blank=True, default=""))
    price_fen = public(
        models.BigIntegerField(_("price (fen)"), validators=[MinValueValidator(0), MaxValueValidator(MOST_FEN)])
    )
    is_listed = public(models.BooleanField(_("for sale"), default=True))
    position = public(models.PositiveSmallIntegerField(_("position"), default=0))

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        ordering: ClassVar = ["position", "pk"]
        constraints = (
            models.CheckConstraint(
                condition=Q(price_fen__gte=0, price_fen__lte=MOST_FEN), name="variant_price_in_bounds"
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def name(self) -> str:
        return in_language(self.name_zh, self.name_en)

    @property
    def title(self) -> str:
        """Product and size in one line, as an order freezes it: "明前龙井 50 克"."""
        return f"{self.product.name} {self.name}".strip()

    @property
    def price(self) -> Money:
        return Money(self.price_fen)
