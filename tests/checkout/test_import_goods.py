"""Goods from spreadsheets: real files, real rows; what can't be taken is said row by row."""

import csv
import io
import json
import zipfile

import openpyxl  # type: ignore[import-untyped]  # ships no types
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from checkout.models import Category, Product, Stock, Variant
from checkout.services.import_goods import FileRefused, import_goods

HEAD = ["sku", "slug", "category", "name_zh", "name_en", "size_zh", "size_en", "price", "stock", "summary_zh"]
GOOD = ["LJ-50", "longjing", "green", "明前龙井", "Longjing", "50 克", "50 g", "88.80", "40", "清甜"]
MORE = ["LJ-100", "longjing", "green", "明前龙井", "Longjing", "100 克", "100 g", "168", "3", "清甜"]


@pytest.fixture(autouse=True)
def green(db) -> Category:
    return Category.objects.create(slug="green", name_zh="绿茶", name_en="Green tea")


def as_csv(*rows, head=HEAD, encoding="utf-8") -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    return out.getvalue().encode(encoding)


def as_xlsx(*rows, head=HEAD) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in [head, *rows]:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def with_(column: str, value: str, row=GOOD) -> list[str]:
    return [value if name == column else old for name, old in zip(HEAD, row, strict=True)]


def everything() -> list:
    return [list(model.objects.order_by("pk").values()) for model in (Product, Variant, Stock)]


