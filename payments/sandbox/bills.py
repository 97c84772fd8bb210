"""Bills as Alipay ships them: a zip of two CSV files in GBK, headings and totals on lines that begin with "#".

Source: dossier 5. Names of members are GBK without the flag that would say so, text cells end with a tab.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from payments.alipay import bill_columns as words
from payments.alipay.clock import BEIJING, to_beijing
from payments.sandbox.ledger import Movement

Row = dict[str, str]
BUYER = "*测试(159****5620)"
_TRADE_SUMMARY = (
    "门店编号", "门店名称", "交易订单总笔数", "退款订单总笔数", "订单金额（元）", "商家实收（元）", "支付宝优惠（元）",
    "商家优惠（元）", "卡消费金额（元）", "服务费（元）", "分润（元）", "实收净额（元）",
)  # fmt: skip
_LEDGER_SUMMARY = ("类型", "收入笔数", "收入金额（+元）", "支出笔数", "支出金额（-元）", "总金额（元）")


@dataclass(frozen=True, slots=True)
class Period:
    """A bill's day or month: from `since` to before `until`, and the date in its file names."""

    since: datetime
    until: datetime
    stamp: str


@dataclass(frozen=True, slots=True)
class Bill:
    """One bill, not yet packed. members maps each file's name to its text."""

    name: str
    members: dict[str, str]

    def packed(self, *, charset: str = "gbk") -> bytes:
        """The zip. charset is GBK unless a fault wants another."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self.members.items():
                archive.writestr(_Member(name, date_time=(2026, 1, 1, 0, 0, 0)), text.encode(charset, "replace"))
        return buffer.getvalue()


class _Member(zipfile.ZipInfo):
    """A member whose name is written as GBK bytes, and not flagged as anything."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # the library's name
        self.compress_type = zipfile.ZIP_DEFLATED
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def trade_bill(moved: Sequence[Movement], period: Period, *, account: str, made_at: datetime) -> Bill:
    """业务明细 and 业务明细(汇总): one line a payment or refund. account is the PID with 0156 behind it."""
    paid, refunded = [each for each in moved if not each.is_refund], [each for each in moved if each.is_refund]
    totals = [
        f"#交易合计：{len(paid)}笔，商家实收共{_yuan(_sum(paid))}元，商家优惠共0.00元",
        f"#退款合计：{len(refunded)}笔，商家实收退款共{_yuan(_sum(refunded))}元，商家优惠退款共0.00元",
    ]
    rows = [_trade_row(each) for each in moved]
    head = _head(words.TRADE_DETAIL, account, period)
    detail = _file(
        head, words.TRADE_LIST, words.TRADE_COLUMNS, rows, totals, made_at, tabs=words.TRADE_COLUMNS_WITH_TAB
    )
    summary = _file(
        _head(words.TRADE_SUMMARY, account, period),
        "业务汇总列表",
        _TRADE_SUMMARY,
        [_trade_total(paid, refunded)],
        [],
        made_at,
    )
    stem = f"{account}_{period.stamp}"
    return Bill(f"{stem}.csv.zip", {f"{stem}_业务明细.csv": detail, f"{stem}_业务明细(汇总).csv": summary})


def ledger_bill(
    moved: Sequence[Movement], period: Period, *, account: str, made_at: datetime, opening_fen: int, first_no: int
) -> Bill:
    """账务明细 and 账务汇总: one line a change of the account, with the balance after it.

    opening_fen  the balance before the first line
    first_no     how many lines the account had before
    """
    rows: list[Row] = []
    changes = [change for each in moved for change in _changes(each)]
    balance = opening_fen
    for number, (kind, fen, movement) in enumerate(changes, first_no + 1):
        balance += fen
        rows.append(_ledger_row(kind, fen, movement, balance, number))
    income, expense = [fen for _, fen, _ in changes if fen > 0], [fen for _, fen, _ in changes if fen < 0]
    totals = [
        f"#支出合计：{len(expense)}笔，共{_yuan(sum(expense))}元",
        f"#收入合计：{len(income)}笔，共{_yuan(sum(income))}元",
    ]
    tabs = frozenset({words.LEDGER_NO, words.BUSINESS_NO, words.OUT_TRADE_NO})
    head = _head(words.LEDGER_DETAIL, account, period)
    detail = _file(head, words.LEDGER_LIST, words.LEDGER_COLUMNS, rows, totals, made_at, tabs=tabs)
    kinds = [_ledger_total(kind, [fen for k, fen, _ in changes if kind in (k, "合计")]) for kind in _kinds(changes)]
    summary = _file(_head(words.LEDGER_SUMMARY, account, period), "账务汇总列表", _LEDGER_SUMMARY, kinds, [], made_at)
    stem = f"{account}_{period.stamp}"
    return Bill(f"{stem}.csv.zip", {f"{stem}_账务明细.csv": detail, f"{stem}_账务汇总.csv": summary})


def lines_of(movement: Movement) -> int:
    """How many lines of the ledger a movement makes."""
    return len(_changes(movement))


