"""Goods from a spreadsheet: CSV (UTF-8 or GB18030) or XLSX, one row a variant. The same file twice changes nothing.

Columns, in any order, named in the first row
  needed     sku, slug, category (its address), name_zh, name_en, price (yuan, "88.80")
  if wanted  size_zh, size_en, stock, summary_zh, summary_en, text_zh, text_en
A column that is left out leaves what is there; an empty stock does too.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import openpyxl  # type: ignore[import-untyped]  # ships no types
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from checkout.errors import CheckoutError
from checkout.models import Category, Product, Stock, Variant
from checkout.models.catalogue import MOST_FEN
from checkout.models.stock import MOST_PIECES
from payments.errors import InvalidAmount
from payments.money import Money

MOST_BYTES = 2 * 1024 * 1024
MOST_UNPACKED_BYTES = 40 * 1024 * 1024  # of an XLSX, which is a zip
MOST_ROWS = 5_000
MOST_COLUMNS = 60
LAST_POSITION = 32_767

NEEDED = ("sku", "slug", "category", "name_zh", "name_en", "price")
PRODUCT_TEXTS = ("name_zh", "name_en", "summary_zh", "summary_en", "text_zh", "text_en")
VARIANT_TEXTS = {"size_zh": "name_zh", "size_en": "name_en"}
KNOWN = (*NEEDED, *VARIANT_TEXTS, "stock", *PRODUCT_TEXTS[2:])

_NARROW = str.maketrans("０１２３４５６７８９．￥", "0123456789.¥")

Row = dict[str, str]


class FileRefused(CheckoutError):
    """Nothing of this file can be read; the text says why, in the reader's language."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one row is left out. `row` counts as a spreadsheet does: the headings are row 1."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do. A row is counted once in `added`, `changed`, `unchanged`, or is in `refused`."""

    added: int
    changed: int
    unchanged: int
    refused: tuple[Refusal, ...]
    unknown_columns: tuple[str, ...]
    applied: bool


def import_goods(content: bytes, *, dry_run: bool) -> Report:
    """Bring the goods to what the file says: all good rows in one transaction, and a word on each of the others.

    content  the file as uploaded, 2 MB and 5,000 rows at most; XLSX is told from CSV by its first bytes
    dry_run  report only
    Raises FileRefused; nothing has happened then.
    """
    columns, rows = _read(content)
    with transaction.atomic():
        # imports take turns; shoppers only wait where the stock of these very goods is being set
        categories = {each.slug: each for each in Category.objects.select_for_update(no_key=True)}
        plan = _Plan(columns, categories)
        plan.load(rows)
        for number, row in rows:
            plan.take(number, row)
        if not dry_run:
            plan.write()
    unknown = tuple(name for name in columns if name and name not in KNOWN)
    return Report(plan.added, plan.changed, plan.unchanged, tuple(plan.refused), unknown, applied=not dry_run)


# --- reading --------------------------------------------------------------------------------------------------------


def _read(content: bytes) -> tuple[list[str], list[tuple[int, Row]]]:
    """The headings, and each row that is not blank with its number. Raises FileRefused."""
    if len(content) > MOST_BYTES:
        raise FileRefused(_("The file is larger than 2 MB. Split it into several."))
    lines = _xlsx_lines(content) if content.startswith(b"PK\x03\x04") else _csv_lines(content)
    columns = [word.casefold() for word in next(lines, [])]
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise FileRefused(_("The first row must name the columns. Missing: {names}").format(names=", ".join(missing)))
    twice = sorted({name for name in columns if name in KNOWN and columns.count(name) > 1})
    if twice:
        raise FileRefused(_("These columns are there twice: {names}").format(names=", ".join(twice)))
    rows = []
    for number, line in enumerate(lines, start=2):
        if number > MOST_ROWS + 1:
            raise FileRefused(_("The file has more than 5,000 rows. Split it into several."))
        if any(line):
            rows.append((number, dict(zip(columns, [*line, *[""] * (len(columns) - len(line))], strict=False))))
    return columns, rows


def _csv_lines(content: bytes) -> Iterator[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            raise FileRefused(_("This is neither XLSX nor CSV in UTF-8 or GB18030.")) from None
    if "\0" in text:
        raise FileRefused(_("This is neither XLSX nor CSV in UTF-8 or GB18030."))
    first = text.split("\n", 1)[0]
    mark = max(",;\t", key=first.count)
    try:
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True):
            yield [word.strip() for word in line]
    except csv.Error as error:
        raise FileRefused(_("The CSV can't be read: {why}").format(why=error)) from None