FILES = {
    "utf-8": as_csv(GOOD, MORE),
    "utf-8 with BOM": as_csv(GOOD, MORE, encoding="utf-8-sig"),
    "gb18030": as_csv(GOOD, MORE, encoding="gb18030"),
    "xlsx": as_xlsx(GOOD, MORE),
    "xlsx with numbers": as_xlsx([*GOOD[:7], 88.8, 40, GOOD[9]], [*MORE[:7], 168, 3.0, MORE[9]]),
    "semicolons": as_csv(GOOD, MORE).replace(b",", b";"),
    "full-width figures": as_csv(with_("price", "￥８８.８０"), with_("stock", "３", MORE)),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_the_same_goods_come_out_of_every_kind_of_file_and_twice_changes_nothing(content):
    report = import_goods(content, dry_run=False)

    assert (report.added, report.changed, report.unchanged, report.refused) == (2, 0, 0, ())
    assert Product.objects.get().name_zh == "明前龙井"
    facts = Variant.objects.values_list("sku", "name_zh", "price_fen", "stock__on_hand")
    assert list(facts) == [("LJ-50", "50 克", 8880, 40), ("LJ-100", "100 克", 16800, 3)]

    before = everything()
    again = import_goods(content, dry_run=False)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert everything() == before


def test_columns_come_in_any_order_and_unknown_ones_are_told():
    order = list(reversed(HEAD))
    report = import_goods(as_csv([*reversed(GOOD), "blue"], head=[*order, "colour"]), dry_run=False)

    assert (report.added, report.unknown_columns) == (1, ("colour",))


def test_a_dry_run_says_the_same_and_writes_nothing():
    import_goods(as_csv(GOOD), dry_run=False)
    before = everything()
    content = as_csv(with_("price", "90"), MORE, with_("sku", "bad sku"))

    dry = import_goods(content, dry_run=True)
    assert everything() == before
    real = import_goods(content, dry_run=False)
    assert (dry.added, dry.changed, dry.refused) == (real.added, real.changed, real.refused)
    assert (real.added, real.changed, len(real.refused)) == (1, 1, 1)
    assert (dry.applied, real.applied) == (False, True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sku", ""), ("sku", "-x"), ("sku", "x" * 41), ("slug", "龙井"), ("slug", ""), ("category", "black"),
        ("name_zh", ""), ("name_en", "x" * 121), ("price", ""), ("price", "88.801"), ("price", "-1"), ("price", "1e2"),
        ("price", "1,280.00"), ("price", "10000000.01"), ("stock", "-1"), ("stock", "2.5"), ("stock", "1000001"),
        ("stock", "²"), ("summary_zh", "长" * 201),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_refused_with_its_number_and_column_and_the_others_come_in(column, value):
    report = import_goods(as_csv(with_("sku", "OK-1"), with_(column, value), [""] * 10, MORE), dry_run=False)

    assert [(each.row, each.column) for each in report.refused] == [(3, column)]
    assert report.refused[0].reason
    assert sorted(Variant.objects.values_list("sku", flat=True)) == ["LJ-100", "OK-1"]


def test_rows_that_contradict_each_other_are_refused():
    Category.objects.create(slug="black", name_zh="红茶", name_en="Black tea")
    report = import_goods(
        as_csv(GOOD, GOOD, with_("name_en", "Other", MORE), with_("category", "black", MORE)), dry_run=False
    )

    assert [(each.row, each.column) for each in report.refused] == [(3, "sku"), (4, "name_en"), (5, "category")]
    assert Product.objects.get().name_en == "Longjing"


def test_an_article_number_never_moves_to_another_product():
    import_goods(as_csv(GOOD), dry_run=False)
    report = import_goods(as_csv(with_("slug", "maofeng")), dry_run=False)

    assert [each.column for each in report.refused] == ["sku"]
    assert "longjing" in report.refused[0].reason
    assert Product.objects.count() == 1


def test_stock_never_falls_below_what_unpaid_orders_hold():
    import_goods(as_csv(GOOD), dry_run=False)
    Stock.objects.update(held=5)

    assert [each.column for each in import_goods(as_csv(with_("stock", "4")), dry_run=False).refused] == ["stock"]
    assert import_goods(as_csv(with_("stock", "5")), dry_run=False).changed == 1
    assert Stock.objects.get().on_hand == 5


def test_what_the_file_leaves_out_stays():
    import_goods(as_csv(GOOD), dry_run=False)
    short = [row for name, row in zip(HEAD, GOOD, strict=True) if name in HEAD[:5] or name == "price"]
    report = import_goods(as_csv(short, head=[*HEAD[:5], "price"]), dry_run=False)

    assert report.unchanged == 1
    assert import_goods(as_csv(with_("stock", "")), dry_run=False).unchanged == 1
    assert Stock.objects.get().on_hand == 40


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (41 * 1024 * 1024))
    return out.getvalue()


UNREADABLE = {
    "empty": b"",
    "no headings": as_csv(head=GOOD),
    "a column missing": as_csv(GOOD[1:], head=HEAD[1:]),
    "a column twice": as_csv([*GOOD, "1"], head=[*HEAD, "price"]),
    "too large": b"x" * (2 * 1024 * 1024 + 1),
    "too many rows": as_csv(*[["x"]] * 5001),
    "too many rows, xlsx": as_xlsx(*[["x"]] * 5001),
    "a zip bomb": bomb(),
    "a zip of something else": as_xlsx(GOOD)[:2000],
    "a picture": b"\x89PNG\r\n\x1a\n\x00\xff\xff",
    "an open quote": as_csv(GOOD) + b'"open',
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_none_is_refused_whole_and_in_words(content):
    with pytest.raises(FileRefused) as refused:
        import_goods(content, dry_run=False)

    assert str(refused.value)
    assert Product.objects.count() == 0


def test_a_sheet_with_one_far_cell_is_not_walked_to_its_end():
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (HEAD, GOOD):
        book.active.append(row)
    book.active["XFD9"] = "far"
    book.save(out)

    assert import_goods(out.getvalue(), dry_run=False).added == 1


def test_many_rows_cost_few_queries(django_assert_max_num_queries):
    rows = [with_("sku", f"S-{n}", with_("slug", f"s-{n // 2}")) for n in range(2000)]
    content = as_csv(*rows)

    with django_assert_max_num_queries(40):
        assert import_goods(content, dry_run=False).added == 2000
    with django_assert_max_num_queries(12):
        assert import_goods(content, dry_run=False).unchanged == 2000


# --- the command ----------------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("import_goods", *words, stdout=out)
    return out.getvalue()


def test_the_command_imports_and_speaks_json(tmp_path):
    path = tmp_path / "goods.csv"
    path.write_bytes(as_csv(GOOD))

    assert "would be added 1" in run(str(path), "--dry-run")
    assert Variant.objects.count() == 0
    assert json.loads(run(str(path), "--json"))["added"] == 1


def test_the_command_ends_with_1_when_rows_were_refused(tmp_path, capsys):
    path = tmp_path / "goods.xlsx"
    path.write_bytes(as_xlsx(GOOD, with_("price", "free", MORE)))

    out = io.StringIO()
    with pytest.raises(SystemExit) as end, translation.override("en"):
        call_command("import_goods", str(path), stdout=out)
    assert end.value.code == 1
    assert "row 3, price: " in out.getvalue()
    assert Variant.objects.get().sku == "LJ-50"


def test_the_command_says_why_a_file_is_none(tmp_path):
    with pytest.raises(CommandError, match="can't be read"):
        run(str(tmp_path / "nothing.csv"))
