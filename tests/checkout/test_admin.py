"""Looking after the goods: prices in yuan, stock that shoppers change meanwhile, import with a preview."""

import io
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from checkout.models import Category, Product, Stock, Variant
from checkout.models.catalogue import size_name
from checkout.sample_shop import seed_shop
from payments.models import User
from tests.conftest import enter

PRODUCTS = "/admin/checkout/product/"


@pytest.fixture
def staff(db) -> Client:
    client = Client(headers={"accept-language": "en"})
    enter(client, User.objects.create_superuser("boss@example.com", "x"))
    return client


@pytest.fixture
def kind(db) -> Variant:
    seed_shop()
    return Variant.objects.get(sku="LJ-50")


def shown(client: Client, url: str) -> dict[str, Any]:
    """What a browser would send back, were nothing typed."""
    page = client.get(url)
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    values: dict[str, Any] = {}
    for form in forms:
        for field in form:
            value = field.value()
            if value is True:
                values[field.html_name] = "on"
            elif value is not None and value is not False and field.name != "picture":
                values[field.html_name] = str(value)
            if field.field.show_hidden_initial:
                values[field.html_initial_name] = str(value)
    return values


def kind_page(kind: Variant) -> str:
    return reverse("admin:checkout_variant_change", args=[kind.pk])


def product_page(product: Product) -> str:
    return reverse("admin:checkout_product_change", args=[product.pk])


@pytest.mark.parametrize("model", ["category", "product", "variant"])
def test_every_list_opens_and_costs_the_same_for_many_rows(staff, kind, model, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        assert staff.get(f"/admin/checkout/{model}/", {"q": "LJ" if model != "category" else "tea"}).status_code == 200


@pytest.mark.parametrize(("left", "skus"), [("none", {"LJ-250", "CC-6", "QM-100"}), ("few", {"TP-160", "FS-4C"})])
def test_stock_is_filtered_by_what_is_left(staff, kind, left, skus):
    found = {each.sku for each in staff.get("/admin/checkout/variant/", {"left": left}).context["cl"].result_list}

    assert found >= skus
    assert "LJ-50" not in found


def test_a_price_is_shown_and_typed_in_yuan(staff, kind):
    values = shown(staff, kind_page(kind))
    assert values["price_fen"] == "88.80"

    assert staff.post(kind_page(kind), {**values, "price_fen": "90.5"}).status_code == 302
    kind.refresh_from_db()
    assert kind.price_fen == 9050


@pytest.mark.parametrize("typed", ["", "abc", "-1", "88.801", "1e3", "10000000.01"])
def test_a_price_that_is_none_is_refused_in_words_and_kept_in_the_field(staff, kind, typed):
    page = staff.post(kind_page(kind), {**shown(staff, kind_page(kind)), "price_fen": typed})

    form = page.context["adminform"].form
    assert form.errors["price_fen"]
    assert form["price_fen"].value() == typed
    assert Variant.objects.get(pk=kind.pk).price_fen == 8880


def test_pieces_sold_while_the_page_was_open_stay_sold(staff, kind):
    values = shown(staff, kind_page(kind))
    Stock.objects.filter(pk=kind.pk).update(on_hand=35)  # 5 of 40 sold meanwhile

    assert staff.post(kind_page(kind), {**values, "name_en": "a new word"}).status_code == 302
    assert Stock.objects.get(pk=kind.pk).on_hand == 35
    assert staff.post(kind_page(kind), {**values, "on_hand": "50"}).status_code == 302  # ten came in
    assert Stock.objects.get(pk=kind.pk).on_hand == 45


def test_stock_never_falls_below_what_unpaid_orders_hold(staff, kind):
    Stock.objects.filter(pk=kind.pk).update(held=5)
    values = shown(staff, kind_page(kind))

    page = staff.post(kind_page(kind), {**values, "on_hand": "4"})
    assert "on_hand" in page.context["adminform"].form.errors
    assert staff.post(kind_page(kind), {**values, "on_hand": "5"}).status_code == 302
    assert Stock.objects.get(pk=kind.pk).on_hand == 5


def test_stock_is_changed_beside_its_product(staff, kind):
    values = shown(staff, product_page(kind.product))
    assert (values["variants-0-sku"], values["variants-0-on_hand"]) == ("LJ-50", "40")

    response = staff.post(product_page(kind.product), {**values, "variants-0-on_hand": "41"})
    assert response.status_code == 302
    in_order = Stock.objects.filter(variant__product=kind.product).order_by("variant__position", "pk")
    assert list(in_order.values_list("on_hand", flat=True)) == [41, 24, 0]


def new_product(**more: Any) -> dict[str, Any]:
    category = Category.objects.create(slug="green", name_zh="绿茶", name_en="Green tea")
    return {
        "slug": "biluochun", "category": category.pk, "name_zh": "碧螺春", "name_en": "Biluochun", "is_listed": "on",
        "position": "0", "variants-TOTAL_FORMS": "1", "variants-INITIAL_FORMS": "0", "variants-0-sku": "BL-50",
        "variants-0-price_fen": "120", "variants-0-on_hand": "6", "initial-variants-0-on_hand": "0",
        "variants-0-is_listed": "on", "variants-0-position": "0", **more,
    }  # fmt: skip


def test_a_new_product_comes_with_its_kinds_and_stock(staff):
    assert staff.post(f"{PRODUCTS}add/", new_product()).status_code == 302

    made = Variant.objects.select_related("stock", "product").get()
    assert (made.product.slug, made.price_fen, made.stock.on_hand) == ("biluochun", 12000, 6)


def png(width: int = 1000) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, 10)).save(out, "PNG")
    return out.getvalue()


