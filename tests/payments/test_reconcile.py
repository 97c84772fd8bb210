"""A day's bill against our books: what is found, how it is typed, what becomes of it, and that doing it again changes nothing."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.backends.cache import SessionStore
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Extract

from payments.alipay.clock import BEIJING
from payments.errors import BillGap, MalformedBill
from payments.models import (
    Account,
    BillDay,
    BillFile,
    Case,
    Difference,
    GatewayCall,
    MerchantAccount,
    Refund,
    StatementLine,
    Transaction,
    Transfer,
)
from payments.models.clock import database_now
from payments.models.matching import FEES
from payments.models.settling import AskedQuery
from payments.money import Money
from payments.queries.case_story import story
from payments.queries.invariants import check_invariants
from payments.queries.trial_balance import trial_balance
from payments.sandbox.bills import Bill, Period, ledger_bill, trade_bill
from payments.sandbox.ledger import Movement
from payments.services import second_factor, work_cases
from payments.services.books.ask_again import compare_now, fetch_now
from payments.services.books.days import shanghai_day, start_of
from payments.services.books.reconcile import _comparison, close_day, reconcile_day, settle_waiting
from payments.services.books.upload import upload_bill
from payments.services.external_refund import record_external_refund
from payments.services.refund import settle_refund
from payments.services.settle import settle
from tests.conftest import Says, journalled
from tests.payments.test_send_refunds import approved
from tests.payments.test_work_cases import member

NOON = timedelta(hours=12)
LEDGER_NAME = "signcustomer"


@dataclass
class Books:
    """A merchant's day: what is paid here, and what the bill will say of it."""

    account: MerchantAccount
    says: Says
    make_order: Callable[..., Any]
    make_attempt: Callable[..., Transaction]
    since: datetime
    moved: list[Movement] = field(default_factory=list)

    def attempt(self, fen: int = 8880) -> Transaction:
        return self.make_attempt(self.make_order(fen))

    def pay(self, fen: int = 8880, *, at: timedelta = NOON, **changes: Any) -> Transaction:
        attempt = self.attempt(fen)
        facts = self.says.facts(attempt, paid_at=self.since + at, **changes)
        settle([facts], source=AskedQuery(uuid4(), self.account.pk, database_now()), actor="poll")
        attempt.refresh_from_db()
        self.bill(attempt, at=at)
        return attempt

    def bill(self, attempt: Transaction, *, at: timedelta = NOON, **changes: Any) -> Movement:
        fee = -round(attempt.amount_fen * 6 / 1000 + 1e-9)
        moment = self.since + at
        movement = Movement(
            at=moment, created_at=moment, trade_no=attempt.trade_no or self.says.trade_no(),
            out_trade_no=attempt.out_trade_no, subject="茶", fen=attempt.amount_fen, fee_fen=fee, **changes,
        )  # fmt: skip
        self.moved.append(movement)
        return movement

    def give_back(self, attempt: Transaction, fen: int) -> Refund:
        refund = approved(attempt, fen)
        settle_refund(refund, actor="refund", evidence=journalled(refund))
        refund.refresh_from_db()
        left = attempt.amount_fen
        fee = round(left * 6 / 1000 + 1e-9) - round((left - fen) * 6 / 1000 + 1e-9)
        self.moved.append(replace(
            self.of(attempt), fen=-fen, fee_fen=fee, out_request_no=refund.out_request_no, at=self.since + NOON
        ))  # fmt: skip
        return refund

    def of(self, attempt: Transaction) -> Movement:
        return next(each for each in self.moved if each.trade_no == attempt.trade_no)

    def change(self, movement: Movement, **values: Any) -> None:
        self.moved[self.moved.index(movement)] = replace(movement, **values)

    def file(self, kind: str = "trade", moved: list[Movement] | None = None) -> bytes:
        until = self.since + timedelta(days=1)
        period = Period(self.since, until, f"{self.since.astimezone(BEIJING):%Y%m%d}")
        shown, account = self.moved if moved is None else moved, f"{self.account.seller_id}0156"
        bill = (
            trade_bill(shown, period, account=account, made_at=until)
            if kind == "trade"
            else ledger_bill(shown, period, account=account, made_at=until, opening_fen=0, first_no=0)
        )
        return self.packed(bill)

    def packed(self, bill: Bill) -> bytes:
        return bill.packed()

    def compare(self, *, flows: list[Movement] | None = None) -> BillDay:
        """Bring the bills of the day in, and compare."""
        day = self.since.astimezone(BEIJING).date()
        read = upload_bill(self.account, day, io.BytesIO(self.file()), kind=BillFile.Kind.TRADE, actor="staff:1")
        if flows is not None:
            data = io.BytesIO(self.file("signcustomer", flows))
            upload_bill(self.account, day, data, kind=BillFile.Kind.ACCOUNT, actor="staff:1")
        return reconcile_day(read.day)

    def compare_with_receipt(self, receipt: str) -> BillDay:
        """The bill of one payment, of which the merchant received less than the buyer owed."""
        [line] = self.moved
        until, day = self.since + timedelta(days=1), self.since.astimezone(BEIJING)
        period = Period(self.since, until, f"{day:%Y%m%d}")
        bill = trade_bill([line], period, account=f"{self.account.seller_id}0156", made_at=until)
        name, amount = next(iter(bill.members)), Money(line.fen).to_yuan()
        text = bill.members[name].replace(f"{amount},{amount},", f"{amount},{receipt},").replace(
            f"实收共{amount}元", f"实收共{receipt}元"
        )  # fmt: skip
        data = io.BytesIO(replace(bill, members={**bill.members, name: text}).packed())
        return reconcile_day(upload_bill(self.account, day.date(), data, kind=BillFile.Kind.TRADE, actor="staff:1").day)


