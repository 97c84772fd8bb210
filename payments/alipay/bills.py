"""One day's bill of one merchant, read as a stream: heading, lines by column name, totals. All of it or nothing.

Source: dossier 5; alipay.data.dataservice.bill.downloadurl.query with bill_type trade or signcustomer.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import IO, NamedTuple

from payments.alipay import bill_columns as columns
from payments.alipay.bill_archive import BROKEN, Member, detail_of
from payments.errors import MalformedBill

LONGEST_LINE = 16 * 1024
MOST_HEADING_LINES = 20
BLOCK = 256 * 1024
NEWLINE = b"\n"
_ACCOUNT = re.compile(r"#账号[：:]\[(\d{16,24})\]")
_SPAN = re.compile(r"#起始日期[：:]\[([^\]]+)\]\s*终止日期[：:]\[([^\]]+)\]")
_TOTAL = re.compile(r"#(交易|退款|收入|支出)合计[：:](\d{1,9})笔[，,]([^共]*)共(-?\d{1,13}(?:\.\d{1,2})?)元")
_FEN = re.compile(r"([+-]?)(\d{1,13})(?:\.(\d{1,2}))?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_TOTALS = {columns.TRADE: ("交易", "退款"), columns.LEDGER: ("收入", "支出")}
_NEEDED = {
    columns.TRADE: (
        columns.TRADE_NO, columns.OUT_TRADE_NO, columns.KIND, columns.DONE_AT, columns.TOTAL, columns.RECEIPT,
        columns.OUT_REQUEST_NO, columns.FEE,
    ),
    columns.LEDGER: (columns.LEDGER_NO, columns.HAPPENED_AT, columns.INCOME, columns.EXPENSE, columns.BALANCE, columns.KIND),
}  # fmt: skip
_MONEY = {
    columns.TRADE: (columns.TOTAL, columns.RECEIPT, columns.FEE),
    columns.LEDGER: (columns.INCOME, columns.EXPENSE, columns.BALANCE),
}
_TIME = {columns.TRADE: columns.DONE_AT, columns.LEDGER: columns.HAPPENED_AT}
_NUMBER = {columns.TRADE: columns.TRADE_NO, columns.LEDGER: columns.LEDGER_NO}
_FREE_TEXT = (columns.SUBJECT, columns.REMARK)


class Line(NamedTuple):
    """One line of a bill: its number in the file, from 1, and its cells in the order of the bill's columns, stripped."""

    line_no: int
    cells: list[str]


@contextmanager
def open_bill(file: IO[bytes], *, bill_type: str, seller_id: str, day: date) -> Iterator["Bill"]:
    """Open the zip of one bill and read its heading.

    bill_type  bill_columns.TRADE or LEDGER
    seller_id  the merchant's PID, 16 digits
    day        in Beijing
    Raises NotABill, MalformedBill: not a bill, not this merchant's, not this day's, columns missing.
    """
    with detail_of(file, bill_type=bill_type) as member:
        blocks = _blocks(member)
        _, first = next(blocks, (0, b""))
        header_at, names = _read_heading(iter(enumerate(lines_of(first, 0, member.charset), 1)), seller_id, day)
        missing = [name for name in _NEEDED[bill_type] if name not in names]
        if missing:
            raise MalformedBill(f"line {header_at}: no column {', '.join(missing)}")
        if len(set(names)) != len(names):
            raise MalformedBill(f"line {header_at}: a column stands twice")
        rest = first.split(NEWLINE, header_at)[header_at:]
        yield Bill(
            bill_type, names, member.charset.removesuffix("-sig"), chain(((header_at, each) for each in rest), blocks)
        )


