"""A bill goes in whole or not at all: what is refused, for which reason and at which line."""

import io
import os
import signal
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from payments.errors import MalformedBill
from payments.models import BillDay, BillFile, Case, MerchantAccount, StatementLine, Transfer
from payments.services.books.days import day_of
from payments.services.books.keep import keep_file, open_file
from payments.services.books.read import MOST_TRIES, read_file
from payments.services.books.reconcile import reconcile_day
from payments.services.books.upload import upload_bill
from tests.conftest import make_merchant
from tests.payments.alipay.billing import (
    DAY,
    FEE,
    MOVED,
    PAYMENT,
    REFUND,
    TRADE_NAME,
    ledger_lines,
    packed,
    trade_lines,
    zipped,
)

Upload = Callable[..., BillFile]
ROWS = [PAYMENT, REFUND]
LINES = trade_lines(ROWS)


@pytest.fixture
def upload(merchant, settings) -> Upload:
    settings.BILL_KINDS = ["trade"]
    return uploader(merchant)


def uploader(merchant: MerchantAccount) -> Upload:
    type(merchant).objects.filter(pk=merchant.pk).update(seller_id="2088000000000001")
    merchant.refresh_from_db()

    def send(data: bytes, kind: str = "trade", day: date = DAY) -> BillFile:
        return upload_bill(merchant, day, io.BytesIO(data), kind=BillFile.Kind(kind), actor="staff:1")

    return send


def lines() -> list[tuple[Any, ...]]:
    return list(StatementLine.objects.order_by("line_no").values_list("line_no", "key", "fen", "fee_fen"))


def partitions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'payments_statementline'::regclass")
        return int(cursor.fetchone()[0])


def test_a_bill_is_read_whole_with_its_sums_and_the_day_moves_on(upload):
    file = upload(packed(LINES))

    assert lines() == [(6, "2026112222001/交易/", 8880, -48), (7, "2026112222001/退款/R1", -880, 0)]
    assert (file.lines, file.in_fen, file.out_fen, file.fee_fen, file.in_count, file.out_count) == (
        2,
        8880,
        -880,
        -48,
        1,
        1,
    )
    assert (file.day.state, file.day.content) == (BillDay.State.IMPORTED, BillDay.Content.LINES)


def test_what_was_read_is_counted_before_it_is_compared(upload):
    """Else PostgreSQL plans for a few lines whatever there are, and looks each one's payment up by itself."""
    file = upload(packed(LINES))

    with connection.cursor() as cursor:
        part = f"payments_statementline_{file.pk}"
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [part])
        assert cursor.fetchone() == (2.0,)
        cursor.execute("SELECT count(*) FROM pg_stats WHERE tablename = %s AND attname = 'trade_no'", [part])
        assert cursor.fetchone() == (1,)


def test_the_file_is_kept_as_it_came(upload):
    data = packed(LINES)

    with open_file(upload(data)) as kept:
        assert kept.read() == data


@pytest.mark.rows("F63")
def test_the_same_file_twice_changes_nothing(upload):
    first, before = upload(packed(LINES)), lines()

    assert upload(packed(LINES)) == first
    assert lines() == before
    assert partitions() == 1


@pytest.mark.rows("F63")
def test_the_same_lines_in_another_file_change_nothing_and_are_no_case(upload):
    upload(packed(LINES))

    with pytest.raises(MalformedBill, match="these very lines"):
        upload(packed([*LINES[:-1], "#导出时间：[2026年11月24日 10:00:00]"]))
    assert partitions() == 1
    assert not Case.objects.exists()


@pytest.mark.rows("F63", "F64")
def test_the_same_lines_in_another_charset_are_the_same_bill(upload):
    upload(packed(LINES))

    with pytest.raises(MalformedBill, match="these very lines"):
        upload(packed(LINES, charset="utf-8"))
    assert not Case.objects.exists()


@pytest.mark.parametrize("rows", [[PAYMENT], [PAYMENT, REFUND, REFUND]])
def test_another_bill_for_a_day_that_has_one_is_a_case(upload, rows: list[dict[str, str]]):
    upload(packed(LINES))

    with pytest.raises(MalformedBill, match="something else"):
        upload(packed(trade_lines(rows)))
    assert Case.objects.get().kind == Case.Kind.BILL_CHANGED
    assert len(lines()) == 2