@pytest.fixture
def books(merchant, says, make_order, make_attempt, settings, clocks) -> Books:
    settings.BILL_KINDS = ["trade"]
    clocks(fee_rate="0.006")
    return Books(merchant, says, make_order, make_attempt, start_of(shanghai_day(database_now())))


def found() -> list[tuple[str, str, str, str, int, str]]:
    return list(
        Difference.objects.order_by("kind", "pk").values_list("kind", "field", "ours", "theirs", "fen", "state")
    )


def kinds() -> list[str]:
    return list(Case.objects.open().order_by("kind").values_list("kind", flat=True))


def holds() -> bool:
    """Every invariant but one: these payments are older than their attempts, which are made on the day after."""
    return {each.name for each in check_invariants() if each.hits} <= {"I-25"}


def test_a_day_that_agrees_is_closed_at_once_and_its_fees_are_booked(books):
    first = books.pay()
    books.pay(1234)
    books.give_back(first, 3000)

    day = books.compare()

    assert found() == []
    assert (day.state, day.ours_fen, day.theirs_fen) == (BillDay.State.CLOSED, 7114, 7114)
    assert list(Transfer.objects.filter(cause="fee").values_list("channel", "debit", "credit", "fen")) == [
        ("qr", "fees", "alipay_receivable", 53 + 7 - 18)
    ]
    assert holds()


def test_the_fee_given_back_with_an_old_payment_goes_to_that_payment_s_way_to_pay(books):
    paid = books.pay(at=-timedelta(days=9))
    of_then = books.of(paid)
    books.give_back(paid, 3000)
    books.moved.remove(of_then)

    books.compare()

    assert found() == []
    assert list(Transfer.objects.filter(cause="fee").values_list("channel", "fen")) == [("qr", 18)]


def test_fees_look_at_the_day_s_payments_and_never_through_all_of_them(books):
    books.pay()
    about = _comparison(books.compare())
    with connection.cursor() as cursor:
        for way in (
            "seqscan",
            "nestloop",
            "indexscan",
        ):  # as for a day of thousands; a small table is read through by any index
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {FEES}", {**about.words(), "others": []})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "transaction_by_paid_at" in plan, plan
    assert "Bitmap Index Scan on trade_no_once" in plan, plan