def test_an_uploaded_picture_gets_a_name_of_ours_and_two_sizes(staff):
    upload = SimpleUploadedFile("../../evil.html", png(), "image/png")
    assert staff.post(f"{PRODUCTS}add/", new_product(picture=upload)).status_code == 302

    name = str(Product.objects.get().picture.name)
    assert name.startswith("goods/")
    assert name.endswith(".png")
    assert "evil" not in name
    assert all(default_storage.exists(size_name(name, width)) for width in (480, 960))


@pytest.mark.parametrize("content", [b"<svg/>", png(6001)], ids=["an SVG", "too wide"])
def test_a_picture_we_do_not_take_is_refused_at_its_field(staff, content):
    page = staff.post(f"{PRODUCTS}add/", new_product(picture=SimpleUploadedFile("tea.png", content, "image/png")))

    assert page.context["adminform"].form.errors["picture"]
    assert Product.objects.count() == 0


# --- import ---------------------------------------------------------------------------------------------------------

GOOD = "sku,slug,category,name_zh,name_en,price,stock\nLJ-50,longjing,green-tea,明前龙井,Longjing,91.20,7\n"
BAD = "XX-1,xx,nowhere,<b>某茶</b>,Some,1,1\n"


def upload(text: str) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("goods.csv", text.encode(), "text/csv")}


def test_the_import_is_reached_from_the_list_previewed_and_then_done(staff, kind):
    page = reverse("admin:checkout_product_import")
    assert page in staff.get(PRODUCTS).content.decode()
    assert staff.get(page).status_code == 200

    preview = staff.post(page, upload(GOOD + BAD))
    assert Variant.objects.get(sku="LJ-50").price_fen == 8880
    assert [each.row for each in preview.context["report"].refused] == [3]
    assert "nowhere" in preview.content.decode()

    done = staff.post(page, {"apply": preview.context["token"]}, follow=True)
    assert "1 changed" in done.content.decode()
    assert Variant.objects.get(sku="LJ-50").price_fen == 9120
    assert Stock.objects.get(variant__sku="LJ-50").on_hand == 7

    Stock.objects.filter(variant__sku="LJ-50").update(on_hand=6)  # one is sold, and the button is pressed again
    staff.post(page, {"apply": preview.context["token"]})
    assert Stock.objects.get(variant__sku="LJ-50").on_hand == 6


def test_a_file_that_is_none_is_refused_at_its_field(staff):
    page = staff.post(reverse("admin:checkout_product_import"), upload("a,b\n1,2\n"))

    assert page.context["form"].errors["file"]


def test_a_preview_is_only_for_whoever_made_it(staff, kind):
    page = reverse("admin:checkout_product_import")
    token = staff.post(page, upload(GOOD)).context["token"]
    other = Client()
    enter(other, User.objects.create_superuser("other@example.com", "x"))

    assert other.post(page, {"apply": token}).status_code == 200
    assert staff.post(page, {"apply": "guessed"}).status_code == 200
    assert Variant.objects.get(sku="LJ-50").price_fen == 8880


def test_staff_without_the_right_may_not_import(db, client):
    page = reverse("admin:checkout_product_import")
    assert client.get(page).status_code == 302

    enter(client, User.objects.create_user("helper@example.com", "x", is_staff=True))
    assert client.get(page).status_code == 403
    assert client.post(page, upload(GOOD)).status_code == 403
