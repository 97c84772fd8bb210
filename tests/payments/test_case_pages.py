"""The queue of cases and a case's page: what staff see, filter, hand out and end, by form; refused where it must be."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from payments.admin.case_words import WORDS
from payments.admin.columns import span
from payments.models import Case, CaseEvent, Refund, Transaction, Transfer, User
from payments.models.clock import database_now
from payments.queries.trial_balance import trial_balance
from payments.services.receive_notice import receive_notice
from tests.conftest import enter

pytestmark = pytest.mark.django_db
QUEUE = "/admin/payments/case/"


def member(role: str) -> tuple[Client, User]:
    person = User.objects.create_user(f"{role}@example.com", "x", is_staff=True, name=role)
    person.groups.add(Group.objects.get(name=role))
    return enter(Client(), person), person


@pytest.fixture
def support() -> Client:
    return member("support")[0]


@pytest.fixture
def stray(merchant, make_order, make_attempt, says) -> Case:
    receive_notice(says.notice(make_attempt(make_order()), out_trade_no="NOBODY1"))
    return Case.objects.get()


def opened(kind: str, subject: str, *, fen: int = 100, due_in: timedelta = timedelta(days=1)) -> Case:
    Case.objects.open_once(Case.Kind(kind), subject, evidence="", amount_fen=fen)
    Case.objects.filter(subject=subject).update(due_at=database_now() + due_in)
    return Case.objects.get(subject=subject)


def page(case: Case) -> str:
    return f"{QUEUE}{case.pk}/change/"


def does(browser: Client, case: Case, what: str, **values: Any) -> Any:
    return browser.post(f"{QUEUE}{case.pk}/do/{what}/", values, follow=True)


def subjects(browser: Client, query: str = "") -> list[str]:
    return [each.subject for each in browser.get(QUEUE + query).context["cl"].result_list]


def test_every_kind_says_in_words_what_it_is_and_what_helps(support):
    assert set(Case.Kind) <= set(WORDS)
    for kind in Case.Kind:
        seen = support.get(page(opened(kind, f"{kind}:1"))).content.decode()
        assert str(WORDS[kind][0])[:10] not in ("", "None")
        assert "怎样处理：" in seen


def test_the_queue_begins_with_mine_and_nobodys_by_due_time(support):
    mine, other = User.objects.get(email="support@example.com"), member("finance")[1]
    later, sooner, theirs = (opened("stuck", f"x:{n}", due_in=timedelta(days=n)) for n in (3, 1, 2))
    Case.objects.filter(pk=later.pk).update(owner=mine, state="assigned")
    Case.objects.filter(pk=theirs.pk).update(owner=other, state="assigned")

    assert subjects(support) == [sooner.subject, later.subject]
    assert subjects(support, "?work=all") == ["x:1", "x:2", "x:3"]
    assert subjects(support, f"?work=all&owner={other.pk}") == ["x:2"]
    assert subjects(support, "?work=all&owner=me") == ["x:3"]


def test_the_queue_filters_by_lateness_age_kind_severity_role_and_end(support):
    late = opened("buyer_asks", "x:late", fen=12_00, due_in=-timedelta(hours=3))
    opened("stuck", "x:new")
    Case.objects.filter(pk=late.pk).update(opened_at=database_now() - timedelta(days=4))
    over = opened("books", "x:over")
    Case.objects.mark_resolved(over, actor="staff:1", note="x")

    seen = support.get(QUEUE).content.decode()
    assert "▲ 1 项例外已逾期" in seen
    assert "¥12.00" in seen
    assert "逾期 3 小时" in seen
    assert subjects(support, "?work=overdue") == ["x:late"]
    assert subjects(support, "?work=all&age=3") == ["x:late"]
    assert subjects(support, "?work=all&age=0") == ["x:new"]
    assert subjects(support, "?work=all&kind=stuck") == ["x:new"]
    assert subjects(support, "?work=all&severity__exact=normal") == ["x:late"]
    assert subjects(support, "?work=all&role=owner") == []
    assert subjects(support, "?work=any&role=owner") == ["x:over"]
    assert subjects(support, "?work=resolved") == ["x:over"]


@pytest.mark.parametrize(
    "query", ["?owner=x", "?owner=99999999999999999999", "?age=-1", "?work=%00", "?role=nobody", "?p=-1"]
)
def test_crafted_filters_are_no_fault(support, query):
    opened("stuck", "x:1")

    assert support.get(QUEUE + query).status_code in (200, 302)


def test_an_empty_queue_says_when_it_was_looked_at_and_that_no_check_ran(support):
    seen = support.get(QUEUE).content.decode()

    assert "这里没有等您处理的例外" in seen
    assert "账目从未核对过" in seen


def test_many_cases_are_handed_out_at_once_and_the_sum_is_said(support):
    finance = member("finance")[1]
    cases = [opened("stuck", f"x:{n}", fen=n * 100) for n in (1, 2, 3)]
    chosen = {"action": "assign", "_selected_action": [each.pk for each in cases[:2]], "owner": finance.pk}

    seen = support.post(QUEUE, chosen, follow=True).content.decode()
    assert "2 项例外，涉及 ¥3.00，现由 finance 处理" in seen
    assert list(Case.objects.filter(owner=finance).values_list("subject", flat=True).order_by("pk")) == ["x:1", "x:2"]
    assert "请选择" in support.post(QUEUE, {**chosen, "owner": ""}, follow=True).content.decode()
    support.post(QUEUE + "?work=all", {**chosen, "action": "take"})
    assert Case.objects.filter(owner__email="support@example.com").count() == 2


def test_who_may_not_work_sees_no_buttons_and_is_refused(stray):
    viewer, approver = member("viewer")[0], member("approver")[0]
    for browser in (viewer, approver):
        assert 'name="action"' not in browser.get(QUEUE + "?work=all").content.decode()
        assert browser.get(page(stray)).status_code == 200
        for what in ("take", "release", "assign", "note", "resolve", "refund", "book", "ask-write-off"):
            assert does(browser, stray, what, text="x").status_code == 403, what
        browser.post(QUEUE, {"action": "take", "_selected_action": [stray.pk]})
    for what in ("ask", "write-off", "refuse-write-off"):
        assert does(viewer, stray, what, text="x").status_code == 403, what
    assert member("catalogue manager")[0].get(page(stray)).status_code == 403
    stray.refresh_from_db()
    assert (stray.state, CaseEvent.objects.count()) == ("open", 0)


def test_a_link_in_a_mail_does_nothing(support, stray):
    for what in ("take", "note", "resolve", "ask-write-off"):
        assert support.get(f"{QUEUE}{stray.pk}/do/{what}/").status_code == 302
    assert support.get(f"{QUEUE}{stray.pk}/do/burn/").status_code == 404
    assert CaseEvent.objects.count() == 0


def test_a_case_shows_both_sides_its_money_and_its_evidence(support, stray):
    seen = support.get(page(stray)).content.decode()

    assert "商户订单号" in seen
    assert "没有这个编号" in seen
    assert "NOBODY1" in seen
    assert "尚无归属" in seen
    assert seen.count("¥88.80") >= 3
    assert "/admin/payments/inboundmessage/?q=" in seen
    assert (
        reverse("admin:payments_transaction_change", args=[Transaction.objects.get(out_trade_no="NOBODY1").pk]) in seen
    )


@pytest.mark.parametrize(
    ("kind", "facts", "field", "theirs"),
    [
        ("other_amount", {}, "金额", "¥99.00"), ("other_seller", {"seller_id": "2088x"}, "支付宝收款方", "2088x"),
        ("other_app", {"app_id": "2021x"}, "支付宝应用", "2021x"), ("other_trade", {"trade_no": "T2"}, "支付宝交易号", "T2"),
        ("closed_after_paid", {"trade_status": "TRADE_CLOSED"}, "状态", "TRADE_CLOSED"), ("stuck", {}, "状态", "没有确定的答复"),
        ("external_refund", {}, "已退回", "¥99.00"), ("books", {"field": "sum", "ours": "1", "theirs": "2"}, "sum", "2"),
    ],
)  # fmt: skip
def test_the_field_that_differs_stands_with_both_values(support, unsettled, kind, facts, field, theirs):
    Case.objects.open_once(Case.Kind(kind), f"transaction:{unsettled.pk}", evidence="", amount_fen=99_00, **facts)

    differs = support.get(page(Case.objects.get())).content.decode().split("<tbody>")[1].split("</tbody>")[0]
    assert field in differs
    assert theirs in differs


def test_an_empty_note_is_told_beside_the_field_and_nothing_happens(support, stray):
    answer = does(support, stray, "note", text="  ")

    assert answer.status_code == 400
    assert 'id="note-error"' in answer.content.decode()
    assert CaseEvent.objects.count() == 0


def test_money_of_nobody_is_refunded_from_its_case_and_the_case_resolved_after(stray):
    browser = member("finance")[0]
    assert "resolve/" not in browser.get(page(stray)).content.decode()
    assert "还不属于任何订单" in does(browser, stray, "resolve", text="gone").content.decode()
    for amount in ("0", "88.81", "x", ""):
        assert does(browser, stray, "refund", amount=amount, text="why", seen_fen=8880).status_code == 400

    assert (
        "正在发往支付宝" in does(browser, stray, "refund", amount="88.80", text="why", seen_fen=8880).content.decode()
    )
    assert (Refund.objects.get().amount_fen, Refund.objects.get().transaction.out_trade_no) == (8880, "NOBODY1")
    assert does(browser, stray, "refund", amount="1", text="again", seen_fen=8880).status_code == 400, "nothing is left"


def test_a_second_person_writes_off_and_the_first_cannot(stray):
    asking, deciding = member("finance")[0], member("approver")[0]
    does(asking, stray, "ask-write-off", text="付款人找不到")
    seen = asking.get(page(stray)).content.decode()
    assert "申请人自己不能批准" in seen
    assert "/write-off/" not in seen
    assert "申请人不能批准自己的核销" in does(asking, stray, "write-off").content.decode()
    assert not Transfer.objects.filter(cause="write_off").exists()

    assert "核销 ¥88.80" in deciding.get(page(stray)).content.decode()
    assert "已核销：¥88.80" in does(deciding, stray, "write-off").content.decode()
    stray.refresh_from_db()
    assert (stray.state, stray.note, trial_balance().proves) == ("written_off", "付款人找不到", True)
    assert "请再看一遍" in does(deciding, stray, "write-off").content.decode()


def test_a_write_off_after_a_while_asks_for_the_factor_again(stray):
    asking, deciding = member("finance")[0], member("approver")[0]
    does(asking, stray, "ask-write-off", text="x")
    session = deciding.session
    session["second_factor_at"] -= 601
    session.save()

    answer = deciding.post(f"{QUEUE}{stray.pk}/do/write-off/")
    assert answer["Location"] == f"/admin/second-factor/?next={page(stray)}"
    stray.refresh_from_db()
    assert stray.state == "open"


def test_the_history_names_people_and_says_what_they_did(support, stray):
    does(support, stray, "take")
    does(support, stray, "note", text="已致电")
    does(support, stray, "ask")

    seen = support.get(page(stray)).content.decode()
    history = seen.split('class="story"')[1]
    assert history.count("support") >= 3
    assert "现由" in history
    assert "已致电" in history
    assert "staff:" not in history


def test_a_page_costs_the_same_however_long_its_history(support, stray, django_assert_max_num_queries):
    for n in range(30):
        CaseEvent.objects.create(case=stray, action="noted", actor=f"staff:{n}", note="x")

    with django_assert_max_num_queries(20):
        support.get(page(stray))


def test_a_long_queue_costs_the_same_as_a_short_one(support, django_assert_max_num_queries):
    finance = member("finance")[1]
    for n in range(60):
        opened("stuck", f"x:{n}")
    Case.objects.update(owner=finance, state="assigned")

    with django_assert_max_num_queries(16):
        shown = support.get(QUEUE + "?work=all")
    assert (len(shown.context["cl"].result_list), shown.context["cl"].result_count) == (50, 60)


@pytest.mark.parametrize(
    ("time", "words"), [(0, "0 分钟"), (3599, "59 分钟"), (7200, "2 小时"), (172800, "2 天"), (-5, "0 分钟")]
)
def test_a_span_is_said_in_its_largest_unit(time, words):
    assert span(timedelta(seconds=time)) == words