@pytest.mark.rows("F67", "I-30")
@pytest.mark.parametrize(
    ("change", "kind", "differs"),
    [
        ({"fen": 8881}, "bill_amount", ("amount", "88.80", "88.81", 1)),
        ({"fee_fen": -54}, "bill_fee", ("fee", "-0.53", "-0.54", 0)),
        ({"out_trade_no": "SOMEBODY"}, "bill_number", None),
    ],
)
def test_a_line_that_says_something_else_is_a_case_with_both_values(
    books, change: dict[str, Any], kind: str, differs: Any
):
    paid = books.pay()
    books.change(books.of(paid), **change)

    day = books.compare()

    [row] = found()
    assert row[0] == kind
    assert differs is None or row[1:5] == differs
    case = Case.objects.get()
    assert (case.kind, case.subject) == (kind, f"transaction:{paid.pk}")
    assert (case.facts["field"], case.facts["ours"], case.facts["theirs"]) == row[1:4]
    assert day.state == BillDay.State.MATCHED, "a person closes it"
    assert close_day(day, actor="staff:1")


def test_a_wrong_rate_is_one_case_a_day_and_not_one_a_line(books, clocks):
    clocks(fee_rate="0.0038")
    first = books.pay()
    books.pay(5000)
    books.give_back(first, 3000)

    day = books.compare()

    case = Case.objects.get()
    assert (case.kind, case.subject) == ("bill_fee", f"billday:{day.pk}")
    assert (case.facts["count"], case.facts["ours"], case.facts["theirs"]) == (3, "-0.41", "-0.65")
    assert [row[0::5] for row in found()] == [("bill_fee", "case")] * 3
    assert set(Difference.objects.values_list("case", flat=True)) == {case.pk}
    assert reconcile_day(day).result_hash == day.result_hash
    assert Case.objects.count() == 1


@pytest.mark.rows("F67", "F27")
def test_a_payment_that_nobody_told_us_of_is_booked_from_the_bill_through_the_one_door(books):
    attempt = books.attempt()
    books.bill(attempt)

    day = books.compare()

    attempt.refresh_from_db()
    assert (attempt.state, attempt.evidence) == ("paid", BillFile.objects.get().evidence)
    assert attempt.order.paid_by_id in (None, attempt.pk)
    assert found() == []
    assert day.state == BillDay.State.CLOSED
    assert holds()


@pytest.mark.rows("F67", "F49", "I-25")
def test_a_payment_under_a_number_we_never_made_is_booked_and_becomes_a_case(books):
    books.moved.append(replace(books.bill(books.attempt(), at=timedelta(minutes=1)), out_trade_no="CONSOLE1"))
    del books.moved[0]

    day = books.compare()

    stray = Transaction.objects.get(origin="stray")
    assert kinds() == ["unknown_number"]
    assert found() == [("unknown_number", "origin", "", "CONSOLE1", 0, "case")]
    assert Difference.objects.get().case == Case.objects.get(subject=f"transaction:{stray.pk}")
    assert day.ours_fen == day.theirs_fen == 8880
    assert not [each.name for each in check_invariants() if each.hits], "it was paid long before we heard of it"


@pytest.mark.rows("F67")
def test_a_payment_that_is_not_in_the_bill_is_a_case(books):
    paid = books.pay()
    books.moved.clear()

    books.compare()

    assert found() == [("payment_not_in_bill", "amount", "88.80", "", -8880, "case")]
    assert Case.objects.get().subject == f"transaction:{paid.pk}"
    assert holds()


@pytest.mark.rows("F67")
def test_a_refund_made_elsewhere_is_booked_from_the_bill_and_said(books):
    paid = books.pay()
    books.moved.append(replace(books.of(paid), fen=-1000, fee_fen=6, out_request_no="CONSOLE", at=books.since + NOON))

    books.compare()

    paid.refresh_from_db()
    assert paid.refunded_fen == 1000
    assert kinds() == ["outside_refund"]
    assert holds()


def elsewhere(books: Books, paid: Transaction, fen: int, number: str = "", at: timedelta = NOON) -> None:
    """The bill's line of a refund made in Alipay's console."""
    line = replace(books.of(paid), fen=-fen, fee_fen=6, out_request_no=number, at=books.since + at)
    books.moved.append(line)


def refunds() -> list[tuple[str, str, int]]:
    return list(Refund.objects.order_by("pk").values_list("out_request_no", "other_no", "amount_fen"))