@dataclass
class Bill:
    """An open bill. Its lines can be read once, in file order.

    columns  names as Alipay writes them, in the file's order, unknown ones too; parentheses in full width
    charset  of its text
    blocks   what is left of the file: so many lines before, and whole lines as bytes without the last newline
    """

    bill_type: str
    columns: tuple[str, ...]
    charset: str
    blocks: Iterator[tuple[int, bytes]]
    at: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.at = {name: place for place, name in enumerate(self.columns)}

    def lines(self) -> Iterator[Line]:
        """Each line of the list. Raises MalformedBill, naming the line, for one that can't be read; and at the end when
        the lines don't add up to the totals: whoever stored them must take all of them back.
        """
        sums = _Sums(self)
        raw = _decoded(self.blocks, self.charset)
        line_no = 0
        for line_no, text in raw:
            if text.startswith("#"):
                check_tail(self.bill_type, text, line_no, raw, sums)
                return
            line = Line(line_no, self.cells(line_no, text))
            sums.add(line)
            yield line
        raise MalformedBill(f"line {line_no}: the file ends here, without totals")

    def cells(self, line_no: int, text: str) -> list[str]:
        """The cells of one line, stripped, in the order of the columns. Raises MalformedBill, naming it."""
        if not text.strip():
            raise MalformedBill(f"line {line_no}: an empty line among the others")
        text = text.replace("\t,", ",").rstrip("\t")  # Alipay marks text with a tab behind it
        cells = text.split(",") if '"' not in text else _quoted(line_no, text)
        if len(cells) != len(self.columns):
            cells = self._rejoined(line_no, cells)
        return cells

    def _rejoined(self, line_no: int, cells: list[str]) -> list[str]:
        """A line whose subject or remark holds commas that nobody quoted, put together in the one way that reads."""
        surplus = len(cells) - len(self.columns)
        places = [self.at[name] for name in _FREE_TEXT if name in self.at]
        fits = [
            joined
            for first in range(surplus + 1)
            if surplus > 0 and places
            if self._reads(joined := _join(cells, places, first, surplus - first))
        ]
        distinct = [each for number, each in enumerate(fits) if each not in fits[:number]]
        if len(distinct) != 1:
            raise MalformedBill(f"line {line_no}: {len(cells)} cells under {len(self.columns)} columns")
        return distinct[0]

    def _reads(self, cells: list[str]) -> bool:
        if len(cells) != len(self.columns):
            return False
        amounts = [cells[place] for name, place in self.at.items() if name.endswith("元）")]
        has_number = cells[self.at[_NUMBER[self.bill_type]]].isdigit()
        has_time = _MOMENT.fullmatch(cells[self.at[_TIME[self.bill_type]]])
        return has_number and bool(has_time) and all(not text or _FEN.fullmatch(text) for text in amounts)


@lru_cache(maxsize=4096)  # a shop has few prices
def fen_of(text: str) -> int:
    """A signed amount of yuan in whole fen: "88.80", "-0.59"; an empty cell is nothing. Raises ValueError."""
    match = _FEN.fullmatch(text)
    if match is None:
        if not text:
            return 0
        raise ValueError(f"not an amount: {text!r:.40}")
    fen = int(match[2]) * 100 + int((match[3] or "").ljust(2, "0"))
    return -fen if match[1] == "-" else fen


class Sums:
    """Counts and sums of lines, by the kinds that the totals name."""

    def __init__(self) -> None:
        self.count: dict[str, int] = defaultdict(int)
        self.totals: dict[str, int] = defaultdict(int)
        self.receipts: dict[str, int] = defaultdict(int)

    def note(self, kind: str, total: int, receipt: int, count: int = 1) -> None:
        self.count[kind] += count
        self.totals[kind] += total
        self.receipts[kind] += receipt

    def check(self, kind: str, count: int, what: str, fen: int, line_no: int) -> None:
        """Against one line of totals. The older bills sum up order amounts, the newer ones receipts."""
        ours = (self.totals if what and "实收" not in what else self.receipts)[kind]
        if kind == "支出":
            fen = abs(fen)  # written with or without its sign
        if (self.count[kind], ours) != (count, fen):
            raise MalformedBill(
                f"line {line_no}: {kind}合计 says {count} lines and {fen} fen, the lines above are {self.count[kind]} and {ours}"
            )


class _Sums(Sums):
    """The same, of lines as they are read."""

    def __init__(self, bill: Bill) -> None:
        super().__init__()
        self.is_trade = bill.bill_type == columns.TRADE
        self.money = [bill.at[name] for name in _MONEY[bill.bill_type]]
        self.time, self.kind = bill.at[_TIME[bill.bill_type]], bill.at[columns.KIND]

    def add(self, line: Line) -> None:
        cells = line.cells
        try:
            first, second, _ = [fen_of(cells[place]) for place in self.money]
        except ValueError as error:
            raise MalformedBill(f"line {line.line_no}: {error}") from None
        if not _MOMENT.fullmatch(cells[self.time]):
            raise MalformedBill(f"line {line.line_no}: not a time: {cells[self.time]!r:.40}")
        if self.is_trade:
            self.note(cells[self.kind], first, second)
        elif first and second:
            raise MalformedBill(f"line {line.line_no}: income and expense in one")
        elif first or second:
            self.note("收入" if first else "支出", abs(first or second), abs(first or second))


