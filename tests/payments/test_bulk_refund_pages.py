"""A bulk refund by form: chosen, looked at, confirmed by the typed total, followed, approved; refused where it must be."""

from typing import Any

import pytest
from django.test import Client

from payments.models import Order, Refund, RefundBatch
from payments.models.clock import database_now
from payments.services.bulk_refund import go_on
from tests.conftest import enter
from tests.payments.test_bulk_refund import TEA, sell, shop  # noqa: F401  # fixtures
from tests.payments.test_staff_pages import member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]
LIST, PLAN = "/admin/payments/refundbatch/", "/admin/payments/refundbatch/plan/"


@pytest.fixture
def finance() -> Client:
    return member("finance")


@pytest.fixture
def approver() -> Client:
    return member("approver")


@pytest.fixture
def orders(sell: Any) -> list[Order]:  # noqa: F811  # the fixture
    return [sell(tea=150_00), sell(tea=150_00), sell(paid=False)]


def planned(browser: Client, **values: Any) -> Any:
    today = f"{database_now():%Y-%m-%d}"
    form = {"skus": TEA, "paid_from": "2026-01-01", "paid_until": today, "scope": "goods", "reason_code": "recalled"}
    return browser.post(PLAN, {**form, **values})


def page(batch: RefundBatch, more: str = "change/") -> str:
    return f"{LIST}{batch.pk}/{more}"


def confirmed(browser: Client) -> RefundBatch:
    planned(browser, paid_until="2026-12-31")
    batch = RefundBatch.objects.latest("pk")
    browser.post(page(batch, "confirm/"), {"total": batch.total.to_yuan()})
    while go_on():
        pass
    batch.refresh_from_db()
    return batch


def test_goods_and_days_lead_to_a_dry_run_with_its_total(finance, orders):
    answer = planned(finance, paid_until="2026-12-31", skus=f" {TEA}，\nNO-SUCH ")
    batch = RefundBatch.objects.get()
    assert answer["Location"] == page(batch)

    seen = finance.get(page(batch)).content.decode()
    assert "将退款 <b>¥600.00</b>，共 2 个订单" in seen
    assert "请输入总额以确认：<b>¥600.00</b>" in seen
    assert not Refund.objects.exists()


def test_marked_orders_lead_to_the_same_form_and_say_why_one_is_left_out(finance, orders):
    listed = finance.post(
        "/admin/payments/order/", {"action": "refund_marked", "_selected_action": [each.pk for each in orders]}
    )
    assert "已勾选 3 个订单" in listed.content.decode()
    marked = ",".join(str(each.pk) for each in orders)
    assert f'value="{marked}"' in listed.content.decode()

    planned(finance, orders=marked, skus="", scope="whole")
    batch = RefundBatch.objects.get()
    assert (batch.orders, batch.total_fen) == (2, 680_00)
    assert "未排入 · 没有付款" in finance.get(page(batch) + "?show=left_out").content.decode()


