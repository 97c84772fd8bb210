"""Bills: the real format, fees, balances, links that die, and what is wrong on purpose."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from payments.money import Money
from payments.sandbox.alipay import Refused
from payments.sandbox.bill_faults import Plan
from payments.sandbox.ledger import fee_of, movements
from tests.sandbox.conftest import NOW

DAY = "2026-11-22"
NEXT_MORNING = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # 9:00 in Beijing


@pytest.fixture
def sold(alipay, decide):
    """Three payments and two refunds on the 22nd, one payment on the 21st; times in Beijing."""
    for number, amount, hour in (("A0", "10.00", -20), ("A1", "295.00", 0), ("A2", "0.01", 1), ("A3", "88.88", 10)):
        moment = NOW + timedelta(hours=hour)
        decide("trade.precreate", moment, out_trade_no=number, total_amount=amount, subject=f"茶, {number}")
        alipay.pay(alipay.book.trades[number], moment)
    alipay.refund(alipay.book.trades["A1"], Money(10000), "R1", NOW + timedelta(hours=2), reason="不想要了")
    alipay.refund(alipay.book.trades["A1"], Money(19500), "R2", NOW + timedelta(hours=3))
    return alipay


def fetched(alipay, bill_type: str = "trade", day: str = DAY, now: datetime = NEXT_MORNING) -> bytes:
    link = alipay.bills.link(bill_type, day, now)["bill_download_url"]
    found = alipay.bills.behind(link.rsplit("=", 1)[-1], now)
    assert found is not None
    return found[1]


def members(content: bytes, charset: str = "gbk") -> dict[str, list[str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            assert not info.flag_bits & 0x800  # no word of UTF-8
        return {
            name.encode("cp437").decode("gbk"): archive.read(name).decode(charset).split("\r\n")
            for name in archive.namelist()
        }


def test_a_trade_bill_is_written_as_alipays(sold):
    account = f"{sold.identity.seller_id}0156"
    files = members(fetched(sold))

    assert list(files) == [f"{account}_20261122_业务明细.csv", f"{account}_20261122_业务明细(汇总).csv"]
    detail, summary = files.values()
    assert detail[0] == "#支付宝业务明细查询"
    assert detail[1] == f"#账号：[{account}]"
    assert detail[2] == "#起始日期：[2026年11月22日 00:00:00]   终止日期：[2026年11月23日 00:00:00]"
    assert len(detail[4].split(",")) == 25
    assert len([line for line in detail if line and not line.startswith("#")]) == 1 + 4
    number = sold.book.trades["A1"].trade_no
    assert detail[5] == (
        f'{number}\t,A1\t,交易\t,"茶, A1",2026-11-22 14:00:00,2026-11-22 14:00:00,\t,\t,\t,\t,*测试(159****5620)\t,'
        "295.00,295.00,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-1.77,0.00,"
    )
    assert detail[7].startswith(f'{number}\t,A1\t,退款\t,"茶, A1",2026-11-22 14:00:00,2026-11-22 16:00:00')
    assert ",-100.00,-100.00," in detail[7]
    assert detail[7].endswith(",R1\t,0.60,0.00,不想要了")
    assert "#交易合计：2笔，商家实收共295.01元，商家优惠共0.00元" in detail
    assert "#退款合计：2笔，商家实收退款共-295.00元，商家优惠退款共0.00元" in detail
    assert summary[5].startswith("合计,,2,2,0.01,0.01,")


def test_a_payment_after_midnight_in_beijing_stands_in_the_next_days_bill(sold):
    def lines_about(number: str, day: str) -> int:
        detail = next(iter(members(fetched(sold, day=day, now=NOW + timedelta(days=9))).values()))
        return sum(f",{number}\t," in line for line in detail)

    assert (lines_about("A3", DAY), lines_about("A3", "2026-11-23")) == (0, 1)


def test_the_ledgers_balance_runs_through_every_line_and_day(sold):
    detail, summary = members(fetched(sold, "signcustomer")).values()
    rows = [line.split(",") for line in detail if line and not line.startswith("#")][1:]
    # the subject holds a comma, so that amounts are counted from the end
    balance = Decimal("9.94")  # 10.00 of the day before, less its fee
    for row in rows:
        income, expense, shown = (Decimal(cell) for cell in row[-6:-3])
        balance += income + expense
        assert balance == shown

    assert [row[-2] for row in rows] == ["在线支付", "收费", "在线支付", "交易退款", "退费", "交易退款", "退费"]
    assert balance == Decimal("9.95")
    assert len({row[0] for row in rows}) == 7
    assert "#收入合计：4笔，共296.78元" in detail
    assert "#支出合计：3笔，共-296.77元" in detail
    assert summary[-4].startswith("合计,4,296.78,3,-296.77,0.01")


def test_fees_are_rounded_half_up_and_come_back_with_the_last_fen(sold):
    assert [fee_of(fen, Decimal("0.0125")) for fen in (155000, 165000)] == [1938, 2063]
    assert fee_of(1, Decimal("0.006")) == 0

    fees = [each.fee_fen for each in movements(sold.book, Decimal("0.006")) if each.out_trade_no == "A1"]
    assert sum(fees) == 0
    assert fees[0] == -177


def test_a_month_has_a_bill_too(sold):
    files = members(fetched(sold, day="2026-11", now=datetime(2026, 12, 3, tzinfo=UTC)))

    assert next(iter(files)).endswith("_202611_业务明细.csv")
    assert any("#交易合计：4笔" in line for line in next(iter(files.values())))


def test_no_bill_before_the_next_morning_nor_of_another_kind(sold):
    with pytest.raises(Refused, match=r"isp\.bill_not_exist"):
        sold.bills.link("trade", DAY, NEXT_MORNING - timedelta(seconds=1))
    with pytest.raises(Refused, match=r"isv\.invalid_arguments"):
        sold.bills.link("trade", "2026-13-01", NEXT_MORNING)
    with pytest.raises(Refused, match=r"isv\.invalid_arguments"):
        sold.bills.link("secrets", DAY, NEXT_MORNING)


@pytest.mark.rows("F60")
def test_a_link_dies_after_thirty_seconds(sold):
    token = sold.bills.link("trade", DAY, NEXT_MORNING)["bill_download_url"].rsplit("=", 1)[-1]

    assert sold.bills.behind(token, NEXT_MORNING + timedelta(seconds=29)) is not None
    assert sold.bills.behind(token, NEXT_MORNING + timedelta(seconds=30)) is None
    assert sold.bills.behind("nothing", NEXT_MORNING) is None


def plan(alipay, **values) -> None:
    alipay.bills.plans[("trade", DAY)] = Plan(**values)


@pytest.mark.rows("F59")
def test_a_bill_is_missing_or_late(sold):
    plan(sold, missing=True)
    with pytest.raises(Refused, match="bill_not_exist"):
        sold.bills.link("trade", DAY, NEXT_MORNING)

    plan(sold, late=2)
    for _ in range(2):
        with pytest.raises(Refused, match="bill_not_exist"):
            sold.bills.link("trade", DAY, NEXT_MORNING)
    assert sold.bills.link("trade", DAY, NEXT_MORNING)


@pytest.mark.rows("F65")
def test_an_empty_day_has_a_file_and_says_so(alipay, sold):
    assert "bill_file_code" not in sold.bills.link("trade", DAY, NEXT_MORNING)
    assert sold.bills.link("trade", "2026-11-01", NEXT_MORNING)["bill_file_code"] == "EMPTY_DATA_WITH_BILL_FILE"

    plan(sold, empty=True)
    assert sold.bills.link("trade", DAY, NEXT_MORNING)["bill_file_code"] == "EMPTY_DATA_WITH_BILL_FILE"
    assert "#交易合计：0笔，商家实收共0.00元，商家优惠共0.00元" in next(iter(members(fetched(sold)).values()))


@pytest.mark.rows("F61", "F62")
def test_a_bill_is_cut_with_or_without_its_zip(sold):
    plan(sold, cut="zip")
    with pytest.raises(zipfile.BadZipFile):
        members(fetched(sold))

    plan(sold, cut="rows")
    detail = next(iter(members(fetched(sold)).values()))
    assert not any("合计" in line for line in detail)


@pytest.mark.rows("F63")
def test_rows_stand_twice_and_the_totals_agree_with_them(sold):
    plan(sold, duplicated=2)
    detail = next(iter(members(fetched(sold)).values()))

    rows = [line for line in detail if line and not line.startswith("#")][1:]
    assert (len(rows), len(set(rows))) == (6, 4)


@pytest.mark.rows("F64")
def test_a_bill_in_another_encoding(sold):
    plan(sold, encoding="utf-8-sig")
    assert next(iter(members(fetched(sold), "utf-8").values()))[0].startswith("\ufeff#支付宝")


@pytest.mark.rows("F67")
def test_every_planted_difference_is_told_and_none_is_invented(sold):
    plan(sold, differences=4)
    shown, planted = sold.bills.shown("trade", DAY)
    again, _ = sold.bills.shown("trade", DAY)
    true, none = sold.bills.shown("signcustomer", DAY)

    assert (shown, none) == (again, [])
    assert len(planted) == 4
    assert sum(each.fen for each in shown) - sum(each.fen for each in true) == sum(
        each.fen - each.true_fen for each in planted
    )
    assert sum(each.fee_fen for each in shown) - sum(each.fee_fen for each in true) == sum(
        each.fee_fen - each.true_fee_fen for each in planted
    )
    told = {(each.trade_no, each.out_request_no) for each in planted}
    key = lambda each: (each.trade_no, each.out_request_no, each.fen, each.fee_fen)  # noqa: E731
    assert {key(each)[:2] for each in shown if key(each) not in set(map(key, true))} <= told
