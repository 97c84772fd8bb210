"""Read a kept bill: the whole file goes in, or nothing of it, in one commit."""

import re
from typing import IO, Any

import structlog
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from payments.alipay.bill_columns import TRADE
from payments.alipay.bill_copy import NAMES, BillText
from payments.alipay.bills import Sums, open_bill
from payments.errors import MalformedBill
from payments.models import AuditEvent, BillDay, BillFile, Case
from payments.services.books.keep import open_file

logger = structlog.get_logger(__name__)
MOST_TRIES = 3
# of what may be needed for ten million lines; a connection's usual limits are made for requests
LIMITS = "SET LOCAL statement_timeout = '3600s'; SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '128MB'"
COPY = (
    "COPY {part} (" + ", ".join(NAMES) + ") FROM STDIN (FORMAT csv, ENCODING '{encoding}', QUOTE E'\\x01',"
    " FORCE_NOT_NULL (number, trade_no, out_trade_no, request_no, word))"
)
TOTALS = """
SELECT word, kind, fen > 0, count(*), sum(fen), sum(coalesce(receipt_fen, 0)), sum(coalesce(fee_fen, 0))
FROM {part} WHERE fen <> 0 OR %(is_trade)s GROUP BY 1, 2, 3
"""
SAME = """
SELECT NOT EXISTS (SELECT {cells} FROM {part} EXCEPT ALL SELECT {cells} FROM payments_statementline WHERE file_id = %(other)s)
   AND NOT EXISTS (SELECT {cells} FROM payments_statementline WHERE file_id = %(other)s EXCEPT ALL SELECT {cells} FROM {part})
"""
_LINE = re.compile(r"^line (\d+): ")
_COPY_LINE = re.compile(r"COPY \w+, line (\d+)")


class SameLines(MalformedBill):
    """The day has these very lines already: nothing changes."""


class OtherLines(MalformedBill):
    """The day is closed, or has another bill already, and this one says something else."""


def read_file(kept: BillFile, file: IO[bytes] | None = None) -> BillFile:
    """Bring the lines of a kept file in, and check them against its totals. Returns the file as it is then.

    file  its bytes, where they are at hand
    Raises MalformedBill, and the file is refused with that reason: not this merchant's, not this day's, not whole, not a
    bill, or a day that has another one. One whose reading killed its process three times is refused too.
    """
    if kept.state != BillFile.State.KEPT:
        return kept
    if kept.tries >= MOST_TRIES:
        return _refuse(kept, MalformedBill(f"reading it ended {kept.tries} times without an answer: out of memory?"))
    BillFile.objects.filter(pk=kept.pk).update(tries=F("tries") + 1)  # committed before: a death leaves its trace
    with file or open_file(kept) as opened:
        try:
            with transaction.atomic(durable=True):
                _read(kept, opened)
        except MalformedBill as error:
            return _refuse(kept, error)
        except (DataError, IntegrityError) as error:
            return _refuse(kept, _why(kept, opened, error))
    kept.refresh_from_db()
    logger.info("bill_read", file=kept.pk, kind=kept.kind, day=str(kept.day), lines=kept.lines)
    return kept


def _read(kept: BillFile, file: IO[bytes]) -> None:
    day = kept.day
    with open_bill(file, bill_type=kept.kind, seller_id=day.account.seller_id, day=day.day) as bill:
        text = BillText(bill)
        part = _copy(kept, text)
        rows = _totals(part, is_trade=kept.kind == TRADE)
        text.check_totals(_sums(rows, is_trade=kept.kind == TRADE))
        _check_only_one(kept, text.sha256, part)
        with connection.cursor() as cursor:
            cursor.execute("SELECT payments_bill_attach(%s)", [kept.pk])
        moved = BillFile.objects.filter(pk=kept.pk, state=BillFile.State.KEPT).update(
            state=BillFile.State.IMPORTED, ended_at=Now(), lines=text.lines, lines_sha256=text.sha256,
            columns=list(bill.columns), **sums_of(rows, is_trade=kept.kind == TRADE),
        )  # fmt: skip
    if moved:
        AuditEvent.objects.add(
            kept, "read", actor=kept.actor, cause=kept.evidence, state=BillFile.State.IMPORTED, lines=text.lines
        )


def _copy(kept: BillFile, text: BillText) -> str:
    with connection.cursor() as cursor:
        cursor.execute(LIMITS.split(";")[0])
        for limit in LIMITS.split(";")[1:]:
            cursor.execute(limit)
        cursor.execute("SELECT payments_bill_partition(%s)", [kept.pk])
        part: str = cursor.fetchone()[0]
        with (
            connection.wrap_database_errors,
            cursor.copy(COPY.format(part=part, encoding=text.encoding)) as copy,
        ):
            for block in text.blocks():
                copy.write(block)
    return part


