"""Staff look at an order, ask for a refund, decide about one: every step by form, refused where it must be."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from payments.models import Order, Refund, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.services.approve_refund import ask_as_buyer
from payments.services.place_order import Line, place_order
from payments.services.refund import approve_refund, request_refund, settle_refund
from tests.conftest import enter

pytestmark = pytest.mark.django_db


def member(role: str) -> Client:
    person = User.objects.create_user(f"{role}@example.com", "x", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return enter(Client(), person)


@pytest.fixture
def support() -> Client:
    return member("support")


@pytest.fixture
def approver() -> Client:
    return member("approver")


@pytest.fixture
def order(merchant, make_attempt, says, client) -> Order:
    placed = place_order(
        lines=[Line("明前龙井", Money(300_00), quantity=2), Line("茶杯", Money(100_00))], title="茶", language="zh-hans",
        caller="test", now=database_now(), shipping=Money(10_00),
    )  # fmt: skip
    client.post("/alipay/notify", says.notice(make_attempt(placed)), content_type="application/x-www-form-urlencoded")
    placed.refresh_from_db()
    return placed


def page(order: Order, more: str = "change/") -> str:
    return f"/admin/payments/order/{order.pk}/{more}"


def asked(browser: Client, order: Order, **values: Any) -> Any:
    form = {"reason_code": "damaged", "seen_fen": 710_00, **values}
    return browser.post(page(order, "refund/"), form)


def test_an_order_says_in_one_sentence_how_it_stands(support, order):
    seen = support.get(page(order)).content.decode()

    assert "已付款 <b>¥710.00</b>，可退 ¥710.00，无待办" in seen
    assert "本订单净收" in seen
    assert seen.count("¥710.00") >= 4, "paid, refundable, the attempt, the books"


def test_the_story_names_door_and_evidence(support, order):
    seen = support.get(page(order)).content.decode()

    assert "支付宝通知" in seen
    assert "/admin/payments/inboundmessage/?q=" in seen


def test_pieces_of_a_line_come_back_at_what_was_paid_for_them(support, order):
    answer = asked(support, order, pieces_1="1")

    refund = Refund.objects.get()
    assert answer["Location"] == f"/admin/payments/refund/{refund.pk}/change/"
    assert (refund.amount_fen, refund.lines, refund.reason_code) == (300_00, {"1": 300_00}, "damaged")
    assert refund.state == Refund.State.REQUESTED, "above what one person may let go alone"


def test_delivery_and_a_free_amount_can_come_back_too(support, order):
    asked(support, order, pieces_shipping="1", pieces_2="1")
    asked(support, order, amount="12.5", seen_fen=600_00)

    assert sorted(Refund.objects.values_list("amount_fen", flat=True)) == [12_50, 110_00]


@pytest.mark.rows("M04")
@pytest.mark.parametrize(
    "values",
    [
        {}, {"amount": "0"}, {"amount": "-1"}, {"amount": "710.01"}, {"amount": "1.001"}, {"amount": "1e2"},
        {"amount": "NaN"}, {"amount": " "}, {"pieces_1": "3"}, {"pieces_1": "-1"}, {"pieces_1": "0.5"},
        {"pieces_1": "1", "amount": "1"}, {"pieces_1": "1", "reason_code": ""}, {"pieces_1": "1", "reason_code": "x"},
        {"pieces_1": "1", "seen_fen": ""},
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_told_beside_the_field(support, order, values):
    answer = asked(support, order, **values)

    assert answer.status_code == 400
    assert "errornote" in answer.content.decode() or "errorlist" in answer.content.decode()
    assert not Refund.objects.exists()


@pytest.mark.rows("M05")
def test_hidden_fields_change_neither_whose_order_nor_who_asks(support, order, make_order):
    forged = {
        "order_id": make_order().pk,
        "transaction": "999",
        "requester": "staff:1",
        "state": "succeeded",
        "approver": "x",
    }
    for name, value in forged.items():
        answer = asked(support, order, pieces_1="1", **{name: value})
        assert (answer.status_code, Refund.objects.count()) == (400, 0), name
    assert "没有改动任何内容" in answer.content.decode()

    asked(support, order, pieces_1="1")
    refund = Refund.objects.get()
    for name, value in forged.items():
        crafted = support.post(f"/admin/payments/refund/{refund.pk}/decide/", {"approve": "1", name: value})
        assert crafted.status_code == 400, name
    who = User.objects.get(email="support@example.com")
    assert (refund.transaction.order, refund.requester, refund.approver) == (order, f"staff:{who.pk}", "")
    assert support.get(page(order, "refund/").replace(str(order.pk), "987654")).status_code == 404


@pytest.mark.rows("M08")
def test_a_form_sent_twice_makes_one_refund_and_shows_what_moved(support, order):
    assert asked(support, order, pieces_1="1").status_code == 302
    again = asked(support, order, pieces_1="1")

    assert again.status_code == 409
    assert "¥710.00，现在可退 ¥410.00" in again.content.decode()
    assert Refund.objects.count() == 1


def is_refused(browser: Client, order: Order, why: str) -> bool:
    """The page gives the reason in place of its form, a form sent all the same makes nothing, and the order has no button."""
    before = Refund.objects.count()
    seen = browser.get(page(order, "refund/")).content.decode()
    sent = asked(browser, order, pieces_1="1")
    deeds = browser.get(page(order)).content.decode().split("deeds")[1].split("</div>")[0]
    assert sent.status_code in (200, 400, 409)
    return why in seen and why in sent.content.decode() and "refund/" not in deeds and Refund.objects.count() == before


@pytest.mark.rows("M06")
def test_what_cant_be_refunded_says_why_instead_of_a_button(support, order, make_order, make_attempt):
    unpaid, closed = make_order(), make_order()
    make_attempt(unpaid)
    make_attempt(closed, state=Transaction.State.CLOSED, close_due_at=None, next_check_at=None)
    assert Order.objects.mark_closed(closed.pk, expired_before=closed.expires_at, now=closed.expires_at)
    assert is_refused(support, unpaid, "没有付款")
    assert is_refused(support, closed, "没有付款")

    Transaction.objects.filter(order=order).update(finished=True)
    assert is_refused(support, order, "不再接受")

    Transaction.objects.filter(order=order).update(finished=False)
    paid = Transaction.objects.get(order=order)
    whole = request_refund(paid, Money(710_00), requester="staff:1", origin=Refund.Origin.STAFF)
    assert is_refused(support, order, "正在退回或等待处理")
    approve_refund(whole, approver="staff:2")
    settle_refund(whole, actor="test", evidence="call:1")
    assert is_refused(support, order, "已全部退回")


@pytest.mark.rows("M01")
def test_who_may_not_ask_neither_sees_the_form_nor_sends_it(approver, order):
    viewer = member("viewer")
    for browser in (viewer, approver):
        assert browser.get(page(order, "refund/")).status_code == 403
        assert asked(browser, order, pieces_1="1").status_code == 403
    stranger, customer = Client(), Client()
    customer.force_login(User.objects.create_user("lin@example.com", "x"))
    for browser, end in ((stranger, 302), (customer, 403)):
        sent = asked(browser, order, pieces_1="1")
        assert (sent.status_code, sent["Location"].split("?")[0]) == (302, "/admin/login/")
        assert browser.get(sent["Location"]).status_code == end, "to sign in, or told that it is not for them"
    assert member("catalogue manager").get(page(order)).status_code == 403
    assert not Refund.objects.exists()


@pytest.mark.rows("M02")
@pytest.mark.parametrize(
    "path", ["refund/{}/decide/?approve=1", "order/{}/ask/", "order/{}/refund/?pieces_1=1&seen_fen=71000"]
)
def test_a_link_in_a_mail_does_nothing(support, approver, order, path):
    """It leads to the record, whatever it says, and no further. The row says 405; a page that answers so would be the end of the
    road for who reloads after a mistake in the form, and nothing would be safer by it.
    """
    asked(support, order, pieces_1="1")
    refund = Refund.objects.get()
    before = [*Refund.objects.values_list("pk", "state")]
    for browser in (support, approver):
        answer = browser.get("/admin/payments/" + path.format(refund.pk if "decide" in path else order.pk))
        record = refund if "decide" in path else order
        if "/refund/" in path:
            assert answer.status_code == (200 if browser is support else 403), "the form, empty"
        else:
            assert answer["Location"] == f"/admin/payments/{record._meta.model_name}/{record.pk}/change/"
    assert [*Refund.objects.values_list("pk", "state")] == before


@pytest.mark.rows("M03")
def test_a_form_of_another_site_is_refused(order):
    person = User.objects.create_superuser("boss@example.com", "x")
    strict = enter(Client(enforce_csrf_checks=True), person)

    assert asked(strict, order, pieces_1="1").status_code == 403
    assert not Refund.objects.exists()


@pytest.mark.rows("M19")
def test_what_a_buyer_typed_is_shown_to_staff_as_text(order):
    """In the browser, too: the pages' policy lets no script run that is written into a page."""
    owner, script = member("owner"), "<script>alert(1)</script><img src=x onerror=alert(1)>"
    Order.objects.filter(pk=order.pk).update(title=script)
    ask_as_buyer(
        Transaction.objects.get(order=order), Money(1), reason=Refund.Reason.OTHER, note=script, lines={"1": 1}
    )
    refund = Refund.objects.get()
    pages = [
        page(order),
        page(order, "refund/"),
        f"/admin/payments/refund/{refund.pk}/change/",
        "/admin/payments/order/",
    ]

    for address in pages:
        seen = owner.get(address).content.decode()
        assert "<img src=x" not in seen, address
        assert "alert(1)</script>" not in seen, address
    assert "&lt;img src=x onerror=alert(1)&gt;" in owner.get(pages[2]).content.decode()


