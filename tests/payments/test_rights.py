"""What the database itself refuses to the application's role, whoever asks."""

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connection, transaction

from payments.models import Account, AuditEvent, Case, Order, Transaction, Transfer
from payments.models.clock import database_now
from payments.models.rights import APPEND_ONLY, NEVER_DELETED, READ_ONLY


def refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except ProgrammingError as error:
        return "permission denied" in str(error) or "must be owner" in str(error)
    return False


@pytest.mark.rows("X14")
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = NULL", "DELETE FROM {}", "TRUNCATE {}"])
def test_append_only_tables_only_grow(db, table: str, statement: str):
    key = "number" if table == "payments_auditseal" else "id"
    assert refused(statement.format(table, key))


@pytest.mark.parametrize("table", NEVER_DELETED)
def test_records_of_money_are_never_deleted(db, table: str):
    assert refused(f"DELETE FROM {table}")


@pytest.mark.parametrize("table", READ_ONLY)
def test_the_history_of_migrations_is_not_ours_to_write(db, table: str):
    assert refused(f"DELETE FROM {table}")


@pytest.mark.rows("X15")
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)", "DROP TABLE payments_order", "ALTER TABLE payments_order DROP COLUMN title",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER TABLE payments_transfer DISABLE TRIGGER ALL",
        "TRUNCATE payments_outboxmessage", "COPY payments_order TO '/tmp/x'", "SELECT pg_read_file('/etc/passwd')",
        "CREATE ROLE boss SUPERUSER",
    ],
)  # fmt: skip
def test_the_application_has_no_rights_beyond_reading_and_writing(db, statement: str):
    assert refused(statement)


def test_every_table_named_in_the_rights_exists():
    tables = {model._meta.db_table for model in apps.get_models()} | {"django_migrations"}

    assert {*APPEND_ONLY, *NEVER_DELETED, *READ_ONLY} <= tables


@pytest.mark.parametrize(
    "break_it",
    [
        lambda order, attempt: Order.objects.filter(pk=order.pk).update(total_fen=1),
        lambda order, attempt: Order.objects.filter(pk=order.pk).update(goods_fen=-1, total_fen=-1),
        lambda order, attempt: Order.objects.filter(pk=order.pk).update(state="paid"),
        lambda order, attempt: Order.objects.filter(pk=order.pk).update(paid_by=attempt),
        lambda order, attempt: Transaction.objects.filter(pk=attempt.pk).update(state="paid"),
        lambda order, attempt: Transaction.objects.filter(pk=attempt.pk).update(late=True),
        lambda order, attempt: Transaction.objects.filter(pk=attempt.pk).update(amount_fen=0),
        lambda order, attempt: Transaction.objects.filter(pk=attempt.pk).update(order=None),
        lambda order, attempt: Transfer.objects.create(transaction=attempt, debit="bank", credit="bank", fen=1),
        lambda order, attempt: Transfer.objects.create(transaction=attempt, debit="bank", credit="sales", fen=0),
        lambda order, attempt: [
            Transfer.objects.create(
                transaction=attempt, cause="capture", debit=Account.ALIPAY_RECEIVABLE, credit="sales", fen=1
            )
            for _ in range(2)
        ],
    ],
)
def test_the_database_refuses_books_that_contradict_themselves(order, unsettled, break_it):
    with pytest.raises(IntegrityError), transaction.atomic():
        break_it(order, unsettled)


def test_one_number_and_one_trade_are_one_transaction(order, make_attempt):
    make_attempt(order, out_trade_no="A1", trade_no="2026")

    for values in ({"out_trade_no": "A1"}, {"trade_no": "2026"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_attempt(order, **values)


def test_one_open_case_of_a_kind_about_a_subject(db):
    assert Case.objects.open_once(Case.Kind.STUCK, "transaction:1", evidence="x")
    assert not Case.objects.open_once(Case.Kind.STUCK, "transaction:1", evidence="y")
    assert Case.objects.open_once(Case.Kind.SURPLUS, "transaction:1", evidence="x")

    Case.objects.filter(kind=Case.Kind.STUCK).update(state=Case.State.RESOLVED, ended_at=database_now(), note="seen")
    assert Case.objects.open_once(Case.Kind.STUCK, "transaction:1", evidence="z")


def test_an_audit_event_tells_its_records_story(order):
    AuditEvent.objects.add(order, "looked_at", actor="test")

    assert list(AuditEvent.objects.about(order).values_list("action", flat=True)) == ["placed", "looked_at"]