def check_tail(bill_type: str, first: str, first_no: int, rest: Iterator[tuple[int, str]], sums: Sums) -> None:
    """The end of the list, and its totals: every one that this type has, and each right. Raises MalformedBill.

    first     the line behind the last one of the list, and `rest` what follows it
    """
    if "结束" not in first:
        raise MalformedBill(f"line {first_no}: the list breaks off")
    named = set()
    line_no = first_no
    for line_no, text in rest:
        if not text.startswith("#"):
            if text.strip():
                raise MalformedBill(f"line {line_no}: a line behind the end of the list")
            continue
        if total := _TOTAL.match(text):
            sums.check(total[1], int(total[2]), total[3], fen_of(total[4]), line_no)
            named.add(total[1])
    missing = [kind for kind in _TOTALS[bill_type] if kind not in named]
    if missing:
        raise MalformedBill(f"line {line_no}: the file ends without the totals of {', '.join(missing)}")


def _read_heading(lines: Iterator[tuple[int, str]], seller_id: str, day: date) -> tuple[int, tuple[str, ...]]:
    """Check whose bill of which day it is; the header's line number and its column names."""
    account = span = None
    for line_no, text in lines:
        if not text.startswith("#"):
            if account is None or span is None:
                raise MalformedBill(f"line {line_no}: no account or no dates stand above the columns")
            _check_whose(account[1], span[1], span[2], seller_id, day)
            return line_no, tuple(_column(cell) for cell in text.split(","))
        account, span = account or _ACCOUNT.match(text), span or _SPAN.match(text)
        if line_no > MOST_HEADING_LINES:
            break
    raise MalformedBill("the file holds no columns")


def _check_whose(account: str, start: str, end: str, seller_id: str, day: date) -> None:
    if account[:16] != seller_id:
        raise MalformedBill("the bill of another merchant")
    try:
        span = [datetime.strptime(text, "%Y年%m月%d日 %H:%M:%S") for text in (start, end)]  # noqa: DTZ007  # Beijing, compared
    except ValueError:
        raise MalformedBill("a heading with dates we can't read") from None
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # with each other only
    if span != [midnight, midnight + timedelta(days=1)]:
        raise MalformedBill(f"the bill of another time: {start} to {end}")


def _column(cell: str) -> str:
    return cell.strip().replace("(", "（").replace(")", "）")


def _quoted(line_no: int, text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration) as error:
        raise MalformedBill(f"line {line_no}: {error}") from None


def _join(cells: list[str], places: list[int], first: int, second: int) -> list[str]:
    """The cells with `first` more joined to the first free text, and `second` more to the second, where there is one."""
    for place, more in sorted(zip(places, (first, second), strict=False)):
        cells = [*cells[:place], ",".join(cells[place : place + more + 1]), *cells[place + more + 1 :]]
    return cells


def _blocks(member: Member) -> Iterator[tuple[int, bytes]]:
    """The file cut into whole lines as bytes, without the last newline: in no charset of theirs does a letter hold one."""
    line_no, rest = 0, b""
    while block := _read(member, line_no):
        whole, newline, rest = (rest + block).rpartition(NEWLINE)
        if newline:
            yield line_no, whole
            line_no += whole.count(NEWLINE) + 1
        if len(rest) > LONGEST_LINE:
            raise MalformedBill(f"line {line_no + 1}: longer than {LONGEST_LINE} bytes")
    if rest:
        yield line_no, rest


def _decoded(blocks: Iterator[tuple[int, bytes]], charset: str) -> Iterator[tuple[int, str]]:
    """Each line with its number, decoded, without its end."""
    for before, block in blocks:
        yield from enumerate(lines_of(block, before, charset), before + 1)


def _read(member: Member, line_no: int) -> bytes:
    try:
        return member.stream.read(BLOCK)
    except BROKEN as error:
        raise MalformedBill(f"line {line_no + 1}: the file breaks off: {type(error).__name__}") from None


def lines_of(block: bytes, before: int, charset: str) -> list[str]:
    """The lines of a block, which ends with a line."""
    try:
        text = block.decode(charset)
    except UnicodeDecodeError as error:
        raise MalformedBill(f"line {before + block.count(NEWLINE, 0, error.start) + 1}: not {charset}") from None
    lines = text.replace("\r\n", "\n").removesuffix("\r").split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        place = next(place for place, line in enumerate(lines, before + 1) if len(line) > LONGEST_LINE)
        raise MalformedBill(f"line {place}: longer than {LONGEST_LINE} letters")
    return lines
