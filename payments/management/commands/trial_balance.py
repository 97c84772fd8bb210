"""The ledger on one page, and whether it proves."""

import json
from argparse import ArgumentParser
from datetime import datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.alipay.clock import BEIJING
from payments.money import Money
from payments.queries.trial_balance import TrialBalance, trial_balance


class Command(BaseCommand):
    help = "Print debit, credit and balance of every account. Exit code 1 when they do not prove."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--as-of", type=moment, metavar="DAY", help="at the end of this day in Asia/Shanghai: 2026-11-30; or a time"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object, amounts in fen")

    def handle(self, *_: Any, **options: Any) -> None:
        found = trial_balance(options["as_of"])
        self.stdout.write(json.dumps(_plain(found)) if options["json"] else _page(found))
        if not found.proves:
            raise CommandError("the trial balance does not prove: run check_invariants")


def moment(text: str) -> datetime:
    """A day's end, or a moment; without a zone both are Asia/Shanghai's. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if len(text) == len("2026-11-30"):
        at = datetime.combine(at.date(), time.max)
    return at if at.tzinfo else at.replace(tzinfo=BEIJING)


def _plain(found: TrialBalance) -> dict[str, Any]:
    return {
        "as_of": found.as_of.isoformat() if found.as_of else None,
        "accounts": {
            row.account: {"debit_fen": row.debit_fen, "credit_fen": row.credit_fen, "balance_fen": row.balance_fen}
            for row in found.rows
        },
        "debit_fen": found.debit_fen, "credit_fen": found.credit_fen, "in_cases_fen": found.in_cases_fen,
        "proves": found.proves,
    }  # fmt: skip


def _page(found: TrialBalance) -> str:
    def line(name: str, *fen: int) -> str:
        return f"{name:20}" + "".join(f"{Money(each).to_yuan():>18}" for each in fen)

    lines = [f"{'':20}{'debit':>18}{'credit':>18}{'balance':>18}"]
    lines += [line(row.account, row.debit_fen, row.credit_fen, row.balance_fen) for row in found.rows]
    lines.append(line("sum", found.debit_fen, found.credit_fen, found.debit_fen - found.credit_fen))
    lines.append(line("in cases, recounted", 0, found.in_cases_fen, -found.in_cases_fen))
    return "\n".join([*lines, "trial_balance: proves" if found.proves else "trial_balance: does not prove"])
