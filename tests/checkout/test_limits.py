"""How heavy pages are, how often they ask the database, and how much one shopper may hold."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from checkout.models import Cart, CartLine, Delivery, Stock
from checkout.sample_shop import seed_shop
from checkout.services.place_purchase import keep_draft, place_purchase
from payments.models import Order, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.services.close import close_due
from payments.services.relay_outbox import relay_outbox
from tests.checkout.conftest import CONTACT
from tests.conftest import make_merchant

HEAVIEST, HEAVIEST_SCRIPT = 40_000, 20_000  # bytes of a first visit without pictures, nothing compressed


# --- weight ---------------------------------------------------------------------------------------------------------


def weight(client: Client, path: str) -> tuple[int, int]:
    """Bytes of a page with its styles and scripts, and of the scripts alone; everything must come from us."""
    html = client.get(path).content.decode()
    linked = re.findall(r'<(?:script[^>]* src|link rel="(?:stylesheet|icon)"[^>]* href|link[^>]* href)="([^"]+)"', html)
    assert not [url for url in linked if url.startswith(("http", "//")) and not url.startswith("https://shop.example/")]
    sizes = {}
    for url in {url for url in linked if url.startswith("/static/")}:
        found = finders.find(url.removeprefix("/static/").split("?")[0])
        assert found, url
        with open(found, "rb") as file:
            sizes[url] = len(file.read())
    scripts = sum(size for url, size in sizes.items() if url.endswith(".js"))
    return len(html.encode()) + sum(sizes.values()), scripts


@pytest.mark.parametrize("path", ["/", "/?q=龙井", "/goods/longjing/", "/goods/keemun/", "/cart/", "/about/rules/"])
def test_a_first_visit_is_light(client, committed_db, path):
    seed_shop()
    whole, scripts = weight(client, path)

    assert whole <= HEAVIEST
    assert scripts <= HEAVIEST_SCRIPT


def test_the_way_to_the_paid_page_is_light(buy, make_variant):
    for n in range(10):
        buy.add(make_variant(f"SKU-{n}"))
    for path in ("/cart/", "/checkout/"):
        assert weight(buy.client, path)[0] <= HEAVIEST, path
    buy.contact()
    assert weight(buy.client, "/checkout/pay/")[0] <= HEAVIEST
    buy.confirm()
    order = Order.objects.get()
    for path in (f"/pay/{order.token}/", f"/order/{order.token}/"):
        whole, scripts = weight(buy.client, path)
        assert whole <= HEAVIEST, path
        assert scripts <= HEAVIEST_SCRIPT, path


# --- questions to the database --------------------------------------------------------------------------------------


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200, path
    return len(seen)


def test_pages_ask_the_database_the_same_few_times_however_much_is_in_the_cart(buy, make_variant):
    most = {"/cart/": 4, "/checkout/": 4, "/checkout/pay/": 4}
    buy.add(make_variant())
    buy.contact()
    few = {path: queries(buy.client, path) for path in most}
    for n in range(12):
        buy.add(make_variant(f"SKU-{n}"))

    assert {path: queries(buy.client, path) for path in most} == few
    assert all(few[path] <= most[path] for path in most), few


def test_a_product_costs_the_same_for_one_kind_and_for_many(client, make_variant):
    first = make_variant()
    few = queries(client, "/goods/lj-50/")
    for n in range(8):
        kind = type(first).objects.create(product=first.product, sku=f"K-{n}", name_zh=f"{n}", price_fen=100)
        Stock.objects.create(variant=kind, on_hand=n % 2)

    assert queries(client, "/goods/lj-50/") == few <= 3


def test_an_order_costs_the_same_for_one_line_and_for_many(buy, make_variant):
    buy.add(make_variant())
    buy.contact()
    buy.confirm()
    order = Order.objects.get()
    paths = {f"/order/{order.token}/": 6, f"/pay/{order.token}/": 3}
    few = {path: queries(buy.client, path) for path in paths}
    buy.client.post("/checkout/leave")
    for n in range(12):
        buy.add(make_variant(f"SKU-{n}"))
    buy.confirm()
    larger = Order.objects.order_by("-pk")[0]

    assert all(few[path] <= paths[path] for path in paths), few
    assert [queries(buy.client, path.replace(order.token, larger.token)) for path in paths] == list(few.values())


def test_the_history_costs_the_same_for_one_order_and_for_many(committed_db, merchant, make_order, client):
    user = User.objects.create_user("lin@example.com", "x")
    client.force_login(user)

    def add() -> None:
        Delivery.objects.create(order=make_order(), buyer=user, name="x", mobile="x", region="x", address="x")

    add()
    few = queries(client, "/orders/")
    for _ in range(15):
        add()

    assert queries(client, "/orders/") == few <= 7


@pytest.mark.parametrize("state", [Transaction.State.CREATED, Transaction.State.PRESENTED, Transaction.State.CLOSED])
def test_the_status_is_one_indexed_read_in_every_state(client, order, make_attempt, state, django_assert_num_queries):
    make_attempt(order, state=state)
    with django_assert_num_queries(1):
        answer = client.get(f"/pay/{order.token}/status")

    assert len(answer.content) <= 200
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        from payments.queries.paying import PAYING  # noqa: PLC0415  # beside its use

        cursor.execute(f"EXPLAIN {PAYING}", {"token": order.token})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "order_token_once" in plan
    assert "Seq Scan on payments_order" not in plan


# --- how much one shopper may hold ----------------------------------------------------------------------------------


def guest_order(variant, n: int) -> Order:
    cart = Cart.objects.create()
    CartLine.objects.create(cart=cart, variant=variant, quantity=1, seen_fen=variant.price_fen)
    keep_draft(cart, {**CONTACT, "mobile": "13800000000"})
    return place_purchase(
        cart, key=f"{n:020}", seen_total=Money(variant.price_fen), language="en", user=None
    )  # fmt: skip


@pytest.mark.rows("C13")
def test_one_address_places_thirty_orders_in_ten_minutes_and_no_more(make_variant, merchant):
    variant, placed = make_variant(stock=99), []
    for _ in range(32):
        browser = Client()
        browser.post("/cart/add", {"variant": variant.pk, "quantity": 1})
        browser.post("/checkout/", CONTACT)
        page = browser.get("/checkout/pay/")
        form = {"key": page.context["key"], "total_fen": page.context["contents"].total.fen, "way": "page"}
        placed.append(browser.post("/checkout/pay/", form).status_code)

    assert placed == [303] * 30 + [429] * 2
    assert Stock.objects.get().held == 30


@pytest.mark.rows("C13")
def test_an_account_holds_goods_for_one_unpaid_order(make_variant, connected):
    variant, user = make_variant(stock=99), User.objects.create_user("lin@example.com", "x")
    for n in range(3):
        browser = Client()  # another browser of the same account each time
        browser.force_login(user)
        browser.post("/cart/add", {"variant": variant.pk, "quantity": 5})
        browser.post("/checkout/", CONTACT)
        browser.post("/checkout/pay/", {"key": f"{n:020}", "total_fen": 5 * 12800, "way": "qr"})

    assert Order.objects.count() == 1
    assert Stock.objects.get().held == 5


@pytest.mark.rows("C13")
def test_what_many_unpaid_orders_held_is_back_with_the_next_sweep_after_their_time(make_variant, merchant, clocks):
    variant = make_variant(stock=100)
    orders = [guest_order(variant, n) for n in range(100)]
    assert Stock.objects.get().free == 0

    grace = timedelta(seconds=120)
    Order.objects.update(expires_at=database_now() - grace + timedelta(seconds=30))
    close_due(limit=500)
    assert Stock.objects.get().free == 0, "not before the grace is over"
    Order.objects.update(expires_at=database_now() - grace)
    close_due(limit=500)
    while relay_outbox(limit=500):
        pass

    assert Stock.objects.get().free == 100
    assert Order.objects.filter(state=Order.State.CLOSED).count() == len(orders)


# --- one press, many times ------------------------------------------------------------------------------------------


@pytest.mark.rows("C12", "F74")
def test_two_hundred_posts_with_one_key_make_one_order_and_one_payment(
    committed_db, make_variant, identity, twin, client
):
    twin.control("faults", mute="true")
    make_merchant(identity, f"{twin.url}/gateway.do")
    variant = make_variant(stock=500)
    client.post("/cart/add", {"variant": variant.pk, "quantity": 2})
    client.post("/checkout/", CONTACT)
    pressed = {"key": client.get("/checkout/pay/").context["key"], "total_fen": 25600, "way": "qr"}
    start = threading.Barrier(40)

    def press(n: int) -> tuple[int, str]:
        browser = Client(REMOTE_ADDR=f"10.0.0.{n % 10}")  # as if a proxy of several nodes repeated it
        browser.cookies["cart"] = client.cookies["cart"].value
        if n < 40:
            start.wait(30)
        try:
            answer = browser.post("/checkout/pay/", pressed)
        finally:
            connection.close()
        return answer.status_code, answer.get("Location", "") or answer.get("Retry-After", "")

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(press, range(200)))

    order = Order.objects.get()
    assert set(answers) <= {(303, f"/pay/{order.token}/"), (409, "1")}
    assert (303, f"/pay/{order.token}/") in answers
    assert Transaction.objects.count() == 1
    assert len(twin.site.alipay.book.trades) == 1
    assert Stock.objects.get(pk=variant.pk).held == 2
