"""The zips of a planted day, as Alipay would ship them: of the day, of the one before and of the one after."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from config.local.proofs.planting import DAY, ONE_DAY, PID, Planted
from payments.alipay import bill_columns as words
from payments.sandbox.bills import Bill, Period, ledger_bill, trade_bill
from payments.sandbox.ledger import Movement


def bills(both: Planted) -> dict[tuple[str, str], bytes]:
    """Every bill as its zip, by day (ISO) and kind: of the day before, of the day, and of the day after."""
    days = {-1: (both.before, both.before), 0: (both.trade, both.flow), 1: (both.after, both.after)}
    made: dict[tuple[str, str], bytes] = {}
    for shift, (trade, flow) in days.items():
        since = DAY + shift * ONE_DAY
        period = Period(since, since + ONE_DAY, f"{since:%Y%m%d}")
        made_at = since + ONE_DAY + timedelta(hours=9)
        first = trade_bill(trade, period, account=f"{PID}0156", made_at=made_at)
        second = ledger_bill(flow, period, account=f"{PID}0156", made_at=made_at, opening_fen=0, first_no=shift * 10**6)
        if shift == 0:
            first, second = _with_odd_lines(first, both.lines, period), _with_a_gap(second, both)
        made[f"{since:%Y-%m-%d}", "trade"] = first.packed()
        made[f"{since:%Y-%m-%d}", words.LEDGER] = second.packed()
    return made


def _with_odd_lines(bill: Bill, odd: list[Movement], period: Period) -> Bill:
    """Lines of a kind that is no payment and no refund; the totals, which count only these two, stay as they are."""
    alone = trade_bill(odd, period, account=f"{PID}0156", made_at=period.until)
    rows = [line for line in _detail(alone) if line.startswith("2026")]
    strange = [row.replace(f",{words.PAYMENT}\t,", ",转账\t,") for row in rows]
    lines = _detail(bill)
    at = next(index for index, line in enumerate(lines) if words.TRADE_LIST + "结束" in line)
    return _with_detail(bill, [*lines[:at], *strange, *lines[at:]])


def _with_a_gap(bill: Bill, both: Planted) -> Bill:
    if not both.breaks_balance:
        return bill
    lines = _detail(bill)
    head = next(index for index, line in enumerate(lines) if line.startswith(words.LEDGER_NO))
    column = lines[head].split(",").index(words.BALANCE)
    cells = lines[head + 3].split(",")
    cells[column] = f"{Decimal(cells[column]) + 1:.2f}"
    lines[head + 3] = ",".join(cells)
    return _with_detail(bill, lines)


def _detail(bill: Bill) -> list[str]:
    return next(iter(bill.members.values())).split("\r\n")


def _with_detail(bill: Bill, lines: list[str]) -> Bill:
    name = next(iter(bill.members))
    return replace(bill, members={**bill.members, name: "\r\n".join(lines)})
