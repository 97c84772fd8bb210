import io
from collections.abc import Callable
from datetime import date

import pytest

from payments.alipay.bill_columns import LEDGER, LEDGER_COLUMNS, TRADE, TRADE_COLUMNS
from payments.alipay.bills import LONGEST_LINE, fen_of, open_bill
from payments.errors import MalformedBill, NotABill
from tests.payments.alipay.billing import (
    DAY,
    FEE,
    MOVED,
    PAYMENT,
    PID,
    REFUND,
    TRADE_NAME,
    ledger_lines,
    packed,
    trade_lines,
    zipped,
)

ROWS = [PAYMENT, REFUND]


def read(file: bytes, *, bill_type: str = TRADE, day: date = DAY, pid: str = PID) -> list[dict[str, str]]:
    with open_bill(io.BytesIO(file), bill_type=bill_type, seller_id=pid, day=day) as bill:
        return [dict(zip(bill.columns, line.cells, strict=True)) for line in bill.lines()]


def filled(rows: list[dict[str, str]], names: tuple[str, ...] = TRADE_COLUMNS) -> list[dict[str, str]]:
    return [{name: row.get(name, "") for name in names} for row in rows]


def test_a_bill_is_read_by_the_names_of_its_columns_without_tabs():
    assert read(packed(trade_lines(ROWS))) == filled(ROWS)


def test_a_ledger_is_read_the_same_way():
    rows = [MOVED, FEE]

    assert read(packed(ledger_lines(rows)), bill_type=LEDGER) == filled(rows, LEDGER_COLUMNS)


def test_lines_know_where_they_stand():
    with open_bill(io.BytesIO(packed(trade_lines(ROWS))), bill_type=TRADE, seller_id=PID, day=DAY) as bill:
        assert [line.line_no for line in bill.lines()] == [6, 7]


@pytest.mark.rows("F65")
def test_a_day_without_business_is_a_bill_without_lines():
    assert read(packed(trade_lines([]))) == []


@pytest.mark.rows("F64")
@pytest.mark.parametrize(
    ("charset", "bom"), [("gbk", b""), ("gb18030", b""), ("utf-8", b""), ("utf-8", b"\xef\xbb\xbf")]
)
def test_any_charset_a_bill_was_saved_in_is_read(charset: str, bom: bytes):
    assert read(packed(trade_lines(ROWS), charset=charset, bom=bom)) == filled(ROWS)


@pytest.mark.rows("F64")
def test_columns_may_stand_in_any_order_with_new_ones_among_them():
    names = (*reversed(TRADE_COLUMNS), "花呗分期期数")
    rows = [{**row, "花呗分期期数": "3"} for row in ROWS]

    assert read(packed(trade_lines(rows, names=names))) == filled(rows, names)


@pytest.mark.rows("F64")
def test_parentheses_of_half_width_are_the_same_columns():
    lines = trade_lines(ROWS)
    lines[4] = lines[4].replace("（", "(").replace("）", ")")

    assert read(packed(lines)) == filled(ROWS)


def changed(at: int, change: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    return lambda lines: [change(line) if place == at else line for place, line in enumerate(lines)]


SPOILED: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "a header's text changed": (
        changed(4, lambda line: line.replace("商家实收", "商家应收")),
        "line 5: no column 商家实收",
    ),
    "a column twice": (changed(4, lambda line: line.replace("备注", "商品名称")), "line 5: a column stands twice"),
    "a line cut in the middle": (changed(6, lambda line: line[:60]), "line 7: "),
    "a line missing": (lambda lines: lines[:6] + lines[7:], "退款合计 says 1 lines"),
    "a line twice": (lambda lines: lines[:6] + lines[5:], "交易合计 says 1 lines and 8000 fen, the lines above are 2"),
    "an amount changed": (changed(5, lambda line: line.replace("80.00", "80.01")), "交易合计"),
    "a third decimal": (changed(5, lambda line: line.replace("88.80", "88.801")), "line 6: not an amount"),
    "an amount in words": (changed(5, lambda line: line.replace("88.80", "1e3")), "line 6: not an amount"),
    "no time": (changed(5, lambda line: line.replace("2026-11-22 14:32:10", "yesterday")), "line 6: not a time"),
    "one cell more": (changed(5, lambda line: f"x,{line}"), "line 6: 26 cells under 25 columns"),
    "a bare quote": (changed(5, lambda line: line.replace("明前龙井", '"明前龙井')), "line 6: "),
    "words behind a quote": (changed(5, lambda line: line.replace("明前龙井", '"明前"龙井')), "line 6: "),
    "a line of 1 MB": (
        changed(5, lambda line: line + "".join(map(str, range(180_000)))),
        f"line 6: longer than {LONGEST_LINE}",
    ),
    "no newline at all": (changed(5, lambda line: line + "x" * 20_000), "line 6: longer"),
    "an empty line": (changed(5, lambda _: ""), "line 6: an empty line"),
    "no totals": (lambda lines: lines[:8], "line 8: the file ends without the totals of 交易, 退款"),
    "only one total": (lambda lines: lines[:9], "without the totals of 退款"),
    "cut before the end": (lambda lines: lines[:7], "line 7: the file ends here, without totals"),
    "cut within the list": (lambda lines: lines[:6], "line 6: the file ends here, without totals"),
    "cut in the heading": (lambda lines: lines[:3], "the file holds no columns"),
    "a comment in the list": (lambda lines: [*lines[:6], "# x", *lines[6:]], "line 7: the list breaks off"),
    "a line behind the end": (lambda lines: [*lines, "1,2,3"], "line 12: a line behind the end"),
    "no account": (lambda lines: [lines[0], *lines[2:]], "no account or no dates"),
    "dates in words": (changed(2, lambda line: line.replace("2026年11月22日", "heute")), "dates we can't read"),
}


