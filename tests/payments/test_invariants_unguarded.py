"""What the database refuses is named too, should somebody with its owner's rights have taken the guards out."""

import pytest
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from payments import gateway
from payments.queries.invariants import EVERYTHING, invariants
from tests.conftest import make_merchant
from tests.payments.test_invariants import EVENT, REFUSED, written

GUARDS = """
    SELECT format('ALTER TABLE %%I DISABLE TRIGGER USER', relname) FROM pg_class
    WHERE relkind = 'r' AND relname LIKE 'payments\\_%%'
    UNION ALL
    SELECT format('ALTER TABLE %%I DROP CONSTRAINT %%I', conrelid::regclass, conname) FROM pg_constraint
    WHERE contype IN ('c', 'u') AND conparentid = 0 AND conrelid::regclass::text LIKE 'payments\\_%%'
    UNION ALL
    SELECT format('DROP INDEX %%I', i.indexrelid::regclass) FROM pg_index i
    LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
    WHERE i.indisunique AND c.oid IS NULL AND i.indrelid::regclass::text LIKE 'payments\\_%%'
"""
# What leaves nothing to compare with, so that the database alone keeps it from happening.
UNSEEN = {
    "UPDATE payments_transaction SET trade_no = 'other' WHERE id = %(t)s",
    "UPDATE payments_refund SET out_request_no = 'other' WHERE id = %(w)s",
}
ELSEWHERE = {"I-03": {"I-07"}, "I-19": {"I-17"}, "I-21": {"I-12"}, "I-26": {"I-07"}}  # what names some of them instead
NOT_HERE = {"I-15", "I-23"}  # verify_audit names it; goods: tests/checkout/test_invariants.py
# The other halves of the rules, each planted alone.
MORE = {
    "I-04": ["DELETE FROM payments_outboxmessage WHERE topic = 'money.surplus'"],
    "I-05": ["UPDATE payments_transaction SET receipt_fen = amount_fen + 1 WHERE id = %(t)s"],
    "I-06": ["UPDATE payments_transaction SET order_id = NULL, origin = 'stray' WHERE id <> %(t)s AND state = 'paid'"],
    "I-07": ["UPDATE payments_transaction SET evidence = 'because' WHERE id = %(t)s",
             "UPDATE payments_transaction SET scene = 'cash' WHERE id = %(t)s",
             "UPDATE payments_transaction SET evidence = (SELECT evidence FROM payments_refund WHERE id = %(r)s)"
             " WHERE id = %(t)s",
             "UPDATE payments_transaction SET evidence = 'bill:99' WHERE id = %(t)s",
             "UPDATE payments_transaction SET evidence = 'call:' || gen_random_uuid() WHERE id = %(t)s"],
    "I-12": ["UPDATE payments_refund SET evidence = 'call:' || gen_random_uuid() WHERE id = %(r)s",
             "UPDATE payments_refund SET evidence = 'bill:99' WHERE id = %(r)s"],
    "I-14": ["DELETE FROM payments_transfer WHERE refund_id = %(r)s", "DELETE FROM payments_transfer WHERE cause = 'capture'",
             "UPDATE payments_transfer SET transaction_id = %(unpaid)s WHERE refund_id = %(r)s",
             "UPDATE payments_transfer SET credit = 'fees' WHERE cause = 'capture'"],
    "I-19": [EVENT + "('refund', %(r)s, 'sent', 'sent', 'somebody', 'x')"],
    "I-22": ["UPDATE payments_refund SET next_check_at = now() WHERE id = %(r)s",
             "UPDATE payments_transaction SET next_check_at = now() WHERE id = %(t)s",
             "UPDATE payments_transaction SET close_due_at = now() WHERE id = %(t)s",
             "UPDATE payments_transaction SET state = 'closed', close_due_at = now() WHERE id = %(unpaid)s",
             "UPDATE payments_transaction SET state = 'closed', refused = true WHERE id = %(unpaid)s"],
    "I-25": ["UPDATE payments_transaction SET paid_at = created_at - interval '1 hour' WHERE id = %(t)s",
             "UPDATE payments_transaction SET settled_at = settled_at + interval '1 hour' WHERE id = %(t)s",
             "UPDATE payments_refund SET ended_at = created_at - interval '1 hour' WHERE id = %(r)s"],
    "I-26": ["UPDATE payments_inboundmessage SET verdict = 'unjudged', last_at = now() - interval '1 hour'",
             "UPDATE payments_inboundmessage SET deliveries = 0", "UPDATE payments_inboundmessage SET fingerprint = NULL",
             "UPDATE payments_inboundmessage SET verdict = 'refused'"],
    "I-27": ["UPDATE payments_gatewaycall SET outcome = 'intended', ended_at = NULL, started_at = now() - interval '1 hour'",
             "UPDATE payments_transaction SET close_due_at = now() - interval '1 hour',"
             " time_expire = now() - interval '1 hour' WHERE id = %(unpaid)s"],
    "I-33": ["UPDATE payments_case SET state = 'resolved', ended_at = now(), note = 'done'"],
}  # fmt: skip


@pytest.fixture
def rows(committed_db, identity, says, make_order, make_attempt) -> dict[str, int | None]:
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    return written(make_attempt(make_order()), says, make_order, make_attempt)


def take_guards_out(cursor: CursorWrapper) -> None:
    cursor.execute(GUARDS, ())
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)


def named_after(statement: str, rows: dict[str, int | None], cursor: CursorWrapper) -> set[str]:
    """Which rules name something after this was written. It stays undone."""
    with transaction.atomic("owner"):
        cursor.execute(statement, {key: rows[key] for key in rows if f"%({key})s" in statement} or None)
        assert cursor.rowcount, statement
        found = set()
        for name, rule in invariants().items():
            cursor.execute(rule.format(**EVERYTHING), ())
            if cursor.fetchall():
                found.add(name)
        transaction.set_rollback(True, "owner")
    return found


def test_without_its_guards_each_planted_violation_is_named(rows):
    planted = [
        (name, each) for rules in (REFUSED, MORE) for name in rules for each in rules[name] if name not in NOT_HERE
    ]
    with transaction.atomic("owner"), connections["owner"].cursor() as cursor:
        take_guards_out(cursor)
        found = {statement: named_after(statement, rows, cursor) for _, statement in planted}
        transaction.set_rollback(True, "owner")

    assert {each for each in found if not found[each]} == UNSEEN
    missed = [
        each
        for each in planted
        if each[1] not in UNSEEN and not found[each[1]] & {each[0], *ELSEWHERE.get(each[0], ())}
    ]
    assert missed == []
    assert {name for name, _ in planted} <= set().union(*found.values()), "each rule names one at least"
