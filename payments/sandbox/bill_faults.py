"""Bills that are wrong on purpose: what is planted is known, so that a reconciliation can be held against it."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from payments.sandbox.bills import Bill
from payments.sandbox.ledger import Movement

KINDS = ("missing", "foreign", "amount", "fee")
ENCODINGS = ("gbk", "utf-8", "utf-8-sig")
CUTS = ("rows", "zip")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wrong with one bill.

    missing      Alipay says there is none (isp.bill_not_exist)
    late         the same, for so many questions
    empty        a file with no rows, whatever happened
    cut          "rows": the last third and the totals are missing; "zip": half of the archive arrives
    duplicated   so many rows stand twice, and the totals count them twice
    encoding     one of ENCODINGS
    differences  so many differences are planted; each is told
    """

    missing: bool = False
    late: int = 0
    empty: bool = False
    cut: str = ""
    duplicated: int = 0
    encoding: str = "gbk"
    differences: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One planted difference. fen are what the bill says; true_fen what is true (0 where there is nothing)."""

    kind: str
    trade_no: str
    out_trade_no: str
    out_request_no: str
    fen: int
    true_fen: int
    fee_fen: int
    true_fee_fen: int

    def told(self) -> dict[str, object]:
        return asdict(self)


def falsified(moved: Sequence[Movement], plan: Plan, chance: random.Random) -> tuple[list[Movement], list[Difference]]:
    """The movements the bill shows, and every difference between them and the truth."""
    if plan.empty:
        return [], []
    shown, planted = list(moved), []
    for at in sorted(chance.sample(range(len(shown)), min(plan.differences, len(shown))), reverse=True):
        difference, rows = _planted(shown[at], chance)
        shown[at : at + 1] = rows
        planted.append(difference)
    for at in sorted(chance.sample(range(len(shown)), min(plan.duplicated, len(shown))), reverse=True):
        shown.insert(at, shown[at])
    return shown, planted[::-1]


def damaged(bill: Bill, plan: Plan) -> bytes:
    """The bytes that are sent for this bill."""
    members = {name: _cut(text) if "明细.csv" in name else text for name, text in bill.members.items()}
    packed = Bill(bill.name, members if plan.cut == "rows" else bill.members).packed(charset=plan.encoding)
    return packed[: len(packed) // 2] if plan.cut == "zip" else packed


def _cut(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: max(5, len(lines) * 2 // 3)]) if len(lines) > 5 else text


def _planted(true: Movement, chance: random.Random) -> tuple[Difference, list[Movement]]:
    kind = chance.choice(KINDS)
    step = 1 if true.fen > 0 else -1
    if kind == "missing":
        return _difference(kind, true, None), []
    if kind == "foreign":
        stranger = replace(
            true, trade_no=f"{true.trade_no[:16]}{chance.randrange(10**12):012d}",
            out_trade_no=f"X{chance.randrange(10**15):015d}", fee_fen=0,
        )  # fmt: skip
        return _difference(kind, None, stranger), [true, stranger]
    shown = replace(true, fen=true.fen + step) if kind == "amount" else replace(true, fee_fen=true.fee_fen - step)
    return _difference(kind, true, shown), [shown]


def _difference(kind: str, true: Movement | None, shown: Movement | None) -> Difference:
    named = shown or true
    assert named is not None, "a difference is about something"
    return Difference(
        kind, named.trade_no, named.out_trade_no, named.out_request_no,
        fen=shown.fen if shown else 0, true_fen=true.fen if true else 0,
        fee_fen=shown.fee_fen if shown else 0, true_fee_fen=true.fee_fen if true else 0,
    )  # fmt: skip