def told(paid: Transaction) -> str:
    """Evidence: Alipay's answer to a question about a refund."""
    call = GatewayCall.objects.create(
        account=paid.account, transaction=paid, method="alipay.trade.fastpay.refund.query", purpose="refund_query",
        number="X", outcome="done", ended_at=database_now(),
    )  # fmt: skip
    return f"call:{call.pk}"


@pytest.mark.rows("F67", "I-31")
@pytest.mark.parametrize("number", ["", "Y"])
def test_a_refund_heard_of_under_another_number_than_the_bill_s_is_booked_once(books, number: str):
    paid = books.pay()
    record_external_refund(paid, "X", Money(1000), actor="refunds", evidence=told(paid))
    elsewhere(books, paid, 1000, number)

    day = books.compare()

    assert refunds() == [("X", f"bill-{BillFile.objects.get().pk}-7", 1000)]
    assert (found(), kinds(), day.state) == ([], [], BillDay.State.CLOSED)
    assert holds()


@pytest.mark.rows("I-31")
def test_two_refunds_of_one_amount_are_two_when_one_of_them_was_heard_of(books):
    paid = books.pay()
    record_external_refund(paid, "X", Money(1000), actor="refunds", evidence=told(paid))
    for number in ("X", "Y"):
        elsewhere(books, paid, 1000, number)

    books.compare()

    assert refunds() == [("X", "", 1000), ("Y", "", 1000)]
    assert kinds() == ["outside_refund"]
    assert holds()


@pytest.mark.rows("I-31", "F63")
def test_two_refunds_of_a_trade_in_a_day_without_numbers_are_two_and_one_that_stands_twice_is_one(books, settings):
    settings.BILL_KINDS = ["trade", "signcustomer"]
    paid = books.pay()
    for hour in (10, 11, 11):
        elsewhere(books, paid, 1000, at=timedelta(hours=hour))
    flows = books.moved[:3]

    day = books.compare(flows=flows)

    name = f"bill-{BillFile.objects.get(kind='trade').pk}"
    assert refunds() == [(f"{name}-7", "", 1000), (f"{name}-8", "", 1000)]
    assert kinds() == ["bill_duplicate", "outside_refund", "outside_refund"]
    assert (day.ours_fen, day.theirs_fen) == (6880, 5880)
    assert sorted(Transfer.objects.filter(cause="fee").values_list("fen", flat=True)) == [53 - 12]
    assert reconcile_day(day).result_hash == day.result_hash
    assert holds()


@pytest.mark.rows("I-31")
def test_the_bill_tells_first_and_without_a_number_and_alipay_s_answer_names_that_refund(books):
    paid = books.pay()
    elsewhere(books, paid, 1000)
    books.compare()

    assert not record_external_refund(paid, "X", Money(1000), actor="refunds", evidence=told(paid))
    assert not record_external_refund(paid, "X", Money(1000), actor="refunds", evidence="call:2")
    paid.refresh_from_db()
    assert (refunds()[0][1:], paid.refunded_fen) == (("X", 1000), 1000)
    assert record_external_refund(paid, "Z", Money(1000), actor="refunds", evidence="call:3"), "that is another one"


@pytest.mark.rows("I-31")
@pytest.mark.parametrize(("total", "is_another"), [(1000, False), (2000, True), (None, True)])
def test_the_bill_tells_first_under_another_number_and_alipay_s_total_says_whether_it_is_the_same(
    books, total: int | None, is_another: bool
):
    paid = books.pay()
    elsewhere(books, paid, 1000, "X")
    books.compare()

    for _ in range(2):
        record_external_refund(paid, "Y", Money(1000), actor="refunds", evidence=told(paid), total_fen=total)

    assert refunds() == ([("X", "", 1000), ("Y", "", 1000)] if is_another else [("X", "Y", 1000)])
    paid.refresh_from_db()
    assert paid.refunded_fen == (2000 if is_another else 1000)
    assert reconcile_day(BillDay.objects.get()).ours_fen == (6880 if is_another else 7880)


