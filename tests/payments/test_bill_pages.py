"""Pages of bill days: a month by state, a day's two sides, its lines, and what a person can do; refused where it must be."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from payments.admin.bill_words import say
from payments.alipay.clock import BEIJING
from payments.models import AuditEvent, BillDay, BillFile, Case, Difference
from payments.models.clock import database_now
from payments.queries.bill_days import Cell, lines
from payments.services.books.reconcile import reconcile_day
from tests.payments.test_case_pages import member
from tests.payments.test_reconcile import Books, books

__all__ = ["books"]
pytestmark = pytest.mark.django_db
MONTH = "/admin/payments/billday/"


@pytest.fixture
def finance() -> Client:
    return member("finance")[0]


@pytest.fixture
def viewer() -> Client:
    return member("viewer")[0]


@pytest.fixture
def day(merchant) -> BillDay:
    yesterday = (database_now().astimezone(BEIJING) - timedelta(days=1)).date()
    return BillDay.objects.create(account=merchant, day=yesterday, due_at=database_now() + timedelta(hours=1))


def page(day: BillDay, more: str = "change/") -> str:
    return f"{MONTH}{day.pk}/{more}"


def does(browser: Client, day: BillDay, what: str, **values: Any) -> Any:
    return browser.post(page(day, f"{what}/"), values, follow=True)


def seen(browser: Client, day: BillDay) -> str:
    return str(browser.get(page(day)).content.decode())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "还没出"), ({"content": "missing", "tries": 3}, "缺账单"), ({"state": "fetching"}, "获取中"),
        ({"tries": 1, "last_error": "HTML"}, "没有取到：HTML"), ({"state": "imported", "imported_at": 1}, "已读入，尚未核对"),
        ({"state": "closed", "content": "empty"}, "账单为空"), ({"state": "closed", "content": "lines"}, "分文不差"),
    ],
)  # fmt: skip
def test_missing_empty_and_not_yet_have_words_of_their_own(values, words):
    from django.utils.translation import override  # noqa: PLC0415  # for this test alone

    with override("zh-hans"):
        said = say(Cell(date(2026, 11, 22), BillDay(day=date(2026, 11, 22), **values)), today=date(2026, 11, 23))
        assert words in str(said.words)


def test_the_month_shows_each_day_in_words_and_leads_there(viewer, day):
    found = viewer.get(f"{MONTH}?month={day.day:%Y-%m}").content.decode()

    assert f'href="{page(day)}"' in found
    assert "还没出" in found
    assert found.count("<li") >= 28
    for crafted in ("?month=x", "?month=0000-00", "?account=abc", "?account=99999", "?month=2019-02"):
        assert viewer.get(MONTH + crafted).status_code == 200


def test_a_month_costs_the_same_however_full(viewer, merchant, django_assert_max_num_queries):
    for n in range(1, 29):
        BillDay.objects.create(account=merchant, day=date(2026, 10, n))

    with django_assert_max_num_queries(12):
        assert viewer.get(MONTH + "?month=2026-10").content.decode().count("billday/") > 28


def test_a_day_whose_bill_is_missing_says_so_and_when_it_is_asked_next(viewer, day):
    BillDay.objects.update(content="missing", tries=4)

    found = seen(viewer, day)
    assert "已问过 4 次" in found
    assert "没有账单不等于账单为空" in found


@pytest.mark.rows("F58")
def test_a_day_shows_both_sides_the_difference_and_the_case(finance, books: Books):
    books.pay(10_00)
    wrong = books.pay(20_00)
    books.change(books.of(wrong), fen=25_00)
    compared = books.compare()

    found = seen(finance, compared)
    assert "¥30.00" in found
    assert "¥35.00" in found
    assert "+¥5.00" in found
    case = Case.objects.get(kind="bill_amount")
    assert f"/admin/payments/case/{case.pk}/change/" in found
    of_case = finance.get(f"/admin/payments/case/{case.pk}/change/").content.decode()
    assert page(compared) in of_case
    assert "20.00" in of_case
    assert "25.00" in of_case
    assert f'<span class="ref">{wrong.out_trade_no}</span></h1>' in of_case
    assert "账单与账簿相差 +¥5.00" in of_case
    assert (f"case/{case.pk}/do/resolve/" in of_case, f"case/{case.pk}/do/ask-write-off/" in of_case) == (False, True)
    refused = finance.post(f"/admin/payments/case/{case.pk}/do/resolve/", {"text": "never mind"}, follow=True)
    assert "账单与账簿相差 ¥5.00" in refused.content.decode()


def test_each_line_stands_beside_our_record(viewer, books: Books):
    paid, wrong = books.pay(10_00), books.pay(20_00)
    books.give_back(paid, 4_00)
    books.change(books.of(wrong), fen=25_00)
    compared = books.compare()
    file = compared.files.get()

    found = viewer.get(page(compared, f"lines/{file.pk}/")).content.decode()
    assert f"/admin/payments/transaction/{paid.pk}/change/" in found
    assert f"/admin/payments/refund/{paid.refunds.get().pk}/change/" in found
    assert "−¥4.00" in found
    assert ("账单行" in found, "商品行" in found) == (True, False)
    assert found.count("一致") >= 2
    assert "账单上的金额不同" in found or "≠" in found
    assert viewer.get(page(compared, f"lines/{file.pk}/?q={wrong.trade_no}")).context["found"].rows[0].attempt == wrong
    for crafted in ("?after=~", "?after=x~y", "?q=%00", f"?after={'9' * 300}~{'9' * 30}"):
        assert viewer.get(page(compared, f"lines/{file.pk}/{crafted}")).status_code == 200
    assert viewer.get(page(compared, "lines/987654/")).status_code == 404


def test_many_lines_come_in_pages_that_cost_the_same(books: Books, django_assert_num_queries):
    for _ in range(3):
        books.pay(10_00)
    one = books.moved[0]
    for n in range(110):
        books.moved.append(type(one)(**{**vars_of(one), "trade_no": f"20261122{n:05d}", "out_trade_no": f"X{n}"}))
    file = books.compare().files.get()

    read, after = [], ""
    for _ in range(3):
        with django_assert_num_queries(3):
            found = lines(file, after=after)
        read += [row.line.key for row in found.rows]
        after = found.after
    assert (len(read), len(set(read)), after, read) == (113, 113, "", sorted(read))


def vars_of(movement: Any) -> dict[str, Any]:
    return {name: getattr(movement, name) for name in type(movement).__dataclass_fields__}


@pytest.mark.rows("F61")
def test_a_bill_is_uploaded_and_a_refused_one_says_why_and_changes_nothing(finance, books: Books):
    books.pay(10_00)
    row = BillDay.objects.create(account=books.account, day=books.since.astimezone(BEIJING).date())
    good = SimpleUploadedFile("bill.zip", books.file())

    refused = does(finance, row, "upload", kind="trade", file=SimpleUploadedFile("bill.zip", b"<html>login</html>"))
    assert refused.status_code == 400
    assert "没有读入任何内容" in refused.content.decode()
    row.refresh_from_db()
    assert (row.state, row.files.get().state) == ("expected", "refused")

    assert "已读入 1 行" in does(finance, row, "upload", kind="trade", file=good).content.decode()
    assert row.files.get(state="imported").source == BillFile.Source.UPLOADED
    assert does(finance, row, "upload", kind="trade").status_code == 400, "no file"
    assert does(finance, row, "upload", kind="x", file=good).status_code == 400


def test_fetching_and_comparing_now_brings_the_day_forward_once(finance, day):
    assert "一分钟之内" in does(finance, day, "fetch").content.decode()
    day.refresh_from_db()
    assert day.due_at <= database_now()
    assert AuditEvent.objects.about(day).get().action == "fetch_wanted"

    BillDay.objects.update(leased_until=database_now() + timedelta(minutes=1))
    assert "不用再取" in does(finance, day, "fetch").content.decode()
    assert "没有可核对的" in does(finance, day, "compare").content.decode()


@pytest.mark.rows("F65")
def test_a_day_compared_once_more_comes_to_the_same(finance, books: Books):
    wrong = books.pay(20_00)
    books.change(books.of(wrong), fen=25_00)
    compared = books.compare()
    before = (compared.result_hash, Difference.objects.count(), Case.objects.count())

    does(finance, compared, "compare")
    compared.refresh_from_db()
    assert compared.state == "imported"
    reconcile_day(compared)
    compared.refresh_from_db()
    assert (compared.result_hash, Difference.objects.count(), Case.objects.count()) == before


def test_a_day_closes_with_a_case_for_all_and_says_what_is_missing_before(finance, day, books: Books):
    assert "账单还没有来" in does(finance, day, "close").content.decode()
    wrong = books.pay(20_00)
    books.change(books.of(wrong), fen=25_00)
    compared = books.compare()
    assert compared.state == "matched"

    assert "当天已结账" in does(finance, compared, "close").content.decode()
    compared.refresh_from_db()
    assert (compared.state, compared.closed_by.startswith("staff:")) == ("closed", True)
    assert "1 处差异的例外尚未结束" in seen(finance, compared)


def test_who_may_only_look_sees_no_buttons_and_is_refused(viewer, day):
    found = seen(viewer, day)

    for what in ("fetch", "compare", "upload", "close"):
        assert f"/{what}/" not in found
        assert does(viewer, day, what).status_code == 403
        assert viewer.get(page(day, f"{what}/")).status_code == 403
    assert member("catalogue manager")[0].get(MONTH).status_code == 403
    assert not AuditEvent.objects.about(day).exists()


def test_a_link_in_a_mail_does_nothing(finance, day):
    for what in ("fetch", "compare", "upload", "close"):
        assert finance.get(page(day, f"{what}/")).status_code == 302
    assert not AuditEvent.objects.about(day).exists()


def test_a_day_page_costs_the_same_however_much_differs(finance, books: Books, django_assert_max_num_queries):
    for n in range(60):
        books.moved.append(books.bill(books.attempt(n + 1)))
    compared = books.compare()
    assert compared.differences.count() >= 60

    with django_assert_max_num_queries(22):
        found = finance.get(page(compared)).content.decode()
    assert "1 / 2" in found or "1 / 3" in found