def _changes(movement: Movement) -> list[tuple[str, int, Movement]]:
    names = ("交易退款", "退费") if movement.is_refund else ("在线支付", "收费")
    changes = [(names[0], movement.fen, movement), (names[1], movement.fee_fen, movement)]
    return [each for each in changes if each[1] != 0]


def _trade_row(movement: Movement) -> Row:
    amount, details = _yuan(movement.fen), dict(movement.details)
    return {
        **dict.fromkeys(words.TRADE_COLUMNS, "0.00"),
        words.TRADE_NO: movement.trade_no, words.OUT_TRADE_NO: movement.out_trade_no,
        words.KIND: words.REFUND if movement.is_refund else words.PAYMENT, words.SUBJECT: movement.subject,
        words.CREATED_AT: to_beijing(movement.created_at), words.DONE_AT: to_beijing(movement.at),
        "门店编号": details.get("store_id", ""), "门店名称": "", "操作员": details.get("operator_id", ""),
        "终端号": details.get("terminal_id", ""), "对方账户": BUYER, words.TOTAL: amount, words.RECEIPT: amount,
        "券名称": "", words.OUT_REQUEST_NO: movement.out_request_no, words.FEE: _yuan(movement.fee_fen),
        words.REMARK: movement.note,
    }  # fmt: skip


def _ledger_row(kind: str, fen: int, movement: Movement, balance: int, number: int) -> Row:
    is_fee = kind in ("收费", "退费")
    serial = f"{to_beijing(movement.at)[:10].replace('-', '')}{number:012d}"
    returned = f"{movement.trade_no}-r-{movement.out_request_no}"
    return {
        words.LEDGER_NO: serial, words.BUSINESS_NO: serial[:8] + "9" + serial[9:] if is_fee else movement.trade_no,
        words.OUT_TRADE_NO: returned if kind == "退费" else movement.out_trade_no, words.SUBJECT: movement.subject,
        words.HAPPENED_AT: to_beijing(movement.at), "对方账号": "" if is_fee else BUYER,
        words.INCOME: _yuan(max(fen, 0)), words.EXPENSE: _yuan(min(fen, 0)), words.BALANCE: _yuan(balance),
        "交易渠道": "支付宝", words.KIND: kind, words.REMARK: _remark(kind, movement),
    }  # fmt: skip


def _remark(kind: str, movement: Movement) -> str:
    fees = {"收费": f"服务费[{movement.trade_no}]", "退费": f"服务费退回({movement.trade_no})"}
    return fees.get(kind, movement.note)


def _trade_total(paid: Sequence[Movement], refunded: Sequence[Movement]) -> Row:
    amount, fee = _sum(paid) + _sum(refunded), sum(each.fee_fen for each in (*paid, *refunded))
    return {
        **dict.fromkeys(_TRADE_SUMMARY, "0.00"), "门店编号": "合计", "门店名称": "", "交易订单总笔数": str(len(paid)),
        "退款订单总笔数": str(len(refunded)), "订单金额（元）": _yuan(amount), "商家实收（元）": _yuan(amount),
        "服务费（元）": _yuan(fee), "实收净额（元）": _yuan(amount + fee),
    }  # fmt: skip


def _ledger_total(kind: str, amounts: Sequence[int]) -> Row:
    income, expense = [fen for fen in amounts if fen > 0], [fen for fen in amounts if fen < 0]
    values = (
        kind, str(len(income)), _yuan(sum(income)), str(len(expense)), _yuan(sum(expense)), _yuan(sum(amounts)),
    )  # fmt: skip
    return dict(zip(_LEDGER_SUMMARY, values, strict=True))


def _kinds(changes: Iterable[tuple[str, int, Movement]]) -> list[str]:
    return [*dict.fromkeys(kind for kind, _, _ in changes), "合计"]


def _head(title: str, account: str, period: Period) -> list[str]:
    return [title, f"#账号：[{account}]", f"#起始日期：[{_long(period.since)}]   终止日期：[{_long(period.until)}]"]


def _file(
    head: Sequence[str],
    title: str,
    columns: Sequence[str],
    rows: Iterable[Row],
    totals: Sequence[str],
    made_at: datetime,
    *,
    tabs: frozenset[str] = frozenset(),
) -> str:
    buffer = io.StringIO()
    out = csv.writer(buffer, lineterminator="\r\n")
    dashes = "-" * 41
    buffer.writelines(f"{line}\r\n" for line in (*head, f"#{dashes}{title}{dashes}"))
    out.writerow(columns)
    out.writerows([f"{row[name]}\t" if name in tabs else row[name] for name in columns] for row in rows)
    tail = (f"#{dashes}{title}结束{dashes}", *totals, f"#导出时间：[{_long(made_at)}]")
    buffer.writelines(f"{line}\r\n" for line in tail)
    return buffer.getvalue()


def _sum(moved: Iterable[Movement]) -> int:
    return sum(each.fen for each in moved)


def _yuan(fen: int) -> str:
    sign, whole, part = "-" if fen < 0 else "", abs(fen) // 100, abs(fen) % 100
    return f"{sign}{whole}.{part:02d}"


def _long(moment: datetime) -> str:
    local = moment.astimezone(BEIJING)
    return f"{local:%Y}年{local:%m}月{local:%d}日 {local:%H:%M:%S}"