@pytest.mark.rows("F58", "I-31")
def test_refunds_without_a_number_on_two_days_are_two_and_each_is_in_its_own_day_s_bill(books):
    books.since -= timedelta(days=1)
    paid = books.pay()
    elsewhere(books, paid, 1000)
    first = books.compare()  # booked when it is heard of, which is the next day
    books.since += timedelta(days=1)
    books.moved = []
    books.moved.append(replace(
        books.bill(paid), fen=-1000, fee_fen=6, at=books.since + NOON, out_request_no=""
    ))  # fmt: skip
    del books.moved[0]

    second = books.compare()

    assert [fen for *_, fen in refunds()] == [1000, 1000]
    assert (first.theirs_fen, second.theirs_fen) == (7880, -1000)
    assert sorted(row[0::5] for row in found()) == [
        ("bill_day", "explained"), ("outside_refund", "case"), ("outside_refund", "case"),
        ("refund_not_in_bill", "explained"),
    ]  # fmt: skip
    assert holds()


def test_a_line_taken_for_a_refund_that_stands_in_a_later_bill_under_its_own_number_is_a_case(books):
    books.since -= timedelta(days=1)
    paid = books.pay()
    record_external_refund(paid, "X", Money(1000), actor="refunds", evidence=told(paid))
    elsewhere(books, paid, 1000, "Y")
    books.compare()
    assert kinds() == []
    line = books.moved[-1]
    books.since += timedelta(days=1)
    books.moved = [replace(line, out_request_no="X", at=books.since + NOON)]

    books.compare()

    assert kinds() == ["bill_number"]


@pytest.mark.rows("F67")
def test_a_refund_in_doubt_is_ended_by_the_bill(books):
    paid = books.pay()
    refund = approved(paid, 1000)
    Refund.objects.mark_sent(refund, now=database_now())
    books.moved.append(replace(books.of(paid), fen=-1000, fee_fen=6, out_request_no=refund.out_request_no))

    books.compare()

    refund.refresh_from_db()
    assert refund.state == Refund.State.SUCCEEDED
    assert kinds() == []


@pytest.mark.rows("F67")
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"fen": -2999}, "bill_refund_amount"),
        ({"fee_fen": 17}, "bill_fee"),
        ({"trade_no": "2" * 28}, "bill_number"),
        ({"trade_no": "2" * 28, "out_trade_no": "X"}, "unknown_refund"),
    ],
)
def test_refunds_are_looked_at_as_closely(books, change: dict[str, Any], kind: str):
    refund = books.give_back(books.pay(), 3000)
    books.change(next(each for each in books.moved if each.out_request_no == refund.out_request_no), **change)

    books.compare()

    assert kind in kinds()
    assert holds()


@pytest.mark.rows("F67", "F63")
def test_a_line_that_stands_twice_is_found_and_counts_once_here(books):
    books.moved.append(books.of(books.pay()))

    day = books.compare()

    assert found() == [("bill_duplicate", "times", "1", "2", 8880, "case")]
    assert (day.ours_fen, day.theirs_fen) == (8880, 17760)
    assert holds()


@pytest.mark.rows("F58")
@pytest.mark.parametrize("on", [None, date(2026, 10, 31), date(2025, 12, 31), date(2024, 2, 29), date(2026, 3, 1)])
@pytest.mark.parametrize("at", [timedelta(seconds=1), timedelta(hours=24) - timedelta(seconds=2)])
def test_a_payment_at_midnight_waits_for_the_neighbours_bill_and_is_explained_by_it(
    books, clocks, on: date | None, at: timedelta
):
    """Today; the ends of a month, a year and a February of 29 days; and the first of March after one of 28."""
    if on is not None:
        clocks(fee_rate="0.006", bill_wait_s=100 * 365 * 86400)
        books.since = start_of(on)
    paid = books.pay(at=at)
    line = books.moved.pop()
    day = books.compare()

    assert found() == [("payment_not_in_bill", "amount", "88.80", "", -8880, "waiting")]
    assert day.state == BillDay.State.MATCHED
    assert not close_day(day, actor="staff:1"), "something waits"

    step = timedelta(days=1) if at > NOON else timedelta(days=-1)
    books.since += step
    books.moved = [replace(line, at=books.since + NOON)]
    books.compare()

    assert sorted(state for *_, state in found()) == ["explained", "explained"]
    assert not Case.objects.exists()
    day.refresh_from_db()
    assert day.state == BillDay.State.CLOSED
    assert paid.trade_no == line.trade_no
    assert holds()


