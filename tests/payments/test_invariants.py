"""Every invariant is seen broken: a planted violation is refused by the database, or named by its query."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction

from config.local.places import ROOT
from payments.models import Case, InboundMessage, Order, Refund, Transaction, User
from payments.money import Money
from payments.queries.invariants import check_invariants, invariants
from payments.services.check_books import check_books
from payments.services.receive_notice import receive_notice
from payments.services.refund import approve_refund, request_refund, settle_refund
from tests.conftest import journalled

TRANSFER = "INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence) VALUES (%(t)s, "
EVENT = "INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor, cause) VALUES "
COPY = (
    "INSERT INTO payments_{0} SELECT (jsonb_populate_record(x, '{{\"id\": 99999}}')).* FROM payments_{0} x WHERE id = "
)

# Planted by the application's own role; %(t)s, %(o)s, %(r)s and %(w)s are a paid transaction, its order, a refund of it that
# succeeded and one that waits. Where one invariant can be broken in several ways, several stand here.
REFUSED = {
    "I-01": ["UPDATE payments_order SET goods_fen = goods_fen + 1, total_fen = total_fen + 1 WHERE id = %(o)s",
             "UPDATE payments_order SET total_fen = 1 WHERE id = %(o)s"],
    "I-02": ["UPDATE payments_orderline SET quantity = 2 WHERE order_id = %(o)s",
             "INSERT INTO payments_orderline (order_id, position, title, sku, unit_price_fen, quantity)"
             " VALUES (%(o)s, 2, 'gift', '', 0, 1)",
             "UPDATE payments_order SET content_hash = '' WHERE id = %(o)s"],
    "I-03": [COPY.format("transaction") + "%(t)s", COPY.format("refund") + "%(r)s",
             "UPDATE payments_transaction SET trade_no = 'other' WHERE id = %(t)s",
             "UPDATE payments_transaction SET out_trade_no = 'other' WHERE id = %(t)s",
             "UPDATE payments_refund SET out_request_no = 'other' WHERE id = %(w)s"],
    "I-05": ["UPDATE payments_transaction SET amount_fen = amount_fen + 1 WHERE id = %(t)s"],
    "I-06": ["UPDATE payments_order SET paid_by_id = NULL WHERE id = %(o)s",
             "UPDATE payments_order SET state = 'paid' WHERE id = %(other)s",
             "UPDATE payments_order SET state = 'paid', paid_by_id = %(unpaid)s WHERE id = %(other)s"],
    "I-08": ["UPDATE payments_transaction SET reserved_fen = amount_fen WHERE id = %(t)s"],
    "I-09": ["UPDATE payments_transaction SET refunded_fen = refunded_fen + 1 WHERE id = %(t)s",
             "UPDATE payments_transaction SET reserved_fen = 0 WHERE id = %(t)s"],
    "I-10": ["UPDATE payments_order SET state = 'refunded' WHERE id = %(o)s",
             "UPDATE payments_order SET state = 'paid' WHERE id = %(o)s"],
    "I-11": ["UPDATE payments_refund SET amount_fen = 0 WHERE id = %(w)s",
             "UPDATE payments_refund SET transaction_id = %(unpaid)s WHERE id = %(w)s",
             "INSERT INTO payments_refund (transaction_id, out_request_no, amount_fen, origin, state, in_doubt, refused,"
             " reason_code, reason, requester, approver, lines, evidence, checks, version)"
             " VALUES (%(unpaid)s, 'R9', 1, 'staff', 'requested', false, '', '', '', 'staff:1', '', '{}', '', 0, 0)"],
    "I-13": ["UPDATE payments_transfer SET fen = 0", TRANSFER + "'assign', 'bank', 'bank', 1, 'x')",
             TRANSFER + "'assign', 'bank', 'sales', 0, 'x')"],
    "I-15": ["UPDATE payments_auditevent SET actor = 'me'", "DELETE FROM payments_auditevent", "DELETE FROM payments_transfer",
             "DELETE FROM payments_auditseal"],
    "I-19": ["UPDATE payments_refund SET state = 'sent', ended_at = NULL WHERE id = %(r)s",
             "UPDATE payments_transaction SET state = 'closed', settled_at = NULL WHERE id = %(t)s"],
    "I-21": ["UPDATE payments_gatewaycall SET number = 'R0'",
             "UPDATE payments_gatewaycall SET outcome = 'unknown' WHERE outcome = 'done'",
             "DELETE FROM payments_gatewaycall"],
    "I-22": ["UPDATE payments_refund SET version = version - 1 WHERE id = %(w)s",
             "UPDATE payments_transaction SET version = -1 WHERE id = %(t)s"],
    "I-23": ["UPDATE checkout_stock SET held = on_hand + 1", "UPDATE checkout_stock SET on_hand = -1"],
    "I-26": [COPY.format("inboundmessage") + "(SELECT min(id) FROM payments_inboundmessage)",
             "UPDATE payments_inboundmessage SET fingerprint = 'x'"],
    "I-33": ["UPDATE payments_case SET state = 'resolved'", "UPDATE payments_case SET state = 'resolved', ended_at = now()"],
}  # fmt: skip
BILL_DAY = (
    "WITH d AS (INSERT INTO payments_billday (account_id, day, state, content, version, tries, last_error, ours_fen,"
    " theirs_fen, result_hash, imported_at, matched_at, closed_by) SELECT account_id, '2026-01-01', 'matched', 'lines', 0, 0, '',"
    " {0}, 0, 'x', now(), now(), '' FROM payments_order WHERE id = %(o)s RETURNING id) "
)
BATCH = (
    "WITH b AS (INSERT INTO payments_refundbatch (requested_by_id, state, scope, reason_code, note, skus, orders, total_fen,"
    " confirmed_at) SELECT %(u)s, '{0}', 'whole', '', '', '[]', {1}, {2}, now() RETURNING id) INSERT INTO"
    " payments_refundbatchitem (batch_id, order_id, state, why, amount_fen, seen_fen, lines, refund_id) SELECT id, "
)
NAMED = {
    "I-36": [BATCH.format("asked", 1, 49) + "%(o)s, 'asked', '', 49, 50, '{}', %(w)s FROM b",
             BATCH.format("asked", 1, 50) + "%(o)s, 'asked', '', 50, 50, '{\"1\": 50}', %(w)s FROM b",
             BATCH.format("asked", 1, 50) + "%(other)s, 'asked', '', 50, 50, '{}', %(w)s FROM b",
             BATCH.format("asked", 1, 49) + "%(o)s, 'asked', '', 50, 50, '{}', %(w)s FROM b",
             BATCH.format("asked", 1, 50) + "%(o)s, 'planned', '', 50, 50, '{}', NULL FROM b"],
    "I-30": [BILL_DAY.format(0) + "INSERT INTO payments_difference (day_id, kind, key, state, trade_no, out_trade_no,"
             " out_request_no, field, ours, theirs, fen, explanation, case_id) SELECT id, 'bill_fee', 'k', 'case', '', '', '',"
             " 'fee', '', '', 0, '', (SELECT min(id) FROM payments_case) FROM d"],
    "I-32": [BILL_DAY.format(1) + "SELECT id FROM d"],
    "I-34": [BILL_DAY.format(0) + "INSERT INTO payments_billfile (day_id, kind, source, actor, state, size, sha256, tries,"
             " reason, line_no, lines, lines_sha256, in_count, out_count, in_fen, out_fen, fee_fen, columns, ended_at)"
             " SELECT id, 'trade', 'fetched', 'x', 'imported', 0, 'x', 0, '', 0, 1, '', 0, 0, 0, 0, 0, '[]', now() FROM d"],
    "I-04": ["UPDATE payments_outboxmessage SET delivered_at = now() WHERE topic = 'money.surplus'"],
    "I-07": ["DELETE FROM payments_inboundmessage WHERE verdict = 'pays_order'"],
    "I-12": ["UPDATE payments_refund SET state = 'failed', evidence = 'a time-out', ended_at = now(), approver = 'staff:2'"
             " WHERE id = %(a)s; UPDATE payments_transaction SET reserved_fen = reserved_fen - 7 WHERE id = %(t)s"],
    "I-14": [TRANSFER + "'capture', 'fees', 'sales', 1, 'x')"],
    "I-16": [TRANSFER + "'assign', 'alipay_receivable', 'sales', 5, 'x')",
             TRANSFER + "'assign', 'money_in_cases', 'sales', 5, 'x')"],
    "I-17": [EVENT + "('order', %(o)s, 'closed', 'closed', 'nobody', 'x')",
             "UPDATE payments_order SET state = 'closed' WHERE id = %(other)s"],
    "I-18": [EVENT + "('transaction', %(t)s, 'paid', 'paid', 'nobody', 'x')",
             EVENT + "('order', %(other)s, 'seen', 'awaiting_payment', '', '')"],
    "I-25": ["UPDATE payments_transaction SET created_at = now() + interval '1 day' WHERE id = %(t)s"],
    "I-27": ["UPDATE payments_refund SET approved_at = now() - interval '2 days' WHERE id = %(a)s"],
    "I-28": ["UPDATE payments_outboxmessage SET created_at = now() - interval '1 hour', due_at = now() - interval '1 hour'"],
}  # fmt: skip
FINANCE = 10_000_001  # who asks for refunds
LATER = {"I-20", "I-29"}  # of goods: tests/checkout/test_invariants.py


@pytest.fixture
def rows(unsettled: Transaction, says, make_order, make_attempt) -> dict[str, int | None]:
    return written(unsettled, says, make_order, make_attempt)


def written(unsettled: Transaction, says, make_order, make_attempt) -> dict[str, int | None]:
    """A paid and partly refunded order, one that waits, money beyond an order, a case; everything holds."""
    User.objects.create(pk=FINANCE, email="finance@example.com")
    receive_notice(says.notice(unsettled))
    refund = ask(unsettled, 100)
    approve_refund(refund, approver="staff:2")
    settle_refund(refund, actor="refunds", evidence=journalled(refund))
    approved, waiting = ask(unsettled, 7), ask(unsettled, 50)
    approve_refund(approved, approver="staff:2")
    receive_notice(says.notice(make_attempt(unsettled.order, superseded=True)))  # a second payment
    Case.objects.open_once(Case.Kind.BUYER_ASKS, "order:1", evidence="x")
    other = make_order()
    unpaid = make_attempt(other)
    assert not any(each.hits for each in check_invariants())
    return {
        "t": unsettled.pk, "o": unsettled.order_id, "r": refund.pk, "w": waiting.pk, "a": approved.pk, "other": other.pk,
        "unpaid": unpaid.pk, "u": FINANCE,
    }  # fmt: skip


def ask(attempt: Transaction, fen: int) -> Refund:
    return request_refund(attempt, Money(fen), requester=f"staff:{FINANCE}", origin=Refund.Origin.STAFF)


def broken() -> list[str]:
    return [name for name, found in check_books().results.items() if found["count"]]


def plant(statement: str, rows: dict[str, int | None]) -> None:
    """As a transaction of its own would: what is deferred to the commit is looked at."""
    with transaction.atomic(), connections["default"].cursor() as cursor:
        for each in statement.split("; "):
            cursor.execute(each, {name: rows[name] for name in rows if f"%({name})s" in each} or None)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.rows(*REFUSED, "X14")
@pytest.mark.parametrize(("name", "statement"), [(name, each) for name in REFUSED for each in REFUSED[name]])
def test_the_database_refuses_a_planted_violation(rows, request, name: str, statement: str):
    if "checkout_stock" in statement:
        request.getfixturevalue("stocked")

    with pytest.raises(DatabaseError):
        plant(statement, rows)


@pytest.fixture
def stocked(db) -> None:
    from checkout.models import Category, Product, Stock, Variant  # noqa: PLC0415  # of the shop, for this alone

    category = Category.objects.create(slug="tea", name_zh="茶", name_en="tea")
    product = Product.objects.create(slug="lj", category=category, name_zh="龙井", name_en="Longjing")
    Stock.objects.create(variant=Variant.objects.create(product=product, sku="LJ", price_fen=1), on_hand=5)


@pytest.mark.rows(*NAMED)
@pytest.mark.parametrize(("name", "statement"), [(name, each) for name in NAMED for each in NAMED[name]])
def test_what_the_database_lets_pass_is_named(rows, name: str, statement: str):
    plant(statement, rows)

    assert name in broken()


def test_each_invariant_is_planted_and_the_guarantees_say_which_are_refused():
    assert {*REFUSED, *NAMED, *LATER} - {"I-15"} == set(invariants())

    refused = sorted({*REFUSED, "I-20"})  # seen refused with the goods
    said = " ".join((ROOT / "docs" / "guarantees.md").read_text().split())
    assert f"{len(refused)} of the 36 invariants" in said
    assert f"{', '.join(refused)}." in said
    assert len(refused) >= 15


def test_the_command_names_what_is_broken(rows):
    out = io.StringIO()
    call_command("check_invariants", stdout=out)
    assert out.getvalue().splitlines()[-1] == f"check_invariants: {len(invariants())} passed, 0 failed"

    plant(NAMED["I-14"][0], rows)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("check_invariants", "--json", stdout=out)
    found = json.loads(out.getvalue())["I-14"]
    assert (found["count"], found["ids"]) == (1, [f"transaction:{rows['t']}"])


def test_a_red_run_is_a_case_once(rows):
    plant(NAMED["I-14"][0], rows)
    for _ in range(2):
        check_books()

    case = Case.objects.get(kind=Case.Kind.BOOKS, subject="invariant:I-14")
    assert case.facts == {"count": 1, "ids": [f"transaction:{rows['t']}"]}
    assert Order.objects.count() == 2


@pytest.mark.rows("I-26")
def test_a_notice_that_a_fault_of_ours_stopped_breaks_no_rule(db):
    InboundMessage.objects.create(kind="notice", verdict="crashed", body="out_trade_no=1", reason="ValueError")
    assert not [each for each in check_invariants() if each.name == "I-26" and each.hits]

    InboundMessage.objects.create(kind="notice", verdict="moved", body="out_trade_no=2")
    assert [each.hits for each in check_invariants() if each.name == "I-26"] == [1]
