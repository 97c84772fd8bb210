"""Days of Alipay's bills as staff see them: a month at a glance, one day's two sides, and its lines beside our records."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Q

from payments.models import BillDay, BillFile, Case, Difference, MerchantAccount, Refund, StatementLine, Transaction

State = BillDay.State
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Cell:
    """One date of a month; `found` is None where it has no row: before the shop was connected, or not come yet."""

    date: date
    found: BillDay | None
    differences: int = 0
    unsolved: int = 0  # differences that have neither an explanation nor a case that is over


@dataclass(frozen=True, slots=True)
class Month:
    """`blanks`: weekdays before the first, from Monday."""

    first: date
    blanks: int
    cells: list[Cell]

    @property
    def before(self) -> date:
        return (self.first - timedelta(days=1)).replace(day=1)

    @property
    def after(self) -> date:
        return (self.first + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Side:
    """Counts and fen of one row of a day's totals; None where it is not known yet."""

    ours: int | None
    theirs: int | None

    @property
    def difference(self) -> int | None:
        return None if self.ours is None or self.theirs is None else self.theirs - self.ours


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill, with what we have of it, and what differs."""

    line: StatementLine
    attempt: Transaction | None
    refund: Refund | None
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Lines:
    """A page of lines by key. `after` is where the next page begins; empty on the last."""

    rows: list[Line]
    after: str


def merchants_with_days() -> list[MerchantAccount]:
    """One account a merchant: the one its days hang on."""
    return list(MerchantAccount.objects.order_by("seller_id", "pk").distinct("seller_id"))


def month(account_id: int, first: date) -> Month:
    """Two queries, whatever the month holds."""
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    found = {each.day: each for each in BillDay.objects.filter(account=account_id, day__range=(first, last))}
    counts = {
        each["day_id"]: (each["all"], each["unsolved"])
        for each in Difference.objects.filter(day__in=[each.pk for each in found.values()])
        .values("day_id")
        .annotate(all=Count("pk"), unsolved=Count("pk", filter=_unsolved()))
    }
    cells = []
    for number in range(last.day):
        day = first + timedelta(days=number)
        row = found.get(day)
        cells.append(Cell(day, row, *counts.get(row.pk, (0, 0)) if row else (0, 0)))
    return Month(first, first.weekday(), cells)


def unsolved(day: BillDay) -> int:
    """How many differences of a day are open still."""
    return day.differences.filter(_unsolved()).count()


def waiting_until(day: BillDay) -> tuple[int, datetime | None]:
    """How many differences wait for another day's bill, and until when at most."""
    waits = day.differences.filter(state=Difference.State.WAITING).order_by("-waits_until")
    last = waits.first()
    return (waits.count(), last.waits_until) if last else (0, None)


def lines(file: BillFile, *, after: str = "", about: str = "") -> Lines:
    """A page of a bill's lines, in the order of their keys, each beside our record. Four queries, however long the bill.

    after  the key and number of the last line of the page before, as `Lines.after` says
    about  the beginning of a key: a trade_no, or the number of a movement
    """
    found = StatementLine.objects.filter(file=file.pk)
    if about:
        found = found.filter(key__gte=about, key__lt=about + "\U0010ffff")
    key, _tilde, nth = after.rpartition("~")
    if nth.isdigit():
        found = found.filter(Q(key__gt=key) | Q(key=key, nth__gt=int(nth[:9])))
    page = list(found.order_by("key", "nth")[: PER_PAGE + 1])
    more, page = len(page) > PER_PAGE, page[:PER_PAGE]
    return Lines(_beside(file, page), f"{page[-1].key}~{page[-1].nth}" if more else "")


def _beside(file: BillFile, page: Sequence[StatementLine]) -> list[Line]:
    trades = {each.trade_no for each in page if each.trade_no}
    attempts = {each.trade_no: each for each in Transaction.objects.filter(trade_no__in=trades)}
    refunds = _by_name(attempts, {name for each in page for name in _names(file, each)})
    differing: dict[int, list[Difference]] = {}
    for each in Difference.objects.filter(day=file.day_id, file=file.pk, line_no__in=[line.line_no for line in page]):
        differing.setdefault(each.line_no or 0, []).append(each)
    rows = []
    for line in page:
        attempt = attempts.get(line.trade_no)
        known = [refunds.get((attempt.pk, name)) for name in _names(file, line)] if attempt else []
        refund = next(filter(None, known), None)
        rows.append(Line(line, attempt, refund, differing.get(line.line_no, [])))
    return rows


def _names(file: BillFile, line: StatementLine) -> list[str]:
    """What we may call the refund of a line: the line itself, where it has no number or not ours, and its number."""
    if line.kind != StatementLine.Kind.REFUND:
        return []
    return [f"bill-{file.pk}-{line.line_no}", *filter(None, [line.request_no])]


def _by_name(attempts: dict[str | None, Transaction], names: set[str]) -> dict[tuple[int, str], Refund]:
    if not names:
        return {}
    asked = Refund.objects.filter(
        Q(out_request_no__in=names) | Q(other_no__in=names), transaction__in=attempts.values()
    )
    return {(each.transaction_id, name): each for each in asked for name in (each.out_request_no, each.other_no)}


def _unsolved() -> Q:
    over = Q(state=Difference.State.EXPLAINED) | Q(case__state__in=(Case.State.RESOLVED, Case.State.WRITTEN_OFF))
    return ~over