@pytest.mark.rows("F63")
def test_lines_that_stand_twice_count_for_the_totals_and_as_duplicates(upload):
    file = upload(packed(trade_lines([PAYMENT, PAYMENT, REFUND])))

    assert (file.lines, file.in_fen) == (3, 17760)
    assert list(StatementLine.objects.filter(nth=2).values_list("line_no", flat=True)) == [7]


@pytest.mark.rows("F65")
def test_an_empty_day_is_a_bill_without_lines(upload):
    file = upload(packed(trade_lines([])))

    assert (file.lines, file.day.content, file.day.state) == (0, BillDay.Content.EMPTY, BillDay.State.IMPORTED)


@pytest.mark.rows("F64")
@pytest.mark.parametrize(("charset", "bom"), [("gbk", b""), ("utf-8", b""), ("utf-8", b"\xef\xbb\xbf")])
def test_any_charset_is_read(upload, charset: str, bom: bytes):
    upload(packed(LINES, charset=charset, bom=bom))

    assert StatementLine.objects.order_by("line_no").values_list("word", flat=True)[0] == "交易"


@pytest.mark.rows("F64", "D08")
def test_names_with_commas_quotes_and_backslashes_move_no_column(upload):
    odd = [{**PAYMENT, "商品名称": '"茶,壶"'}, {**REFUND, "商品名称": "a,b\\N", "备注": "x\\"}]
    upload(packed(trade_lines(odd)))

    assert [fen for _, _, fen, _ in lines()] == [8880, -880]


def test_movements_of_the_account_know_the_trade_a_fee_was_taken_for(upload, settings):
    settings.BILL_KINDS = ["signcustomer"]
    fee = {**FEE, "备注": "服务费[2026112222001000000000000001]"}
    file = upload(packed(ledger_lines([MOVED, fee]), detail="{}_20261122_账务明细.csv"), kind="signcustomer")

    found = StatementLine.objects.order_by("line_no").values_list("key", "kind", "fen", "request_no", "balance_fen")
    assert list(found) == [
        ("L1", "payment", 8000, "", 18000), ("L2", "fee", -48, "2026112222001000000000000001", 17952),
    ]  # fmt: skip
    assert (file.in_fen, file.out_fen, file.fee_fen) == (8000, -48, -48)


def test_payouts_to_the_bank_are_booked_as_the_account_says_once(upload, settings):
    settings.BILL_KINDS = ["trade", "signcustomer"]
    payout = {**FEE, "账务流水号": "L3", "支出金额（-元）": "-50.00", "账户余额（元）": "129.52", "业务类型": "提现"}
    upload(packed(LINES))
    detail = "{}_20261122_账务明细.csv"
    file = upload(packed(ledger_lines([MOVED, FEE, payout]), detail=detail), kind="signcustomer")

    for _ in range(2):
        day = reconcile_day(BillDay.objects.select_related("account").get())

    posted = Transfer.objects.filter(cause="payout").values_list("debit", "credit", "fen", "bill_file")
    assert list(posted) == [("bank", "alipay_receivable", 5000, file.pk)]
    assert day.state == BillDay.State.MATCHED
    assert not Case.objects.filter(kind__in=("flow_balance", "bill_word")).exists()


@pytest.mark.rows("F67")
def test_a_balance_that_does_not_follow_and_a_kind_nobody_knows_are_cases(upload, settings):
    settings.BILL_KINDS = ["trade", "signcustomer"]
    odd = {**PAYMENT, "支付宝交易号": "2026112222009", "业务类型": "转账"}
    lines = trade_lines(ROWS)
    at = next(number for number, line in enumerate(lines) if "列表结束" in line)
    upload(packed([*lines[:at], trade_lines([odd])[5], *lines[at:]]))
    moved = [MOVED, {**FEE, "账户余额（元）": "179.53"}, {**FEE, "账务流水号": "L3", "账户余额（元）": "179.04"}]
    upload(packed(ledger_lines(moved), detail="{}_20261122_账务明细.csv"), kind="signcustomer")

    reconcile_day(BillDay.objects.select_related("account").get())

    balance, word = (Case.objects.get(kind=kind) for kind in ("flow_balance", "bill_word"))
    assert (balance.facts["ours"], balance.facts["theirs"]) == ("179.52", "179.53")
    assert (word.facts["theirs"], word.facts["line_no"]) == ("转账", at + 1)


def spoilt(place: int, before: str, after: str) -> bytes:
    return packed([line.replace(before, after) if number == place else line for number, line in enumerate(LINES)])


