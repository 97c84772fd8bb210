"""Bills as Alipay writes them, line by line, for tests to spoil."""

import io
import zipfile
from datetime import date, timedelta

from payments.alipay.bill_columns import LEDGER_COLUMNS, TRADE_COLUMNS, TRADE_COLUMNS_WITH_TAB

PID = "2088000000000001"
DAY = date(2026, 11, 22)
TRADE_NAME, SUMMARY_NAME = "{}_20261122_业务明细.csv", "{}_20261122_业务明细(汇总).csv"
PAYMENT = {
    "支付宝交易号": "2026112222001", "商户订单号": "A1", "业务类型": "交易", "商品名称": "明前龙井",
    "创建时间": "2026-11-22 14:32:00", "完成时间": "2026-11-22 14:32:10",
    "对方账户": "*三(159****5620)", "订单金额（元）": "88.80", "商家实收（元）": "80.00",
    "商家优惠（元）": "8.80", "服务费（元）": "-0.48", "分润（元）": "0.00",
}  # fmt: skip
REFUND = {
    **PAYMENT, "业务类型": "退款", "完成时间": "2026-11-22 18:00:00", "订单金额（元）": "-8.80", "商家实收（元）": "-8.80",
    "商家优惠（元）": "0.00", "退款批次号/请求号": "R1", "服务费（元）": "0.00",
}  # fmt: skip
MOVED = {
    "账务流水号": "L1", "业务流水号": "2026112222001", "商户订单号": "A1", "商品名称": "明前龙井",
    "发生时间": "2026-11-22 14:32:10", "收入金额（+元）": "80.00",
    "支出金额（-元）": "0.00", "账户余额（元）": "180.00", "业务类型": "在线支付",
}  # fmt: skip
FEE = {
    **MOVED,
    "账务流水号": "L2",
    "收入金额（+元）": "0.00",
    "支出金额（-元）": "-0.48",
    "账户余额（元）": "179.52",
    "业务类型": "收费",
}


def _list(rows: list[dict[str, str]], names: tuple[str, ...]) -> list[str]:
    tab = dict.fromkeys(TRADE_COLUMNS_WITH_TAB, "\t")
    return [",".join(names), *(",".join(row.get(name, "") + tab.get(name, "") for name in names) for row in rows)]


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _sum(rows: list[dict[str, str]], name: str) -> str:
    return _yuan(sum(round(float(row.get(name) or 0) * 100) for row in rows))


def _heading(title: str, what: str, day: date, pid: str) -> list[str]:
    span = f"{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day + timedelta(days=1):%Y年%m月%d日} 00:00:00]"
    return [
        title,
        f"#账号：[{pid}0156]",
        f"#起始日期：[{span}",
        f"#-----------------------------------------{what}----------",
    ]


def trade_lines(
    rows: list[dict[str, str]], *, names: tuple[str, ...] = TRADE_COLUMNS, day: date = DAY, pid: str = PID
) -> list[str]:
    paid, back = ([row for row in rows if row["业务类型"] == kind] for kind in ("交易", "退款"))
    return [
        *_heading("#支付宝业务明细查询", "业务明细列表", day, pid),
        *_list(rows, names),
        "#-----------------------------------------业务明细列表结束------------------------------------",
        f"#交易合计：{len(paid)}笔，商家实收共{_sum(paid, '商家实收（元）')}元，商家优惠共{_sum(paid, '商家优惠（元）')}元",
        f"#退款合计：{len(back)}笔，商家实收退款共{_sum(back, '商家实收（元）')}元，商家优惠退款共0.00元",
        "#导出时间：[2026年11月23日 09:12:13]",
    ]


def ledger_lines(rows: list[dict[str, str]], *, names: tuple[str, ...] = LEDGER_COLUMNS) -> list[str]:
    came = [row for row in rows if row["收入金额（+元）"] not in ("", "0.00")]
    went = [row for row in rows if row not in came]
    return [
        *_heading("#支付宝账务明细查询", "账务明细列表", DAY, PID),
        *_list(rows, names),
        "#-----------------------------------------账务明细列表结束------------------------------------",
        f"#支出合计：{len(went)}笔，共{_sum(went, '支出金额（-元）')}元",
        f"#收入合计：{len(came)}笔，共{_sum(came, '收入金额（+元）')}元",
        "#导出时间：[2026年11月23日 09:12:13]",
    ]


def packed(lines: list[str], *, charset: str = "gbk", detail: str = TRADE_NAME, bom: bytes = b"") -> bytes:
    """The zip: the summary first, names in GBK without saying so."""
    members = [
        (SUMMARY_NAME.format(f"{PID}0156"), "#支付宝业务汇总查询\r\n门店编号,门店名称\r\n".encode(charset)),
        (detail.format(f"{PID}0156"), bom + "".join(f"{line}\r\n" for line in lines).encode(charset)),
    ]
    return zipped(members)


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(_gbk_entry(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


class _Entry(zipfile.ZipInfo):
    """zipfile would say that the name is UTF-8; Alipay's zips don't."""

    raw = b""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # zipfile's
        return self.raw, 0


def _gbk_entry(name: str) -> zipfile.ZipInfo:
    entry = _Entry(name.replace("\\", "-"))
    entry.raw = name.encode("gbk")
    entry.external_attr = 0o100644 << 16
    return entry
