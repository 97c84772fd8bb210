"""Bills come from Alipay when their day is over: asked for hourly, missing is not empty, and who is late is told of."""

import json
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payments.models import BillDay, BillFile, Case, Transaction
from payments.models.clock import database_now
from payments.services.books.days import begin_days, ready_at, shanghai_day, start_of
from payments.services.books.fetch import fetch_day
from payments.services.books.tend import LEASE, tend_books
from payments.services.poll import ask_about_due
from payments.services.start_payment import start_payment
from tests.payments.alipay.billing import PAYMENT, packed, trade_lines


@pytest.fixture
def paid(connected, twin, make_order, settings) -> Transaction:
    """Paid and settled here today; the pretend Alipay lives a day and a half later and offers today's bills."""
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no)
    Transaction.objects.filter(pk=attempt.pk).update(next_check_at=database_now())
    ask_about_due(limit=10)
    twin.control("clock", ahead_s=str(36 * 3600))
    settings.BILL_ORIGINS = [twin.url]
    return attempt


@pytest.fixture
def day(paid) -> BillDay:
    """Today's, as if its time had come."""
    begin_days(database_now())
    BillDay.objects.update(due_at=database_now() - timedelta(minutes=1))
    return BillDay.objects.get()


def plan(twin: Any, day: BillDay, **words: str) -> Any:
    for bill_type in ("trade", "signcustomer"):
        told = twin.control("bill", bill_type=bill_type, bill_date=str(day), **words)
    return told


def fetch(day: BillDay, *, later: timedelta = timedelta(0)) -> BillDay:
    now = database_now()
    version = BillDay.objects.take(day.pk, now=now, lease=LEASE)
    assert version is not None
    day.refresh_from_db()
    fetch_day(day, version=version, now=start_of(day.day) + later if later else now)
    day.refresh_from_db()
    return day


def test_every_day_since_the_merchant_was_connected_has_a_row_from_its_start(merchant):
    now = database_now()
    type(merchant).objects.update(created_at=now - timedelta(days=2))

    assert begin_days(now) == 3
    assert begin_days(now) == 0
    assert begin_days(now + timedelta(days=1)) == 1
    last = BillDay.objects.order_by("day").last()
    assert last is not None
    assert (last.day, last.state, last.due_at) == (
        shanghai_day(now + timedelta(days=1)), BillDay.State.EXPECTED, ready_at(last.day),
    )  # fmt: skip


@pytest.mark.rows("F14")
def test_both_bills_are_fetched_read_and_compared_and_once_only(day, paid):
    assert tend_books() == 1
    day.refresh_from_db()

    assert (day.state, day.ours_fen, day.theirs_fen, day.content) == ("closed", 8880, 8880, "lines")
    assert sorted(BillFile.objects.values_list("kind", "state", "source")) == [
        ("signcustomer", "imported", "fetched"), ("trade", "imported", "fetched"),
    ]  # fmt: skip
    assert tend_books() == 0, "whatever rings, and whichever way the clock has jumped"


@pytest.mark.rows("F59")
def test_a_bill_that_is_not_there_is_missing_asked_for_again_and_told_of_in_the_evening(day, twin):
    plan(twin, day, missing="1")

    fetch(day, later=timedelta(days=1, hours=10))
    assert (day.state, day.content, day.theirs_fen) == ("expected", "missing", None), "never: nothing differs"
    assert day.due_at == start_of(day.day) + timedelta(days=1, hours=11)
    assert not Case.objects.exists()

    fetch(day, later=timedelta(days=1, hours=19))
    assert Case.objects.get().kind == Case.Kind.BILL_MISSING

    twin.site.alipay.bills.plans.clear()
    fetch(day)
    assert day.state == BillDay.State.IMPORTED
    assert Case.objects.get().state == Case.State.RESOLVED


@pytest.mark.rows("F59", "F65")
def test_days_without_a_bill_are_empty_only_when_we_had_no_business_either(day, twin):
    plan(twin, day, missing="1")
    assert fetch(day, later=timedelta(days=9)).content == BillDay.Content.MISSING

    other = BillDay.objects.create(account=day.account, day=day.day - timedelta(days=30), due_at=database_now())
    assert fetch(other).content == BillDay.Content.EMPTY
    assert other.state == BillDay.State.IMPORTED


