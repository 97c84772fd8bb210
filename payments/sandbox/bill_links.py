"""Asking for a bill: a link that dies after thirty seconds, and what is behind it. Source: dossier 2.11."""

import random
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from payments.alipay.bill_columns import LEDGER, TRADE
from payments.alipay.clock import BEIJING
from payments.sandbox.bill_faults import Difference, Plan, damaged, falsified
from payments.sandbox.bills import Bill, Period, ledger_bill, lines_of, trade_bill
from payments.sandbox.book import Book
from payments.sandbox.ledger import Movement, movements
from payments.sandbox.refusals import Refused

LINK_LIFE = timedelta(seconds=30)
READY_AT = timedelta(hours=9)  # of the day after
TYPES = (TRADE, LEDGER)
_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?", re.ASCII)


class BillLinks:
    """All bills of one merchant, made when they are asked for. `plans` say which of them are wrong, and how."""

    def __init__(
        self, book: Book, seller_id: str, *, address: str, fee_rate: Decimal, chance: random.Random, seed: int | None
    ) -> None:
        self.plans: dict[tuple[str, str], Plan] = {}
        self._book, self._account = book, f"{seller_id}0156"
        self._address, self._fee_rate = address, fee_rate
        self._chance, self._seed = chance, seed
        self._links: dict[str, tuple[str, str, datetime]] = {}

    def link(self, bill_type: str, bill_date: str, now: datetime) -> dict[str, str]:
        """The answer to a question for a bill. Raises Refused, spelt as seen live."""
        if bill_type not in TYPES:
            raise Refused("isv.invalid_arguments", "账单类型不支持")
        period = period_of(bill_date)
        if now < period.until + READY_AT or self._is_late(bill_type, bill_date):
            raise Refused("isp.bill_not_exist", "账单不存在")
        self._links = {token: link for token, link in self._links.items() if link[2] > now}
        token = f"{self._chance.randrange(16**32):032x}"
        self._links[token] = (bill_type, bill_date, now + LINK_LIFE)
        answer = {"bill_download_url": f"{self._address}/downloadBillFile.resource?token={token}"}
        if not self.shown(bill_type, bill_date)[0]:
            answer["bill_file_code"] = "EMPTY_DATA_WITH_BILL_FILE"
        return answer

    def behind(self, token: str, now: datetime) -> tuple[str, bytes] | None:
        """The name and bytes behind a link; None when it is over or never was."""
        bill_type, bill_date, until = self._links.get(token, ("", "", now))
        if until <= now:
            return None
        plan = self.plans.get((bill_type, bill_date), Plan())
        bill = self.bill(bill_type, bill_date, now)
        return bill.name, damaged(bill, plan)

    def bill(self, bill_type: str, bill_date: str, now: datetime) -> Bill:
        """The bill as it is shown, with what its plan falsifies."""
        period, (shown, _) = period_of(bill_date), self.shown(bill_type, bill_date)
        if bill_type == TRADE:
            return trade_bill(shown, period, account=self._account, made_at=now)
        before = [each for each in movements(self._book, self._fee_rate) if each.at < period.since]
        return ledger_bill(
            shown, period, account=self._account, made_at=now,
            opening_fen=sum(each.fen + each.fee_fen for each in before), first_no=sum(map(lines_of, before)),
        )  # fmt: skip

    def shown(self, bill_type: str, bill_date: str) -> tuple[list[Movement], list[Difference]]:
        """The movements this bill shows, and the differences that were planted in it."""
        period = period_of(bill_date)
        true = [each for each in movements(self._book, self._fee_rate) if period.since <= each.at < period.until]
        chance = random.Random(f"{self._seed}:{bill_type}:{bill_date}")  # noqa: S311  # the same seed, the same lies
        return falsified(true, self.plans.get((bill_type, bill_date), Plan()), chance)

    def days(self) -> list[str]:
        """The days in Beijing on which money moved, newest first."""
        found = {each.at.astimezone(BEIJING).date().isoformat() for each in movements(self._book, self._fee_rate)}
        return sorted(found, reverse=True)

    def _is_late(self, bill_type: str, bill_date: str) -> bool:
        plan = self.plans.get((bill_type, bill_date), Plan())
        if plan.late > 0:
            self.plans[(bill_type, bill_date)] = replace(plan, late=plan.late - 1)
        return plan.missing or plan.late > 0


def period_of(bill_date: str) -> Period:
    """A day ("2026-11-23") or a month ("2026-11") in Beijing. Raises Refused."""
    match = _DATE.fullmatch(bill_date)
    try:
        since = datetime(int(match[1]), int(match[2]), int(match[3] or 1), tzinfo=BEIJING) if match else None
    except ValueError:
        since = None
    if match is None or since is None:
        raise Refused("isv.invalid_arguments", "账单日期无效")
    until = since + timedelta(days=1) if match[3] else (since + timedelta(days=31)).replace(day=1)
    return Period(since, until, bill_date.replace("-", ""))
