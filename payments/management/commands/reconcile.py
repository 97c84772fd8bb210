"""Compare one day's bills with our books, now: fetched from Alipay, or from a file."""

import json
from argparse import ArgumentParser
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.errors import MalformedBill
from payments.models import BillDay, BillFile, MerchantAccount
from payments.models.clock import database_now
from payments.services.books.days import day_of, shanghai_day
from payments.services.books.reconcile import reconcile_day
from payments.services.books.tend import LEASE, go_on
from payments.services.books.upload import upload_bill

NO_BILL, REFUSED, HELD, ASKED_WRONGLY = 2, 3, 4, 5
State = BillDay.State


class Command(BaseCommand):
    help = (
        "Compare a day's bills with our books: payments and refunds only the bill knows are booked, what differs becomes a case. "
        "Running it again changes nothing. Exit code 0: nothing is left to a person; 1: cases, or payments that wait for a "
        "neighbouring day's bill; 2: no bill yet; 3: the bill was refused; 4: another process is at this day; "
        "5: the question makes no sense, and nothing was done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", required=True, help="the day in Shanghai: 2026-11-24")
        parser.add_argument("--file", type=Path, help="a bill as downloaded at Alipay (zip), instead of asking for it")
        parser.add_argument(
            "--kind", default="trade", choices=BillFile.Kind.values, help="what --file is; trade unless told"
        )
        parser.add_argument("--account", help="app_id, where there are several accounts")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        self.quiet = options["json"]
        asked, account = _day(options["day"]), self._account(options["account"])
        try:
            if options["file"]:
                day = self._from_file(account, asked, options["file"], BillFile.Kind(options["kind"]))
            else:
                day = self._from_alipay(account, asked)
        except MalformedBill as error:
            raise CommandError(f"the bill was refused: {error}", returncode=REFUSED) from None
        self._tell(day)

    def _account(self, app_id: str | None) -> MerchantAccount:
        found = MerchantAccount.objects.filter(is_active=True)
        chosen = list((found.filter(app_id=app_id) if app_id else found).order_by("pk")[:2])
        if not chosen or (len(chosen) > 1 and len({each.seller_id for each in chosen}) > 1):
            why = "name the account with --account APP_ID" if chosen else "no such account is connected"
            raise CommandError(why, returncode=ASKED_WRONGLY)
        return chosen[0]

    def _from_file(self, account: MerchantAccount, day: date, path: Path, kind: BillFile.Kind) -> BillDay:
        try:
            with path.open("rb") as file:
                self._say(f"reading {path.name}")
                read = upload_bill(account, day, file, kind=kind, actor="command")
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", returncode=ASKED_WRONGLY) from None
        self._say(f"read {read.lines} lines")
        return self._compared(read.day)

    def _from_alipay(self, account: MerchantAccount, day: date) -> BillDay:
        row, now = day_of(account, day), database_now()
        if row.state in (State.MATCHED, State.CLOSED, State.IMPORTED):
            return self._compared(row)
        version = BillDay.objects.take(row.pk, now=now, lease=LEASE)
        if version is None:
            raise CommandError("another process is at this day; try again later", returncode=HELD)
        self._say("asking Alipay for the bills")
        row = go_on(row, version=version, now=now)
        refused = row.files.filter(state=BillFile.State.REFUSED, ended_at__gte=now - timedelta(seconds=1)).last()
        if refused is not None and row.state == State.EXPECTED:
            raise MalformedBill(refused.reason)
        return row

    def _compared(self, day: BillDay) -> BillDay:
        self._say("comparing")
        return reconcile_day(day)

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.stdout.write(text)

    def _tell(self, day: BillDay) -> None:
        states = list(day.differences.values_list("state", flat=True))
        result = {
            "day": str(day), "state": day.state, "content": day.content, "ours_fen": day.ours_fen, "theirs_fen": day.theirs_fen,
            "ours_count": day.ours_count, "theirs_count": day.theirs_count, "fee_fen": day.fee_fen,
            "differences": {state: states.count(state) for state in ("case", "waiting", "explained")},
            "kinds": _counted(day), "result_hash": day.result_hash, "last_error": day.last_error,
        }  # fmt: skip
        if self.quiet:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write(_sentence(day, result))
        if day.state not in (State.MATCHED, State.CLOSED):
            raise CommandError(day.last_error or "a bill of this day is still missing", returncode=NO_BILL)
        if states.count("case") + states.count("waiting"):
            raise CommandError(f"{states.count('case')} cases, {states.count('waiting')} waiting", returncode=1)


def _day(text: str) -> date:
    """A day that has begun in Shanghai: no other gets a row by a slip of the hand."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"no such day: {text} (as in 2026-11-24)", returncode=ASKED_WRONGLY) from None
    if day > shanghai_day(database_now()):
        raise CommandError(
            f"{day} has not begun in Shanghai: a bill comes when its day is over", returncode=ASKED_WRONGLY
        )
    return day


def _counted(day: BillDay) -> dict[str, int]:
    kinds = list(day.differences.order_by("kind").values_list("kind", flat=True))
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _sentence(day: BillDay, result: dict[str, Any]) -> str:
    if day.ours_fen is None:
        return f"{day}: {day.get_state_display()}"
    kinds = ", ".join(f"{kind} {count}" for kind, count in result["kinds"].items()) or "nothing differs"
    return (
        f"{day}: ours {day.ours_fen} fen in {day.ours_count}, bill {day.theirs_fen} fen in {day.theirs_count}: {kinds}; "
        f"result {day.result_hash[:16]}"
    )