@pytest.mark.rows("F61", "F62")
@pytest.mark.parametrize("cut", ["rows", "zip"])
def test_a_bill_that_comes_in_part_is_refused_told_of_and_asked_for_again(day, twin, cut: str):
    plan(twin, day, cut=cut)
    fetch(day)

    assert (day.state, day.content) == ("expected", "unknown")
    assert day.last_error
    assert set(BillFile.objects.values_list("state", flat=True)) == {"refused"}
    assert Case.objects.get().kind == Case.Kind.BILL_REFUSED

    twin.site.alipay.bills.plans.clear()
    assert fetch(day).state == BillDay.State.IMPORTED


def test_a_dead_holder_is_replaced_and_writes_nothing_more(day):
    now = database_now()
    slow = BillDay.objects.take(day.pk, now=now - LEASE * 2, lease=LEASE)
    assert slow is not None
    assert tend_books() == 1
    day.refresh_from_db()
    before = day.state

    assert not BillDay.objects.move(day, BillDay.State.EXPECTED, version=slow)
    day.refresh_from_db()
    assert (before, day.state) == ("closed", "closed")


def command(day: date, **options: Any) -> tuple[dict[str, Any], int]:
    out = StringIO()
    try:
        call_command("reconcile", day=str(day), json=True, stdout=out, **options)
    except CommandError as error:
        return json.loads(out.getvalue() or "{}"), error.returncode
    return json.loads(out.getvalue()), 0


def test_the_command_fetches_compares_and_says_the_same_again(day):
    told, code = command(day.day)

    assert (code, told["state"], told["differences"]) == (0, "closed", {"case": 0, "waiting": 0, "explained": 0})
    assert command(day.day) == (told, 0)


def test_the_command_tells_by_its_exit_code_what_is_left(day, twin, tmp_path):
    plan(twin, day, missing="1")
    assert command(day.day)[1] == 2

    junk = tmp_path / "bill.zip"
    junk.write_bytes(b"<html>")
    assert command(day.day, file=junk)[1] == 3

    twin.site.alipay.bills.plans.clear()
    plan(twin, day, differences="1")
    told, code = command(day.day)
    assert (code, sum(told["differences"].values()) > 0) == (1, True)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"day": "2026-02-30"}, "no such day: 2026-02-30"),
        ({"day": "yesterday"}, "no such day: yesterday"),
        ({"day": "2126-01-01"}, "2126-01-01 has not begun in Shanghai"),
        ({"account": "2021000000000000"}, "no such account is connected"),
        ({"file": Path("/nowhere/bill.zip")}, "/nowhere/bill.zip: No such file"),
        ({"file": Path("/")}, "/: Is a directory"),
    ],
)
def test_the_command_says_what_makes_no_sense_and_does_nothing(day, asked: dict[str, Any], why: str):
    before = list(BillDay.objects.values_list("day", "state", "version"))

    with pytest.raises(CommandError, match=why) as refused:
        call_command("reconcile", **{"day": str(day.day), **asked})

    assert refused.value.returncode == 5
    assert list(BillDay.objects.values_list("day", "state", "version")) == before


def test_the_command_names_the_reason_for_a_day_that_is_closed(day, twin, tmp_path):
    assert command(day.day)[1] == 0
    other = tmp_path / "bill.zip"
    other.write_bytes(packed(trade_lines([PAYMENT], pid=day.account.seller_id, day=day.day)))

    with pytest.raises(CommandError, match=r"the bill was refused: the day (is closed|has another bill)") as refused:
        call_command("reconcile", day=str(day.day), file=other)
    assert refused.value.returncode == 3


@pytest.mark.parametrize("reads_first", [False, True])
def test_work_on_a_day_that_breaks_off_is_a_case_once_is_tried_again_in_an_hour_and_ends_by_itself(
    day, clocks, settings, reads_first: bool
):
    """A rate that is no number: PostgreSQL refuses it in the middle of the comparison. Origins that are none: before it."""
    origins = settings.BILL_ORIGINS
    if reads_first:
        clocks(fee_rate="six")
    else:
        settings.BILL_ORIGINS = None
    for _ in range(2):
        BillDay.objects.update(due_at=database_now() - timedelta(minutes=1), leased_until=None)
        tend_books()

    case = Case.objects.get()
    day.refresh_from_db()
    assert (case.kind, case.subject) == (Case.Kind.BILL_BROKE, f"billday:{day.pk}")
    assert day.last_error.startswith("broken off")
    assert day.due_at is not None
    assert timedelta(minutes=59) < day.due_at - database_now() <= LEASE
    clocks(fee_rate="")
    settings.BILL_ORIGINS = origins
    BillDay.objects.update(due_at=database_now() - timedelta(minutes=1))
    tend_books()
    case.refresh_from_db()
    assert case.state == Case.State.RESOLVED
    assert not Case.objects.open().exists()