@pytest.mark.parametrize(
    "values",
    [
        {"skus": ""}, {"skus": " , "}, {"paid_from": ""}, {"paid_from": "2026-13-01"}, {"paid_until": "2025-12-31"},
        {"paid_from": "2020-01-01"}, {"scope": "x"}, {"reason_code": "x"}, {"skus": "NO-SUCH"}, {"note": "x" * 201},
        {"orders": "1", "skus": "", "scope": "goods"},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_told_beside_the_field(finance, orders, values):
    answer = planned(finance, **values)
    assert answer.status_code == 400
    assert "errornote" in answer.content.decode() or "errorlist" in answer.content.decode()
    assert not RefundBatch.objects.exists()


@pytest.mark.parametrize("typed", ["", "600.01", "600", "6e2", "x"])
def test_only_the_exact_total_confirms(finance, orders, typed):
    planned(finance, paid_until="2026-12-31")
    batch = RefundBatch.objects.get()
    answer = finance.post(page(batch, "confirm/"), {"total": typed})
    batch.refresh_from_db()

    fits = typed == "600"
    assert (answer.status_code, batch.state) == ((302, "asking") if fits else (400, "draft"))


@pytest.mark.rows("M08")
def test_a_second_press_and_another_tab_ask_for_nothing_twice(finance, orders):
    batch = confirmed(finance)
    again = finance.post(page(batch, "confirm/"), {"total": batch.total.to_yuan()})
    while go_on():
        pass

    assert (again.status_code, Refund.objects.count()) == (302, 2)


@pytest.mark.rows("M01", "M02", "M03")
def test_without_the_right_a_post_or_the_token_nothing_moves(finance, orders):
    planned(finance, paid_until="2026-12-31")
    batch = RefundBatch.objects.get()
    for role in ("support", "approver", "viewer", "cashier", "owner"):
        browser = member(role)
        if role != "owner":
            assert (browser.get(PLAN).status_code, planned(browser).status_code) == (403, 403), role
            marked = {"action": "refund_marked", "_selected_action": [orders[0].pk]}
            assert "已勾选" not in browser.post("/admin/payments/order/", marked, follow=True).content.decode()
        assert browser.post(page(batch, "confirm/"), {"total": "600.00"}).status_code == 403, role
    for door in ("confirm/", "approve/"):
        assert finance.get(page(batch, door) + "?total=600.00").status_code == 302
    strict = enter(Client(enforce_csrf_checks=True), batch.requested_by)
    assert strict.post(page(batch, "confirm/"), {"total": "600.00"}).status_code == 403
    assert member("catalogue manager").get(page(batch)).status_code == 403
    batch.refresh_from_db()
    assert batch.state == "draft"


@pytest.mark.rows("M12")
def test_a_colleague_approves_the_whole_with_a_fresh_factor_and_the_first_cannot(finance, approver, orders):
    batch = confirmed(finance)
    assert "需要由同事批准" in finance.get(page(batch)).content.decode()
    assert finance.post(page(batch, "approve/"), {"seen_fen": "60000"}).status_code == 403
    assert "批准 2 笔退款，共 ¥600.00" in approver.get(page(batch)).content.decode()
    session = approver.session
    session["second_factor_at"] -= 601
    session.save()
    stale = approver.post(page(batch, "approve/"), {"seen_fen": "60000"})
    assert stale["Location"].startswith("/admin/second-factor/?next=/admin/payments/refundbatch/")
    session["second_factor_at"] += 601
    session.save()
    moved = approver.post(page(batch, "approve/"), {"seen_fen": "59999"}, follow=True).content.decode()
    assert "现在待批准 ¥600.00" in moved

    approver.post(page(batch, "approve/"), {"seen_fen": "60000"})
    while go_on():
        pass
    assert {*Refund.objects.values_list("state", flat=True)} == {"approved"}
    seen = approver.get(page(batch)).content.decode()
    assert "finance@example.com" in seen
    assert "staff:" not in seen


@pytest.mark.rows("M12")
def test_even_an_owner_is_refused_their_own_batch(orders):
    owner = member("owner")
    batch = confirmed(owner)
    assert "approve/" not in owner.get(page(batch)).content.decode()
    told = owner.post(page(batch, "approve/"), {"seen_fen": "60000"}, follow=True).content.decode()

    assert "申请人不能批准自己的退款" in told
    assert {*Refund.objects.values_list("state", flat=True)} == {"requested"}


@pytest.mark.rows("M01", "M02")
def test_it_is_stopped_with_a_reason_by_who_asked_or_who_may_approve(finance, approver, orders):
    batch = confirmed(finance)
    assert "停止这次批量退款" in finance.get(page(batch)).content.decode()
    assert "不同意整批" in approver.get(page(batch)).content.decode()
    for role in ("support", "cashier", "viewer"):
        other = member(role)
        assert other.post(page(batch, "stop/"), {"why": "x"}).status_code == 403, role
        assert "stop/" not in other.get(page(batch)).content.decode()
    assert approver.get(page(batch, "stop/")).status_code == 302
    assert approver.post(page(batch, "stop/"), {"why": " "}).status_code == 400
    batch.refresh_from_db()
    assert batch.state == "asked"

    approver.post(page(batch, "stop/"), {"why": "另有安排"})
    again = finance.post(page(batch, "stop/"), {"why": "x"}, follow=True).content.decode()
    assert "没有可以停止的" in again
    assert finance.get(page(batch, "news/"))["X-State"] == "stopping"
    while go_on():
        pass
    seen = finance.get(page(batch)).content.decode()
    assert "另有安排" in seen
    assert "已停止" in seen
    assert {*Refund.objects.values_list("state", flat=True)} == {"rejected"}


def test_progress_is_told_in_small_pieces_and_a_refund_leads_to_its_batch(finance, orders):
    planned(finance, paid_until="2026-12-31")
    batch = RefundBatch.objects.get()
    finance.post(page(batch, "confirm/"), {"total": "600.00"})
    news = finance.get(page(batch, "news/"))
    assert (news["X-State"], "已申请 0/2 个订单" in news.content.decode()) == ("asking", True)
    assert '<progress max="2" value="0"' in news.content.decode()

    go_on()
    assert finance.get(page(batch, "news/"))["X-State"] == "asked"
    Refund.objects.filter(pk=min(Refund.objects.values_list("pk", flat=True))).update(
        state="approved", approver="staff:9"
    )
    assert finance.get(page(batch, "news/"))["X-State"] == "returning", "an open page goes on following"
    refund = Refund.objects.first()
    assert refund
    assert page(batch) in finance.get(f"/admin/payments/refund/{refund.pk}/change/").content.decode()


def test_the_list_is_empty_then_names_the_batch(finance, orders):
    assert PLAN in finance.get(LIST).content.decode()
    assert PLAN not in member("viewer").get(LIST).content.decode()
    confirmed(finance)
    assert "finance@example.com" in finance.get(LIST).content.decode()
