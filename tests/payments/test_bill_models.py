"""Days, files and lines of bills: what the database makes of them and what it refuses, whoever asks."""

from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from payments.models import BillDay, BillFile, BillPart, StatementLine
from payments.models.clock import database_now
from tests.payments.test_rights import refused

COLUMNS = "file_id, line_no, number, trade_no, out_trade_no, request_no, word, happened_at, fen, receipt_fen, fee_fen"
LINE = "{file}\t{line}\t\tT1\tA1\t{request}\t{word}\t2026-11-22 14:32:10+08\t{fen}\t8000\t-48\n"
SUMS = {"lines": 1, "in_count": 1, "out_count": 0, "in_fen": 8880, "out_fen": 0, "fee_fen": -48}


@pytest.fixture
def day(db, merchant) -> BillDay:
    return BillDay.objects.create(account=merchant, day=date(2026, 11, 22))


@pytest.fixture
def file(day) -> BillFile:
    return BillFile.objects.create(day=day, kind="trade", source="fetched", actor="fetch", size=3, sha256="0" * 64)


def line(file: BillFile, line_no: int = 6, **values: str) -> str:
    return LINE.format(file=file.pk, line=line_no, **{"request": "", "word": "交易", "fen": "8880"} | values)


def load(file: BillFile, *lines: str) -> str:
    """As the import does it: a partition, the lines, and the partition becomes part of the table."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT payments_bill_partition(%s)", [file.pk])
        part: str = cursor.fetchone()[0]
        with connection.wrap_database_errors, cursor.copy(f"COPY {part} ({COLUMNS}) FROM STDIN") as copy:
            copy.write("".join(lines))
        cursor.execute("SELECT payments_bill_attach(%s)", [file.pk])
    return part


def test_lines_tell_their_key_and_kind_themselves(file):
    load(file, line(file), line(file, 7, word="退款", request="R1", fen="-880"))

    found = StatementLine.objects.order_by("line_no").values_list("key", "kind", "fen", "receipt_fen", "fee_fen", "nth")
    assert list(found) == [
        ("T1/交易/", "payment", 8880, 8000, -48, 1),
        ("T1/退款/R1", "refund", -880, 8000, -48, 1),
    ]


@pytest.mark.rows("F63", "I-34")
def test_a_line_that_stands_twice_is_numbered(file):
    load(file, line(file), line(file, 7), line(file, 8, word="退款"))

    assert list(StatementLine.objects.order_by("line_no").values_list("nth", flat=True)) == [1, 2, 1]


def test_part_of_a_fen_is_refused(file):
    with pytest.raises(DatabaseError, match="bigint"):
        load(file, line(file, fen="0.1"))

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"payments_statementline_{file.pk}"])
        assert cursor.fetchone() == (None,), "nothing of a file stays that was not read whole"


@pytest.mark.rows("X14", "I-34")
@pytest.mark.parametrize("place", ["payments_statementline", "{part}"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} (file_id) SELECT 1", "UPDATE {} SET nth = 2", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
    ],
)  # fmt: skip
def test_what_was_read_stays_as_it_was_read(file, place: str, statement: str):
    part = load(file, line(file))

    name = place.format(part=part)
    assert refused(statement.format(name))


def test_only_a_file_that_waits_gets_a_place_for_its_lines(file):
    BillFile.objects.filter(pk=file.pk).update(state="imported", ended_at=database_now(), **SUMS)

    with pytest.raises(DatabaseError, match="does not wait"):
        load(file, line(file))


@pytest.mark.parametrize(
    "values",
    [
        {"state": "matched", "imported_at": "now", "content": "lines"}, {"state": "closed"}, {"state": "imported"},
        {"state": "imported", "imported_at": "now", "content": "missing"}, {"day": date(2026, 11, 23)}, {"version": -1},
    ],
)  # fmt: skip
def test_a_day_can_t_be_said_to_be_done_when_it_is_not(day, values: dict[str, Any]):
    values = {name: database_now() if value == "now" else value for name, value in values.items()}

    with pytest.raises(DatabaseError), transaction.atomic():
        BillDay.objects.filter(pk=day.pk).update(**values)


@pytest.mark.parametrize(
    "values", [{"state": "imported"}, {"state": "refused"}, {"sha256": "1" * 64}, {"state": "kept", "reason": "bad"}]
)
def test_a_file_can_t_be_said_to_be_read_when_it_is_not(file, values: dict[str, Any]):
    with pytest.raises(DatabaseError), transaction.atomic():
        BillFile.objects.filter(pk=file.pk).update(**values)


def test_a_file_lies_sealed_and_opens_only_in_its_place(file):
    BillPart.of(file, 0, b"PK\x03\x04").save()
    part = BillPart.objects.get()

    assert part.plain() == b"PK\x03\x04"
    assert b"PK" not in bytes(part.sealed)[20:]


def test_a_day_is_held_by_one_at_a_time_and_a_slow_holder_writes_nothing(day):
    now = database_now()
    first = BillDay.objects.take(day.pk, now=now, lease=now - now)
    assert first == 1
    second = BillDay.objects.take(day.pk, now=now, lease=database_now() - now)
    assert second == 2

    assert not BillDay.objects.move(day, BillDay.State.FETCHING, version=first)
    assert BillDay.objects.move(day, BillDay.State.FETCHING, version=second)