def _totals(part: str, *, is_trade: bool) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(TOTALS.format(part=part), {"is_trade": is_trade})
        return list(cursor.fetchall())


def _sums(rows: list[tuple[Any, ...]], *, is_trade: bool) -> Sums:
    """In the words of the file's own totals."""
    sums = Sums()
    for word, _, came_in, count, fen, receipt, _ in rows:
        if is_trade:
            sums.note(word, int(fen), int(receipt), count)
        else:
            sums.note("收入" if came_in else "支出", abs(int(fen)), abs(int(fen)), count)
    return sums


def sums_of(rows: list[tuple[Any, ...]], *, is_trade: bool) -> dict[str, int]:
    """What a file's row keeps of them: payments and refunds, or incomes and expenses."""
    found = {"in_count": 0, "out_count": 0, "in_fen": 0, "out_fen": 0, "fee_fen": 0}
    for _, kind, came_in, count, fen, _, fee in rows:
        side = {"payment": "in", "refund": "out"}.get(kind) if is_trade else ("in" if came_in else "out")
        if side:
            found[f"{side}_count"] += count
            found[f"{side}_fen"] += int(fen)
        found["fee_fen"] += int(fee) if is_trade else int(fen) if kind in ("fee", "fee_back") else 0
    return found


def _check_only_one(kept: BillFile, lines_sha256: str, part: str) -> None:
    """One bill per day and kind, and none for a closed day. Under the day's lock, which every reader of that day takes."""
    day = BillDay.objects.select_for_update(no_key=True).get(pk=kept.day_id)
    other = BillFile.objects.filter(day=kept.day_id, kind=kept.kind, state=BillFile.State.IMPORTED).first()
    if other is None and day.state == BillDay.State.CLOSED:
        raise OtherLines("the day is closed: no further bill is read into it")
    if other is None:
        return
    if other.lines_sha256 == lines_sha256 or _says_the_same(part, other):
        raise SameLines(f"the day has these very lines already, from file {other.pk}")
    raise OtherLines(f"the day has another bill already, file {other.pk}, and this one says something else")


def _says_the_same(part: str, other: BillFile) -> bool:
    """Whether the lines are the same though their bytes are not: another charset, quotes, tabs."""
    with connection.cursor() as cursor:
        cursor.execute(SAME.format(part=part, cells=", ".join(NAMES[1:])), {"other": other.pk})
        return bool(cursor.fetchone()[0])


def _why(kept: BillFile, file: IO[bytes], error: Exception) -> MalformedBill:
    """What the database refused, said by whoever reads line by line; else in the database's words, with the line."""
    day = kept.day
    try:
        with open_bill(file, bill_type=kept.kind, seller_id=day.account.seller_id, day=day.day) as bill:
            for _ in bill.lines():
                pass
    except MalformedBill as found:
        return found
    diag = getattr(error.__cause__, "diag", None)
    place = _COPY_LINE.search(getattr(diag, "context", None) or "")
    words = getattr(diag, "message_primary", None) or type(error).__name__
    return MalformedBill(f"{f'line {place[1]} of the list: ' if place else ''}{words}")


def _refuse(kept: BillFile, error: MalformedBill) -> BillFile:
    reason, line = str(error)[:300], _LINE.match(str(error))
    with transaction.atomic():
        moved = BillFile.objects.filter(pk=kept.pk, state=BillFile.State.KEPT).update(
            state=BillFile.State.REFUSED, ended_at=Now(), reason=reason, line_no=int(line[1]) if line else 0
        )
        if moved:
            AuditEvent.objects.add(
                kept, "refused", actor=kept.actor, cause=kept.evidence, state=BillFile.State.REFUSED, reason=reason
            )
        if moved and not isinstance(error, SameLines):
            _tell(kept, error, reason)
    logger.warning("bill_refused", file=kept.pk, kind=kept.kind, day=str(kept.day), reason=reason)
    kept.refresh_from_db()
    return kept


def _tell(kept: BillFile, error: MalformedBill, reason: str) -> None:
    """An uploaded file's reason is on the screen of who uploaded it; another bill for the day is a case in any event."""
    if isinstance(error, OtherLines):
        kind = Case.Kind.BILL_CHANGED
    elif kept.source == BillFile.Source.FETCHED:
        kind = Case.Kind.BILL_REFUSED
    else:
        return
    Case.objects.open_once(
        kind, f"billday:{kept.day_id}", evidence=kept.evidence, day=str(kept.day), bill=kept.kind, reason=reason,
        field="bill", ours="", theirs=reason,
    )  # fmt: skip
