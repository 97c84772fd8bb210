"""Strange zips: none is unpacked, none writes anything, each says what is strange."""

import io
import stat
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from payments.alipay.bill_archive import MOST_ENTRIES, detail_of
from payments.alipay.bill_columns import TRADE
from payments.errors import MalformedBill
from tests.payments.alipay.billing import PAYMENT, TRADE_NAME, packed, trade_lines, zipped

GOOD = "".join(f"{line}\r\n" for line in trade_lines([PAYMENT])).encode("gbk")


def opened(file: bytes) -> bytes:
    with detail_of(io.BytesIO(file), bill_type=TRADE) as member:
        return member.stream.read()


def entry(name: str, content: bytes = GOOD, *, mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content, method)
    return out.getvalue()


def encrypted() -> bytes:
    file = bytearray(entry("a.csv"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = file.index(signature) + offset
        struct.pack_into("<H", file, at, struct.unpack_from("<H", file, at)[0] | 1)
    return bytes(file)


def lying(claimed: int) -> bytes:
    """A member whose directory claims another size than it has."""
    file = bytearray(entry("a.csv"))
    struct.pack_into("<I", file, file.index(b"PK\x01\x02") + 24, claimed)
    return bytes(file)


def far_larger(claimed: int) -> bytes:
    """A member whose directory claims, in the fields for large files, another size than it has."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.csv")
        archive.writestr(info, GOOD, zipfile.ZIP_DEFLATED)
        info.file_size = claimed
    return out.getvalue()


STRANGE = {
    "a bomb": (lambda: entry("a.csv", GOOD + bytes(50_000_000)), "unpacks to"),
    "10,000 members": (lambda: zipped([(f"{n}.csv", b"x") for n in range(10_000)]), "10000 members"),
    "one too many": (lambda: zipped([(f"{n}.csv", b"x") for n in range(MOST_ENTRIES + 1)]), "members"),
    "a zip within": (lambda: zipped([("a.csv.zip", packed(trade_lines([PAYMENT])))]), "0 members with the lines"),
    "encrypted": (encrypted, "is encrypted"),
    "bigger than a bill can be": (lambda: lying(0xFFFFFFF0), "unpacks to"),
    "a terabyte in the fields for large files": (lambda: far_larger(2**40), "unpacks to 1099511627776"),
    "bigger than it says": (lambda: lying(len(GOOD) - 9), None),
    "packed strangely": (lambda: entry("a.csv", method=zipfile.ZIP_LZMA), "packed in a way"),
    "two bills": (lambda: zipped([("a.csv", GOOD), ("b.csv", GOOD)]), "2 members"),
    "no bill": (lambda: zipped([("a.csv", b"hello")]), "0 members"),
    "nothing": (lambda: zipped([]), "0 members"),
}


@pytest.mark.rows("D05")
@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_zip_is_refused_quickly_and_in_little_memory(what: str):
    make, says = STRANGE[what]
    file = make()
    started = time.monotonic()
    tracemalloc.start()

    with pytest.raises((MalformedBill, zipfile.BadZipFile, EOFError), match=says):
        opened(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - started < 2
    assert peak < 20_000_000, "the bomb has fifty million bytes"


@pytest.mark.rows("D06")
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../a.csv", 0o100644),
        ("/etc/a.csv", 0o100644),
        ("folder/a.csv", 0o100644),
        ("C:a.csv", 0o100644),
        ("..\\a.csv", 0o100644),
        ("..", 0o100644),
        ("a.csv", stat.S_IFLNK | 0o777),
        ("a.csv", stat.S_IFCHR | 0o644),
        ("a.csv", stat.S_IFIFO | 0o644),
        ("folder/", stat.S_IFDIR | 0o755),
    ],
)
def test_names_that_lead_elsewhere_are_refused_and_nothing_is_written(
    name: str, mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.parent.iterdir())

    with pytest.raises(MalformedBill, match=r"leads elsewhere|link or a device"):
        opened(entry(name, mode=mode))

    assert list(tmp_path.iterdir()) == []
    assert set(tmp_path.parent.iterdir()) == before


def test_the_lines_are_found_whatever_the_member_is_called_and_wherever_it_stands():
    for members in ([("x", GOOD), ("y", b"#other")], [("y", b"#other"), (TRADE_NAME.format("1"), GOOD)]):
        assert opened(zipped(members)) == GOOD


def test_a_name_in_gbk_may_hold_a_backslash_byte():
    """The second byte of some letters is the sign that other systems part folders with."""
    assert opened(zipped([("乗.csv", GOOD)])) == GOOD
    assert b"\\" in "乗".encode("gbk")
