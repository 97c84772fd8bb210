"""The shorter run: what was written since the last green run is found, by whomever and whatever trace it left."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from django.db import connections, transaction

from checkout.models import Category, Product, Stock, StockHold, Variant
from payments import gateway
from payments.models import AuditEvent, BooksCheck, Order
from payments.queries import touched
from payments.queries.touched import Mark
from payments.services.check_books import check_books
from tests.conftest import make_merchant, wait_until
from tests.payments.test_invariants import EVENT, NAMED, TRANSFER, plant, written

# Beside NAMED: of goods, of a call, and what breaks a rule by nothing but time.
MORE = {
    "I-18": [EVENT + "('case', 1, 'resolved', 'resolved', '', '')"],
    "I-21": ["UPDATE payments_gatewaycall SET started_at = ended_at + interval '1 minute'"],
    "I-23": ["UPDATE checkout_stock SET held = 2"],
    "I-29": ["UPDATE checkout_stockhold SET ended_at = now()"],
    "I-16": [TRANSFER + "'assign', 'cash', 'money_in_cases', 3, 'x')"],
}
FOUND_BY_A_FULL_RUN = {"I-07"}  # a row that is gone leaves nothing to find


@pytest.fixture
def rows(committed_db, identity, says, make_order, make_attempt) -> dict[str, int | None]:
    """Records of earlier transactions, goods among them, and a green run over all of it."""
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    found = written(make_attempt(make_order()), says, make_order, make_attempt)
    category = Category.objects.create(slug="tea", name_zh="茶", name_en="tea")
    product = Product.objects.create(slug="lj", category=category, name_zh="龙井", name_en="Longjing")
    variant = Variant.objects.create(product=product, sku="LJ", price_fen=1)
    Stock.objects.create(variant=variant, on_hand=5, held=1)
    StockHold.objects.create(order=Order.objects.get(state="awaiting_payment"), variant=variant, quantity=1)
    wait_until(nothing_older_is_open(), patience_s=90)
    assert check_books().broken == 0
    return found


def nothing_older_is_open() -> Callable[[], bool]:
    """Other tests' databases share the server's transaction ids: whatever was open beside our rows makes them look new."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        ours: int = cursor.fetchone()[0]

    def over() -> bool:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            return bool(cursor.fetchone()[0] > ours)

    return over


def found_after(statement: str, rows: dict[str, int | None]) -> list[str]:
    """What a shorter run names after this was written, and undoes it all."""
    with transaction.atomic():
        plant(statement, rows)
        kept = check_books(since_last_green=True)
        transaction.set_rollback(True)
    assert kept.reach == BooksCheck.Reach.SINCE
    return [name for name, found in kept.results.items() if found["count"]]


def test_each_planted_violation_is_found_by_a_run_since_the_last_green_one(rows):
    missed = [
        (name, statement)
        for rules in (NAMED, MORE)
        for name, statements in rules.items()
        for statement in statements
        if name not in FOUND_BY_A_FULL_RUN and name not in found_after(statement, rows)
    ]

    assert missed == []
    assert check_books(since_last_green=True).broken == 0  # nothing of it stayed


def test_a_shorter_run_looks_at_nothing_where_nothing_was_written(rows):
    last = BooksCheck.objects.get()
    words = touched.touched(last_mark(last), at=last.started_at, now=Mark.here())

    assert words is not None
    assert [words[kind] for kind in ("orders", "transactions", "refunds")] == [[], [], []]


def test_what_was_open_during_the_green_run_and_committed_later_is_found(rows):
    """Its numbers were given out, and it had a transaction id, before the run looked."""
    late = connections["owner"].copy()
    with late.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(EVENT + "('order', %s, 'closed', 'closed', 'nobody', 'x')", [rows["o"]])
        AuditEvent.objects.create(subject_kind="order", subject_id=rows["other"], action="seen", actor="buyer")
        assert check_books().broken == 0
        cursor.execute("COMMIT")
    late.close()

    assert check_books(since_last_green=True).results["I-17"]["ids"] == [f"order:{rows['o']}"]


@pytest.mark.parametrize("name", ["I-14", "I-16", "I-17", "I-18"])
def test_an_older_record_is_found_by_the_trace_that_a_change_leaves(rows, monkeypatch, name):
    monkeypatch.setattr(touched, "MARGIN", 0)

    assert name in found_after(NAMED[name][0], rows)


def test_too_much_written_is_a_full_run(rows, monkeypatch):
    last = BooksCheck.objects.get()
    monkeypatch.setattr(touched, "MOST_TOUCHED", 0)
    plant(NAMED["I-14"][0], rows)

    assert touched.touched(last_mark(last), at=last.started_at, now=Mark.here()) is None
    assert check_books(since_last_green=True).results["I-14"]["count"] == 1


def test_a_red_run_is_no_place_to_begin(rows):
    plant(NAMED["I-14"][0], rows)

    assert check_books().broken
    assert check_books(since_last_green=True).results["I-14"]["count"] == 1


def test_without_a_green_run_everything_is_looked_at(committed_db):
    assert check_books(since_last_green=True).reach == BooksCheck.Reach.FULL


def last_mark(last: BooksCheck) -> Mark:
    return Mark(last.xid, *(getattr(last, f"last_{each.name}_id") for each in fields(Mark)[1:]))