REFUSED = {
    "an error page": (b"<html>busy</html>", "error page", 0),
    "json": (b'{"error": 1}', "error page", 0),
    "half a zip": (packed(LINES)[:-40], "broken", 0),
    "no totals": (packed(LINES[:-3]), "totals", 8),
    "rows cut": (packed([*LINES[:6], *LINES[7:]]), "退款合计 says 1 lines", 9),
    "a fen off": (spoilt(5, ",80.00,", ",80.01,"), "8001", 9),
    "no amount": (spoilt(5, "88.80", "viel"), "viel", 6),
    "a third decimal": (
        spoilt(5, "-0.48", "-0.480"), "-0.480", 6
    ),
    "no time": (packed([line.replace("2026-11-22 14:32:10", "gestern") for line in LINES]), "not a time", 6),
    "too few cells": (packed([*LINES[:5], LINES[5].rsplit(",", 2)[0], *LINES[6:]]), "23 cells", 6),
    "a long line": (packed([*LINES[:5], LINES[5].replace("明前龙井", "茶" * 40_000), *LINES[6:]]), "longer than", 6),
    "another merchant": (packed(trade_lines(ROWS, pid="2088000000000002")), "another merchant", 0),
    "another day": (packed(trade_lines(ROWS, day=date(2026, 11, 21))), "another time", 0),
    "a bomb": (zipped([(TRADE_NAME.format("x"), b"#" + b"0" * 3_000_000)]), "unpacks to", 0),
    "an empty line": (packed([*LINES[:6], "", *LINES[6:]]), "empty line", 7),
    "a column gone": (packed([line.replace("服务费（元）", "费") for line in LINES]), "no column 服务费", 5),
}  # fmt: skip


@pytest.mark.rows("F61", "F62", "F64", "D05", "D07", "D08", "D09", "I-34")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_one_whole_bill_of_this_merchant_and_day_is_refused_with_its_line(upload, name: str):
    data, reason, line_no = REFUSED[name]

    with pytest.raises(MalformedBill, match=reason):
        upload(data)
    kept = BillFile.objects.get()
    assert (kept.state, kept.line_no, partitions()) == (BillFile.State.REFUSED, line_no, 0)
    assert kept.day.state == BillDay.State.EXPECTED, "a day is never taken for one that agrees"


def test_a_refused_file_can_be_followed_by_the_right_one(upload):
    with pytest.raises(MalformedBill):
        upload(b"<html>")

    assert upload(packed(LINES)).state == BillFile.State.IMPORTED


def dies_in_the_copy(kept: BillFile) -> int:
    """A process of its own reads the file and is killed while its lines go to the database. Returns the signal."""
    connection.close()
    child = os.fork()
    if child == 0:
        psycopg.Copy.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        try:
            read_file(BillFile.objects.get(pk=kept.pk))
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.rows("F11")
def test_a_file_that_kills_its_readers_is_refused_with_the_reason_and_stops_no_other(committed_db, identity):
    """As the kernel does to one that takes more memory than it may: no word, no clean end."""
    merchant = make_merchant(identity, "http://127.0.0.1:9/")
    upload = uploader(merchant)
    kept = keep_file(
        day_of(merchant, DAY), io.BytesIO(packed(LINES)), kind=BillFile.Kind.TRADE, source=BillFile.Source.FETCHED,
        actor="fetch",
    )  # fmt: skip
    for tried in range(1, MOST_TRIES + 1):
        assert dies_in_the_copy(kept) == signal.SIGKILL
        kept.refresh_from_db()
        assert (kept.state, kept.tries, partitions(), lines()) == (BillFile.State.KEPT, tried, 0, [])

    before = DAY - timedelta(days=1)
    assert upload(packed(trade_lines(ROWS, day=before)), day=before).state == BillFile.State.IMPORTED
    assert read_file(kept).state == BillFile.State.REFUSED
    kept.refresh_from_db()
    assert "out of memory" in kept.reason
    assert Case.objects.get().kind == Case.Kind.BILL_REFUSED


@pytest.mark.rows("F11")
def test_a_file_that_kills_its_reader_is_refused_in_the_end_and_told(upload, merchant):
    data = io.BytesIO(packed(LINES))
    kept = keep_file(
        day_of(merchant, DAY), data, kind=BillFile.Kind.TRADE, source=BillFile.Source.FETCHED, actor="fetch"
    )
    BillFile.objects.filter(pk=kept.pk).update(tries=MOST_TRIES)
    kept.refresh_from_db()

    assert read_file(kept).state == BillFile.State.REFUSED
    assert "out of memory" in BillFile.objects.get().reason
    assert Case.objects.get().kind == Case.Kind.BILL_REFUSED