@pytest.mark.rows("F58")
def test_what_has_waited_too_long_is_a_case(books, clocks):
    books.pay(at=timedelta(seconds=1))
    books.moved.clear()
    day = books.compare()
    Difference.objects.update(waits_until=database_now() - timedelta(seconds=1))

    settle_waiting(day.account_id)

    assert kinds() == ["payment_not_in_bill"]
    assert Difference.objects.get().case == Case.objects.get()


@pytest.mark.rows("F63", "F68")
def test_comparing_again_changes_nothing(books):
    books.change(books.of(books.pay()), fen=8881)
    books.pay(500)
    books.moved.pop()
    day = books.compare()
    before = (day.result_hash, found(), Case.objects.count(), Transfer.objects.count())

    again = reconcile_day(day)

    assert (again.result_hash, found(), Case.objects.count(), Transfer.objects.count()) == before
    Case.objects.mark_resolved(Case.objects.open()[0], actor="staff:1", note="seen")
    reconcile_day(day)
    assert Case.objects.count() == 2, "what a person ended is not opened again"


ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Asia/Kathmandu"]


@pytest.fixture
def lives_in(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Puts the process and its session at PostgreSQL into a time zone. Times are read as seconds then: Django expects UTC."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('TimeZone', %s, false)", [zone])

    yield move
    monkeypatch.undo()
    move("UTC")
    monkeypatch.undo()
    time.tzset()


@pytest.mark.rows("F57")
def test_the_result_is_the_same_in_every_time_zone_byte_for_byte(books, clocks, lives_in):
    """On the day on which New York's clocks go back: 14:00 in Shanghai is the hour that it has twice."""
    clocks(fee_rate="0.006", bill_wait_s=100 * 365 * 86400)
    books.since = start_of(date(2026, 11, 1))
    hours = [
        timedelta(seconds=1),
        timedelta(hours=13, minutes=30),
        timedelta(hours=14, minutes=30),
        timedelta(hours=24, seconds=-1),
    ]
    paid = [books.pay(at=at) for at in hours]
    books.change(books.of(paid[1]), fen=8881)
    books.moved.remove(books.of(paid[3]))
    reports = {}
    for zone in ZONES:
        before = transaction.savepoint()
        lives_in(zone)
        day = books.compare()
        lines = list(
            StatementLine.objects.annotate(at=Extract("happened_at", "epoch"))
            .order_by("line_no")
            .values_list("key", "fen", "at")
        )
        facts = [{**each.facts, "file": None} for each in Case.objects.order_by("kind")]
        reports[zone] = repr((day.day, day.state, day.result_hash, day.ours_fen, day.theirs_fen, found(), lines, facts))
        transaction.savepoint_rollback(before)

    assert set(reports.values()) == {reports["UTC"]}
    assert "bill_amount" in reports["UTC"]
    assert "waiting" in reports["UTC"]


def test_movements_of_the_account_that_agree_are_silent(books, settings):
    settings.BILL_KINDS = ["trade", "signcustomer"]
    books.give_back(books.pay(), 3000)
    books.pay(700)

    day = books.compare(flows=books.moved)

    assert found() == []
    assert day.state == BillDay.State.CLOSED


@pytest.mark.rows("F67")
@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda flows: flows.pop(), ["flow_fee", "trade_without_flow"]),
        (lambda flows: flows.append(replace(flows[0], trade_no="3" * 28, fee_fen=0)), ["flow_without_trade"]),
        (lambda flows: flows.__setitem__(0, replace(flows[0], fen=8879)), ["flow_amount"]),
        (lambda flows: flows.__setitem__(0, replace(flows[0], fee_fen=-50)), ["flow_fee"]),
    ],
)
def test_movements_that_don_t_fit_the_trades_are_cases(
    books, settings, spoil: Callable[[list[Movement]], Any], expected: list[str]
):
    settings.BILL_KINDS = ["trade", "signcustomer"]
    books.pay()
    flows = list(books.moved)
    spoil(flows)

    books.compare(flows=flows)

    assert kinds() == expected