def _xlsx_lines(content: bytes) -> Iterator[list[str]]:
    """The first sheet, cell values as text. What a zip says of its sizes is a promise zipfile holds it to."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MOST_UNPACKED_BYTES:
            raise FileRefused(_("Unpacked, the workbook is larger than 40 MB."))
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        for line in sheet.iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS, values_only=True):
            yield [_cell(value) for value in line]
    except (FileRefused, GeneratorExit):
        raise
    except Exception as error:  # a damaged workbook breaks openpyxl in as many ways as it can be damaged
        raise FileRefused(_("The workbook can't be opened. Save it again as .xlsx or as CSV.")) from error


def _cell(value: object) -> str:
    """A cell as typed: 88.8 and "88.8" are the same price, 5.0 and 5 the same stock."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


# --- judging --------------------------------------------------------------------------------------------------------


class _Bad(Exception):
    def __init__(self, column: str, reason: str) -> None:
        self.column, self.reason = column, reason


@dataclass
class _Plan:
    """What is there, and what is to become of it. Nothing is written before `write`."""

    columns: list[str]
    categories: dict[str, Category]
    products: dict[str, Product] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    stocks: dict[int, Stock] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)  # product values, by slug, as the first row gave them
    rows_of: dict[str, int] = field(default_factory=dict)  # sku -> the row that took it
    touched: dict[str, set[str]] = field(default_factory=lambda: {"products": set(), "variants": set()})
    new_stocks: dict[str, Stock] = field(default_factory=dict)
    changed_stocks: list[Stock] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)  # slug -> position of its next variant
    next_position: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def load(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Read what the rows name. Four queries, whatever their number."""
        slugs, skus = {row["slug"] for _number, row in rows}, {row["sku"] for _number, row in rows}
        self.products = {each.slug: each for each in Product.objects.filter(slug__in=slugs)}
        self.variants = {each.sku: each for each in Variant.objects.filter(sku__in=skus).select_related("product")}
        ids = [each.pk for each in self.variants.values()]
        self.stocks = {each.pk: each for each in Stock.objects.filter(pk__in=ids).order_by("pk").select_for_update()}
        last = Product.objects.aggregate(last=Max("position"))["last"]
        self.next_position = 0 if last is None else last + 1
        ends = Variant.objects.filter(product__slug__in=slugs).values_list("product__slug").annotate(Max("position"))
        self.kinds = {slug: end + 1 for slug, end in ends}

    def take(self, number: int, row: Row) -> None:
        """Judge one row, and note what it changes or why it is left out."""
        try:
            self._take(number, row)
        except _Bad as bad:
            self.refused.append(Refusal(number, bad.column, bad.reason))

    def _take(self, number: int, row: Row) -> None:
        slug, sku = _text(Product, "slug", row, "slug"), _text(Variant, "sku", row, "sku")
        if sku in self.rows_of:
            raise _Bad("sku", _("This article number is in row {row} already.").format(row=self.rows_of[sku]))
        category = self.categories.get(row["category"])
        if category is None:
            raise _Bad("category", _("There is no category with the address “{slug}”.").format(slug=row["category"]))
        of_product: dict[str, Any] = {"category_id": category.pk}
        of_product |= {name: _text(Product, name, row, name) for name in PRODUCT_TEXTS if name in row}
        of_variant: dict[str, Any] = {"price_fen": _price(row["price"])}
        of_variant |= {
            name: _text(Variant, name, row, column) for column, name in VARIANT_TEXTS.items() if column in row
        }
        pieces = _pieces(row.get("stock", ""))
        self._agrees(slug, of_product)
        variant = self.variants.get(sku)
        if variant is not None and variant.product.slug != slug:
            raise _Bad("sku", _("This article number belongs to “{slug}”.").format(slug=variant.product.slug))
        stock = None if variant is None else self.stocks.get(variant.pk)
        if stock is not None and pieces is not None and pieces < stock.held:
            raise _Bad("stock", _("Unpaid orders hold {held} of these; stock can't be less.").format(held=stock.held))
        # the row is good: from here on nothing refuses it
        self.rows_of[sku] = number
        moved = self._set_product(slug, of_product)
        if variant is None:
            self._add_variant(slug, sku, of_variant, pieces or 0)
            self.added += 1
            return
        moved |= self._set_variant(variant, of_variant) | self._set_stock(variant, stock, pieces)
        self.changed += moved
        self.unchanged += not moved

    def _agrees(self, slug: str, values: dict[str, Any]) -> None:
        for name, value in self.said.get(slug, values).items():
            if values[name] != value:
                column = "category" if name == "category_id" else name
                raise _Bad(column, _("An earlier row says something else about the same product."))

    def _set_product(self, slug: str, values: dict[str, Any]) -> bool:
        self.said[slug] = values
        product = self.products.get(slug)
        if product is None:
            product = Product(slug=slug, position=min(self.next_position, LAST_POSITION))
            self.products[slug], self.next_position = product, self.next_position + 1
        moved = _set(product, values)
        if moved and product.pk is not None:
            self.touched["products"].add(slug)
        return moved

    def _add_variant(self, slug: str, sku: str, values: dict[str, Any], pieces: int) -> None:
        position = self.kinds.get(slug, 0)
        self.kinds[slug] = position + 1
        variant = Variant(product=self.products[slug], sku=sku, position=min(position, LAST_POSITION), **values)
        self.variants[sku] = variant
        self.new_stocks[sku] = Stock(variant=variant, on_hand=pieces)

    def _set_variant(self, variant: Variant, values: dict[str, Any]) -> bool:
        moved = _set(variant, values)
        if moved:
            self.touched["variants"].add(variant.sku)
        return moved

    def _set_stock(self, variant: Variant, stock: Stock | None, pieces: int | None) -> bool:
        if stock is None:
            self.new_stocks[variant.sku] = Stock(variant=variant, on_hand=pieces or 0)
            return True
        if pieces is None or stock.on_hand == pieces:
            return False
        stock.on_hand = pieces
        self.changed_stocks.append(stock)
        return True

    def write(self) -> None:
        """All of it, in batches, inside the caller's transaction."""
        products = [self.products[slug] for slug in self.said]
        Product.objects.bulk_create([each for each in products if each.pk is None], batch_size=500)
        changed_products = [self.products[slug] for slug in self.touched["products"]]
        Product.objects.bulk_update(changed_products, ["category_id", *PRODUCT_TEXTS], batch_size=500)
        new = [self.variants[sku] for sku in self.new_stocks if self.variants[sku].pk is None]
        for variant in new:
            variant.product = variant.product  # the key its product has by now
        Variant.objects.bulk_create(new, batch_size=500)
        changed = [self.variants[sku] for sku in self.touched["variants"]]
        Variant.objects.bulk_update(changed, ["price_fen", "name_zh", "name_en"], batch_size=500)
        for sku, stock in self.new_stocks.items():
            stock.variant = self.variants[sku]
        Stock.objects.bulk_create(self.new_stocks.values(), batch_size=500)
        Stock.objects.bulk_update(self.changed_stocks, ["on_hand"], batch_size=500)


def _set(record: models.Model, values: dict[str, Any]) -> bool:
    """Put the values on the record. True when one of them was another before."""
    moved = record._state.adding or any(getattr(record, name) != value for name, value in values.items())
    for name, value in values.items():
        setattr(record, name, value)
    return moved


def _text(model: type[models.Model], name: str, row: Row, column: str) -> str:
    """A text as the field itself judges it."""
    try:
        return str(cast("models.Field[Any, Any]", model._meta.get_field(name)).clean(row[column], None))
    except ValidationError as error:
        raise _Bad(column, error.messages[0]) from None


def _price(text: str) -> int:
    try:
        money = Money.from_yuan(text.translate(_NARROW).removeprefix("¥").strip())
    except InvalidAmount:
        raise _Bad("price", _("Write the price in yuan with at most two decimals, for example 88.80.")) from None
    if money.fen > MOST_FEN:
        raise _Bad("price", _("The price is higher than {most}.").format(most=Money(MOST_FEN)))
    return money.fen


def _pieces(text: str) -> int | None:
    plain = text.translate(_NARROW)
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) < 9 and int(plain) <= MOST_PIECES):
        raise _Bad("stock", _("Write the pieces in stock as a whole number, 1,000,000 at most."))
    return int(plain)