def test_a_page_that_is_not_there_or_not_theirs_is_told_in_staffs_own_words(support):
    refused, nowhere = support.get("/admin/payments/refundbatch/plan/"), support.get("/admin/payments/order/0/change/")
    assert (refused.status_code, nowhere.status_code) == (403, 404)
    assert "您的角色不包括这一页" in refused.content.decode()
    assert "没有这条记录" in nowhere.content.decode()
    for page in (refused, nowhere):
        assert 'href="/admin/"' in page.content.decode()
    assert "没有这条记录" not in Client().get("/admin/no/such/page/", follow=True).content.decode(), "strangers"


@pytest.mark.rows("M12")
def test_a_second_person_decides_and_the_first_cannot(support, approver, order):
    asked(support, order, pieces_1="1")
    refund = Refund.objects.get()
    decide = f"/admin/payments/refund/{refund.pk}/decide/"
    assert "需要另一位同事批准" not in approver.get(f"/admin/payments/refund/{refund.pk}/change/").content.decode()
    assert support.post(decide, {"approve": "1"}).status_code == 403

    approver.post(decide, {"approve": "1"})
    refund.refresh_from_db()
    assert refund.state == Refund.State.APPROVED


@pytest.mark.rows("M12")
def test_even_an_owner_is_refused_their_own(order):
    owner = member("owner")
    asked(owner, order, pieces_1="1")
    refund = Refund.objects.get()

    seen = owner.get(f"/admin/payments/refund/{refund.pk}/change/").content.decode()
    assert 'name="approve"' not in seen
    told = owner.post(f"/admin/payments/refund/{refund.pk}/decide/", {"approve": "1"}, follow=True).content.decode()
    assert "申请人不能批准自己的退款" in told
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED


def test_approval_after_a_while_asks_for_the_factor_again(support, approver, order):
    asked(support, order, pieces_1="1")
    refund = Refund.objects.get()
    session = approver.session
    session["second_factor_at"] -= 601
    session.save()

    answer = approver.post(f"/admin/payments/refund/{refund.pk}/decide/", {"approve": "1"})
    assert answer["Location"].startswith("/admin/second-factor/?next=/admin/payments/refund/")
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED


def test_no_without_a_reason_is_no_answer(support, approver, order):
    asked(support, order, pieces_1="1")
    refund = Refund.objects.get()
    decide = f"/admin/payments/refund/{refund.pk}/decide/"

    assert approver.post(decide, {"reject": "1", "why": ""}).status_code == 400
    approver.post(decide, {"reject": "1", "why": "茶叶已开封"})
    refund.refresh_from_db()
    assert (refund.state, "茶叶已开封" in refund.evidence) == (Refund.State.REJECTED, True)


def test_the_first_page_counts_what_waits_and_leads_there(support, approver, order):
    assert "今天没有要处理的事" in approver.get("/admin/").content.decode()
    asked(support, order, pieces_1="1")

    seen = approver.get("/admin/").content.decode()
    assert "等您处理" in seen
    assert "/admin/payments/refund/?state__exact=requested" in seen
    assert "¥300.00" in seen


def test_alipay_is_asked_at_once_and_the_page_says_before_and_after(support, connected, make_order, make_attempt, twin):
    attempt = make_attempt(make_order())
    told = support.post(page(attempt.order, "ask/"), follow=True).content.decode()

    assert f"已向支付宝核实 {attempt.out_trade_no}" in told
    settled = support.post(page(attempt.order, "ask/"), follow=True)
    assert settled.status_code == 200


def test_staff_see_names_of_people_wherever_somebody_did_something(
    support, approver, order, django_assert_max_num_queries
):
    User.objects.filter(email="support@example.com").update(name="任真")
    User.objects.filter(email="approver@example.com").update(name="钱谨")
    for line in ("1", "2"):
        asked(support, order, **{f"pieces_{line}": "1", "seen_fen": 710_00 if line == "1" else 410_00})
    for refund in Refund.objects.filter(state="requested"):
        approver.post(f"/admin/payments/refund/{refund.pk}/decide/", {"approve": "1"})

    for where in (page(order), f"/admin/payments/refund/{Refund.objects.order_by('pk')[0].pk}/change/"):
        seen = approver.get(where).content.decode()
        assert "任真" in seen, where
        assert "钱谨" in seen, where
        assert "staff:" not in seen, where
    for name in ("refund", "auditevent"):
        with django_assert_max_num_queries(15):
            seen = approver.get(f"/admin/payments/{name}/").content.decode()
        assert "任真" in seen, name
        assert "钱谨" in seen, name
        assert "staff:" not in seen, name