def written_off(case: Case) -> int:
    """Asked for by one person, agreed to by another."""
    session = SessionStore()
    second_factor.mark_proved(session, database_now())
    work_cases.ask_write_off(case, "looked everywhere", person=member("finance"))
    case.refresh_from_db()
    return work_cases.write_off(case, person=member("approver"), session=session)


def corrections() -> list[tuple[str, str, int]]:
    return list(Transfer.objects.filter(cause="correct").order_by("pk").values_list("debit", "credit", "fen"))


def at_alipay_fen() -> int:
    return next(row.balance_fen for row in trial_balance().rows if row.account == Account.ALIPAY_RECEIVABLE)


LESS, MORE = ("written_off", "alipay_receivable"), ("alipay_receivable", "written_off")


@pytest.mark.rows("I-33")
@pytest.mark.parametrize(
    ("spoil", "kind", "legs"),
    [
        (lambda books, paid, _back: books.moved.remove(books.of(paid)), "payment_not_in_bill", (*LESS, 8880)),
        (lambda books, _paid, back: books.moved.remove(back), "refund_not_in_bill", (*MORE, 3000)),
        (lambda books, paid, _back: books.change(books.of(paid), fen=8881), "bill_amount", (*MORE, 1)),
        (lambda books, _paid, back: books.change(back, fen=-3002), "bill_refund_amount", (*LESS, 2)),
        (lambda books, _paid, back: books.change(back, trade_no="2" * 28, out_trade_no="X"), "unknown_refund", (*LESS, 3000)),
    ],
)  # fmt: skip
def test_what_is_written_off_brings_the_ledger_to_the_bill(
    books, clocks, spoil: Callable[..., Any], kind: str, legs: tuple[str, str, int]
):
    clocks(fee_rate="")
    paid = books.pay()
    refund = books.give_back(paid, 3000)
    spoil(books, paid, next(each for each in books.moved if each.out_request_no == refund.out_request_no))
    day = books.compare()
    Difference.objects.filter(state="waiting").update(waits_until=database_now())
    settle_waiting(day.account_id)
    before = at_alipay_fen()
    case = Case.objects.open().get(kind=kind)
    with pytest.raises(BillGap) as gap:
        work_cases.resolve(case, "never mind", person=member("support"))

    assert (abs(gap.value.fen), written_off(case)) == (legs[2], legs[2])

    assert corrections() == [legs]
    assert at_alipay_fen() - before == (legs[2] if legs[0] == "alipay_receivable" else -legs[2])
    assert trial_balance().proves
    assert holds()


@pytest.mark.rows("I-33")
def test_a_case_about_money_in_a_bill_that_ended_without_a_transfer_is_found_by_the_check_of_the_books(books):
    books.change(books.of(books.pay()), fen=8881)
    books.compare()
    case = Case.objects.open().get(kind="bill_amount")

    assert Case.objects.mark_resolved(case, actor="staff:1", note="by another way than the door")

    assert "I-33" in {each.name for each in check_invariants() if each.hits}


def test_a_case_whose_money_is_booked_ends_with_a_note(books):
    paid = books.pay()
    elsewhere(books, paid, 1000, "CONSOLE")
    books.compare()

    work_cases.resolve(Case.objects.open().get(kind="outside_refund"), "a gift", person=member("finance"))

    assert (kinds(), corrections(), holds()) == ([], [], True)


@pytest.mark.rows("I-33")
def test_a_stray_payment_that_no_bill_knows_leaves_money_in_cases_and_the_account(books):
    attempt = books.attempt()
    facts = books.says.facts(attempt, out_trade_no="NOBODY1", paid_at=books.since + NOON)
    settle([facts], source=AskedQuery(uuid4(), books.account.pk, database_now()), actor="poll")
    books.compare()

    assert written_off(Case.objects.get(kind="payment_not_in_bill")) == 2 * 8880

    assert corrections() == [("written_off", "alipay_receivable", 8880)]
    assert (at_alipay_fen(), trial_balance().in_cases_fen, trial_balance().proves, holds()) == (0, 0, True, True)