@pytest.mark.rows("F62", "F63", "F64", "D08")
@pytest.mark.parametrize("how", SPOILED)
def test_a_bill_that_is_not_whole_is_refused_and_the_line_is_named(how: str):
    spoil, says = SPOILED[how]
    lines = spoil(trade_lines(ROWS))

    with pytest.raises(MalformedBill, match=says):
        read(packed(lines))


@pytest.mark.rows("F64")
def test_bytes_that_are_no_letters_are_refused_and_the_line_is_named():
    lines = "".join(f"{line}\r\n" for line in trade_lines([{**PAYMENT, "商品名称": "@@"}]))
    content = lines.encode("gbk").replace(b"@@", b"\xff\xff")

    with pytest.raises(MalformedBill, match="line 6: not gb18030"):
        read(zipped([(TRADE_NAME.format(PID), content)]))


@pytest.mark.rows("D08")
@pytest.mark.parametrize("subject", ["茶,杯", "茶,杯,碗", 'say "tea"'])
@pytest.mark.parametrize("remark", ["", "a,b"])
def test_commas_that_nobody_quoted_stay_in_the_text_they_are_in(subject: str, remark: str):
    rows = [{**PAYMENT, "商品名称": subject, "备注": remark}]

    assert read(packed(trade_lines(rows))) == filled(rows)


@pytest.mark.rows("D08")
def test_commas_in_quotes_are_text():
    rows = [{**PAYMENT, "商品名称": "茶,杯"}]
    lines = trade_lines(rows)
    lines[5] = lines[5].replace("茶,杯", '"茶,杯"')

    assert read(packed(lines)) == filled(rows)


@pytest.mark.rows("D09")
@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"pid": "2088000000000002"}, "another merchant"),
        ({"day": date(2026, 11, 21)}, "another time"),
        ({"day": date(2026, 11, 23)}, "another time"),
        ({"bill_type": LEDGER}, "0 members with the lines of a signcustomer bill"),
    ],
)
def test_a_bill_of_somebody_or_some_day_else_is_refused(wanted, says):
    with pytest.raises(MalformedBill, match=says):
        read(packed(trade_lines(ROWS)), **wanted)


@pytest.mark.rows("D09")
def test_a_bill_of_a_whole_month_is_not_one_of_a_day():
    lines = trade_lines(ROWS)
    lines[2] = lines[2].replace("11月23日", "12月01日")

    with pytest.raises(MalformedBill, match="another time"):
        read(packed(lines))


def test_older_totals_sum_up_order_amounts():
    lines = trade_lines([PAYMENT])
    lines[-3] = "#交易合计：1笔，交易金额共88.80元，优惠金额共8.80元"
    assert read(packed(lines)) == filled([PAYMENT])

    lines[-3] = "#交易合计：1笔，交易金额共80.00元，优惠金额共8.80元"
    with pytest.raises(MalformedBill):
        read(packed(lines))


@pytest.mark.parametrize("total", ["-0.48", "0.48"])
def test_expenses_sum_up_with_or_without_their_sign(total: str):
    lines = [line.replace("共-0.48元", f"共{total}元") for line in ledger_lines([MOVED, FEE])]

    assert len(read(packed(lines), bill_type=LEDGER)) == 2


@pytest.mark.parametrize("change", [{"支出金额（-元）": "-1.00"}, {"收入金额（+元）": "80.01"}])
def test_a_ledger_that_does_not_add_up_is_refused(change: dict[str, str]):
    good = "\n".join(ledger_lines([MOVED, FEE]))
    bad = "\n".join(ledger_lines([{**MOVED, **change}, FEE]))
    tail = good[good.index("#支出合计") :]

    with pytest.raises(MalformedBill):
        read(packed((bad[: bad.index("#支出合计")] + tail).split("\n")), bill_type=LEDGER)


def test_lines_are_handed_out_before_the_file_is_read_to_its_end():
    """A stream: a cut bill of many lines gives its first ones, and says at the end that it is none."""
    lines = trade_lines([PAYMENT] * 5000)[:4000]
    with open_bill(io.BytesIO(packed(lines)), bill_type=TRADE, seller_id=PID, day=DAY) as bill:
        stream = bill.lines()
        assert next(stream).line_no == 6
        with pytest.raises(MalformedBill, match="line 4000: the file ends here"):
            list(stream)


def test_what_goes_wrong_for_the_reader_of_lines_stays_its_own_error():
    with (
        pytest.raises(ValueError, match="mine"),
        open_bill(  # the block is the caller's
            io.BytesIO(packed(trade_lines(ROWS))), bill_type=TRADE, seller_id=PID, day=DAY
        ),
    ):
        raise ValueError("mine")


@pytest.mark.parametrize(
    ("text", "fen"), [("88.80", 8880), ("-0.59", -59), ("0", 0), ("", 0), ("+1.5", 150), ("99999999.99", 9999999999)]
)
def test_amounts_are_whole_fen(text: str, fen: int):
    assert fen_of(text) == fen


@pytest.mark.rows("D07")
@pytest.mark.parametrize(
    "file",
    [b"<html><body>error</body></html>", b"\r\n <!DOCTYPE html>", b'{"code":"40004"}', b"", b"[]", b"just words"],
)
def test_something_else_in_a_bills_place_is_told_apart(file: bytes):
    with pytest.raises(NotABill):
        read(file)


@pytest.mark.rows("F61")
def test_a_download_that_was_cut_anywhere_is_refused():
    whole = packed(trade_lines(ROWS * 50))
    for part in range(1, 21):
        with pytest.raises(MalformedBill):
            read(whole[: len(whole) * part // 21])
