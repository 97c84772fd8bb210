"""The zip a bill travels in: opened in memory, never unpacked, and only when nothing about it is strange.

Source: dossier 5.1. Alipay's zips hold two small-named CSV files; whatever else one could hold is refused as a whole.
"""

import codecs
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from payments.alipay.bill_columns import CHARSET, LEDGER, LEDGER_DETAIL, TRADE, TRADE_DETAIL
from payments.errors import MalformedBill, NotABill

MOST_ENTRIES = 20
LARGEST_MEMBER = 4 * 1024**3  # ten million lines
HIGHEST_RATIO = 200  # a day of the same cheap article shrinks fiftyfold; a bomb a thousandfold
SMALL = 1024 * 1024  # below this no ratio can hurt
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HEADINGS = {TRADE: TRADE_DETAIL, LEDGER: LEDGER_DETAIL}
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    OverflowError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """The file with the lines, open at its first byte.

    charset  of its text: GBK as a rule, UTF-8 where somebody converted it (a byte order mark is part of it)
    """

    stream: IO[bytes]
    charset: str


@contextmanager
def detail_of(file: IO[bytes], *, bill_type: str) -> Iterator[Member]:
    """Open the member with the lines, found by its first words: names and order are not fixed.

    file  seekable; nothing is ever written anywhere
    Raises NotABill (an error page in its place), MalformedBill. Reading the member raises one of BROKEN where it breaks off.
    """
    try:
        archive = zipfile.ZipFile(file)
    except BROKEN as error:
        raise _complaint(file, error) from None
    with archive:
        yield _detail(archive, bill_type)


def _detail(archive: zipfile.ZipFile, bill_type: str) -> Member:
    entries = archive.infolist()
    _check_all(entries)
    try:
        found = [(entry, charset) for entry in entries if (charset := _charset(archive, entry, bill_type))]
        if len(found) != 1:
            raise MalformedBill(f"{len(found)} members with the lines of a {bill_type} bill, among {len(entries)}")
        return Member(archive.open(found[0][0]), found[0][1])
    except BROKEN as error:
        raise MalformedBill(f"the zip is broken: {type(error).__name__}") from None


def _complaint(file: IO[bytes], error: Exception) -> MalformedBill:
    """What to say about a file that can't be opened as a zip."""
    file.seek(0)
    start = file.read(64).lstrip()
    if start[:1] in (b"<", b"{", b"[") or not start:
        return NotABill("an error page or nothing came in the bill's place")
    if start[:2] != b"PK":
        return NotABill("this is no zip")
    return MalformedBill(f"the zip is broken: {type(error).__name__}")


def _check_all(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise MalformedBill(f"{len(entries)} members; a bill has two")
    for number, entry in enumerate(entries, 1):
        strange = _strangeness(entry)
        if strange:
            raise MalformedBill(f"member {number} {strange}")


def _strangeness(entry: zipfile.ZipInfo) -> str:
    """What is wrong with a member before it is opened; empty where nothing is."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    name = _name(entry)
    if any(sign in name for sign in "/\\:\0") or name in ("", ".", ".."):
        return "has a name that leads elsewhere"
    if kind not in (0, stat.S_IFREG):
        return "is a link or a device"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in _PACKED:
        return "is packed in a way Alipay does not use"
    if entry.file_size > LARGEST_MEMBER:
        return f"unpacks to {entry.file_size} bytes"
    if entry.file_size > max(SMALL, HIGHEST_RATIO * entry.compress_size):
        return f"unpacks to {entry.file_size} bytes from {entry.compress_size}"
    return ""


def _name(entry: zipfile.ZipInfo) -> str:
    """The member's name: Alipay writes GBK and does not say so."""
    try:
        return entry.orig_filename.encode("cp437").decode(CHARSET)
    except UnicodeError:
        return entry.orig_filename


def _charset(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, bill_type: str) -> str:
    """The charset in which the member begins as this type's lines do; empty for any other member."""
    heading = _HEADINGS[bill_type]
    with archive.open(entry) as stream:
        start = stream.read(64)
    if start.startswith(heading.encode(CHARSET)):
        return CHARSET
    if start.removeprefix(codecs.BOM_UTF8).startswith(heading.encode()):
        return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"
    return ""