def test_what_was_written_off_and_is_found_in_another_bill_is_booked_again(books):
    paid = books.pay()
    line = books.moved.pop()
    books.compare()
    written_off(Case.objects.get())
    books.since -= timedelta(days=1)
    books.moved = [replace(line, at=books.since + NOON)]

    books.compare()
    settle_waiting(books.account.pk)

    assert corrections() == [(*LESS, 8880), (*MORE, 8880)]
    assert list(Case.objects.get(state="written_off").events.order_by("pk").values_list("action", flat=True))[-1] == (
        "write_off_taken_back"
    )
    assert paid.trade_no == line.trade_no


def test_what_was_not_here_and_has_come_since_is_not_written_off(books):
    attempt = books.attempt()
    line = books.bill(attempt)
    books.change(line, fen=8881)
    books.compare()
    case = Case.objects.get(kind="payment_not_here")
    assert story(case).in_bill_fen == 8881
    facts = books.says.facts(attempt, paid_at=books.since + NOON, trade_no=line.trade_no)
    settle([facts], source=AskedQuery(uuid4(), books.account.pk, database_now()), actor="poll")

    assert (written_off(case), corrections()) == (0, [])


def test_a_line_that_stands_twice_moves_no_money_when_it_is_written_off(books):
    books.moved.append(books.of(books.pay()))
    books.compare()

    assert (written_off(Case.objects.get()), corrections()) == (0, [])


def test_what_stands_on_another_day_is_booked_and_moves_no_money_when_it_is_written_off(books):
    paid = books.pay(at=timedelta(days=-5))
    books.change(books.of(paid), at=books.since + NOON)
    books.compare()

    assert kinds() == ["bill_day"]
    assert (written_off(Case.objects.get()), corrections(), holds()) == (0, [], True)


@pytest.mark.rows("F67")
@pytest.mark.parametrize("assumed", [8880, 8500])
def test_what_a_payment_brought_is_corrected_to_the_bill_once(books, clocks, assumed: int):
    clocks(fee_rate="")
    paid = books.pay(receipt=Money(assumed))
    books.compare_with_receipt("80.00")

    paid.refresh_from_db()
    assert (paid.receipt_fen, kinds()) == (8000, ["bill_receipt"])
    assert corrections() == [("merchant_discount", "alipay_receivable", assumed - 8000)]
    assert at_alipay_fen() == 8000 - 53, "the fee is taken of it"
    reconcile_day(BillDay.objects.get())
    assert len(corrections()) == 1
    assert holds()


def closed_days() -> list[tuple[Any, ...]]:
    return list(BillDay.objects.values_list("state", "ours_fen", "theirs_fen", "fee_fen", "result_hash", "closed_at"))


def test_a_closed_day_takes_no_further_bill_is_not_compared_again_and_what_comes_is_a_case(books):
    books.pay()
    day = books.compare()
    before = closed_days()

    books.moved.append(replace(books.moved[0], trade_no="2" * 28, out_trade_no="X"))
    for kind in (BillFile.Kind.TRADE, BillFile.Kind.ACCOUNT):
        with pytest.raises(MalformedBill, match="the day"):
            upload_bill(books.account, day.day, io.BytesIO(books.file(kind)), kind=kind, actor="staff:1")
    reconcile_day(day)

    assert not compare_now(day, actor="staff:1")
    assert not fetch_now(day, actor="staff:1")
    assert not close_day(day, actor="staff:1")
    assert (closed_days(), kinds()) == (before, ["bill_changed"])
    assert BillFile.objects.filter(state="imported").count() == 1


@pytest.mark.parametrize(
    "change", [{"ours_fen": 1}, {"result_hash": "x"}, {"closed_by": "staff:2"}, {"state": "matched"}]
)
def test_the_database_refuses_whoever_changes_a_closed_day(books, change: dict[str, Any]):
    books.pay()
    day = books.compare()

    with pytest.raises(DatabaseError), transaction.atomic():
        BillDay.objects.filter(pk=day.pk).update(**change)


@pytest.mark.rows("I-30")
def test_a_payment_heard_of_when_its_day_was_closed_without_it_is_found_by_the_check_of_the_books(books):
    late = books.attempt()
    day = books.compare()
    assert day.state == BillDay.State.CLOSED
    facts = books.says.facts(late, paid_at=books.since + NOON)
    settle([facts], source=AskedQuery(uuid4(), books.account.pk, database_now()), actor="poll")

    assert not holds()
