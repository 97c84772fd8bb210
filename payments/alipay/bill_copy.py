"""A bill's lines as text for the database's COPY: cut as bytes, block by block, and never all in memory.

What is fast here is what is not done: a line's cells are neither decoded nor looked at one by one, and an amount is read
once, however many lines hold it. The database refuses what is no time, and adds up the lines; the file's own totals stand in
`tail` afterwards. Whoever stored the lines must take all of them back when `check_totals` raises.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from payments.alipay import bill_columns as columns
from payments.alipay.bills import LONGEST_LINE, NEWLINE, Bill, Sums, check_tail, fen_of, lines_of
from payments.errors import MalformedBill

LONGEST_TAIL = 64 * 1024
# What COPY takes: FORMAT csv with this quote, which stands in no bill, so that every byte between commas is itself.
QUOTE = "\x01"
NAMES = ("line_no", "number", "trade_no", "out_trade_no", "request_no", "word", "happened_at", "fen", "receipt_fen", "fee_fen",
         "balance_fen")  # fmt: skip
MOST_AMOUNTS = 50_000  # kept at once
# The columns whose cells go to the database; a remark gives up a number only.
_TAKEN = {
    columns.TRADE: (
        columns.TRADE_NO, columns.OUT_TRADE_NO, columns.OUT_REQUEST_NO, columns.KIND, columns.DONE_AT, columns.TOTAL,
        columns.RECEIPT, columns.FEE,
    ),
    columns.LEDGER: (
        columns.LEDGER_NO, columns.BUSINESS_NO, columns.OUT_TRADE_NO, columns.KIND, columns.HAPPENED_AT, columns.INCOME,
        columns.EXPENSE, columns.BALANCE,
    ),
}  # fmt: skip
_FORBIDDEN = (b"\x01", b"\r", b"\x00")
Cells = Sequence[bytes]
Row = Callable[[int, Cells], bytes]


@dataclass
class BillText:
    """One bill being turned into text. `encoding` is PostgreSQL's name for its charset."""

    bill: Bill
    lines: int = 0
    tail: list[tuple[int, str]] = field(default_factory=list)
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def encoding(self) -> str:
        return "GB18030" if self.bill.charset == columns.CHARSET else "UTF8"

    @property
    def sha256(self) -> str:
        """Of the lines as they went to the database: two files with the same lines have the same."""
        return self._hash.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """The lines, in the order of NAMES. Raises MalformedBill, naming the line."""
        row = _row_of(self.bill)
        for before, block in self.bill.blocks:
            head, tail = _cut_at_tail(block) if not self.tail else (b"", block)
            text = self._text(head, before, row) if head else b""
            if tail:
                self._keep(tail, before + (head.count(NEWLINE) + 1 if head else 0))
            if text:
                self._hash.update(text)
                yield text

    def check_totals(self, sums: Sums) -> None:
        """Hold what the database added up against the file's own totals. Raises MalformedBill."""
        if not self.tail:
            raise MalformedBill(f"line {self.lines}: the file ends here, without totals")
        rest = iter(self.tail)
        line_no, first = next(rest)
        check_tail(self.bill.bill_type, first, line_no, rest, sums)

    def _text(self, block: bytes, before: int, row: Row) -> bytes:
        lines = block.split(NEWLINE)
        if len(max(lines, key=len)) > LONGEST_LINE:
            raise MalformedBill(f"line {before + 1}: a line longer than {LONGEST_LINE} bytes from here on")
        if self.bill.columns[-1] in _TAKEN[self.bill.bill_type]:
            lines = [line.rstrip(b"\t\r") for line in lines]
        width, is_plain, rows, line_no = len(self.bill.columns), b'"' not in block, [], before
        try:
            for line_no, line in enumerate(lines, before + 1):
                cells: Cells = line.split(b",")
                if len(cells) != width or not (is_plain or b'"' not in line):
                    cells = self._by_hand(line_no, line)
                rows.append(row(line_no, cells))
        except ValueError as error:
            raise MalformedBill(f"line {line_no}: {error}") from None
        self.lines += len(rows)
        text = (NEWLINE.join(rows) + NEWLINE).replace(b"\t", b"")  # behind what a spreadsheet would take for a number
        if any(each in text for each in _FORBIDDEN):
            raise MalformedBill(f"line {before + 1}: a control character from here on")
        return text

    def _by_hand(self, line_no: int, line: bytes) -> Cells:
        """A line with quotes, or with commas that nobody quoted."""
        [text] = lines_of(line, line_no - 1, self.bill.charset)
        return [cell.replace(",", "，").encode(self.bill.charset) for cell in self.bill.cells(line_no, text)]

    def _keep(self, tail: bytes, before: int) -> None:
        self.tail += enumerate(lines_of(tail, before, self.bill.charset), before + 1)
        if sum(len(text) for _, text in self.tail) > LONGEST_TAIL:
            raise MalformedBill(f"line {before + 1}: too much stands behind the end of the list")


def _cut_at_tail(block: bytes) -> tuple[bytes, bytes]:
    """The lines of the list, and what begins with the first line that is a remark."""
    if b"#" not in block:  # as good as always, and found out ten times as fast
        return block, b""
    if block.startswith(b"#"):
        return b"", block
    head, newline, tail = block.partition(NEWLINE + b"#")
    return head, b"#" + tail if newline else b""


class _Fen(dict[bytes, bytes]):
    """What an amount of yuan is in fen, by its cell; an empty one stays empty. Raises ValueError."""

    def __missing__(self, cell: bytes) -> bytes:
        if len(self) >= MOST_AMOUNTS:
            self.clear()
        text = cell.strip().decode()
        fen = self[cell] = b"%d" % fen_of(text) if text else b""
        return fen


def _row_of(bill: Bill) -> Row:
    return _trade_row(bill.at) if bill.bill_type == columns.TRADE else _account_row(bill.at)


def _trade_row(at: dict[str, int]) -> Row:
    pick = itemgetter(*(at[name] for name in _TAKEN[columns.TRADE]))
    fen_in = _Fen()

    def row(line_no: int, cells: Cells) -> bytes:
        trade, out, request, kind, done, total, receipt, fee = pick(cells)
        return b"%d,,%b,%b,%b,%b,%b+08,%b,%b,%b," % (
            line_no, trade, out, request, kind, done, fen_in[total] or b"0", fen_in[receipt], fen_in[fee],
        )  # fmt: skip

    return row


def _account_row(at: dict[str, int]) -> Row:
    number, trade, out, kind, done, income, expense, balance = (at.get(name, -1) for name in _TAKEN[columns.LEDGER])
    remark = at.get(columns.REMARK, -1)
    fen_in = _Fen()

    def row(line_no: int, cells: Cells) -> bytes:
        came, went = fen_in[cells[income]], fen_in[cells[expense]]
        if came.strip(b"0") and went.strip(b"0"):
            raise ValueError("income and expense in one")
        return b"%d,%b,%b,%b,%b,%b,%b+08,%b,,,%b" % (
            line_no, cells[number], cells[trade] if trade >= 0 else b"", cells[out] if out >= 0 else b"",
            _trade_named(cells[remark]) if remark >= 0 else b"", cells[kind], cells[done],
            came if came.strip(b"0") else went or b"0", fen_in[cells[balance]],
        )  # fmt: skip

    return row


def _trade_named(remark: bytes) -> bytes:
    """The trade a fee was taken for or returned: 28 digits in brackets. Source: dossier 5.4."""
    digits = bytes(sign if 48 <= sign <= 57 else 32 for sign in remark).split()
    return next((each for each in digits if len(each) == 28), b"")
