"""Refunds of connected shops: in the name of who made the key, and never decided by a key."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from payments.models import Order, Refund, User
from payments.models.clock import database_now
from payments.services.second_factor import PROVED_AT
from tests.conftest import enter
from tests.payments.api.conftest import code_of

pytestmark = pytest.mark.django_db
BIG = {
    "title": "茶",
    "lines": [
        {"title": "明前龙井", "unit_price_fen": 300_00, "quantity": 2},
        {"title": "茶杯", "unit_price_fen": 100_00},
    ],
}


@pytest.fixture
def paid(shop, merchant, make_attempt, says, client) -> str:
    number: str = shop.post("orders", BIG).json()["number"]
    notice = says.notice(make_attempt(Order.objects.get(number=number)))
    client.post("/alipay/notify", notice, content_type="application/x-www-form-urlencoded")
    return number


def ask(shop, number, **body):
    return shop.post(f"orders/{number}/refunds", {"reason": "damaged", **body})


def decide(browser, number, what="approve", body=None):
    return browser.post(
        f"/api/v1/refunds/{number}/{what}", body or {}, content_type="application/json", HTTP_IDEMPOTENCY_KEY=f"{what}{number}"
    )  # fmt: skip


def test_a_small_refund_leaves_by_rule_in_the_name_of_who_made_the_key(shop, paid, owner):
    answer = ask(shop, paid, amount_fen=100_00, note="cracked")
    told, refund = answer.json(), Refund.objects.get()

    assert answer.status_code == 201
    assert answer["Location"] == f"/api/v1/refunds/{told['number']}"
    assert (told["state"], told["amount_fen"], told["order"], told["reason"]) == ("approved", 100_00, paid, "damaged")
    assert (refund.requester, refund.approver) == (f"staff:{owner.pk}", "rule:small")
    assert shop.get(f"refunds/{told['number']}").json()["number"] == told["number"]


def test_a_large_refund_waits_for_another_person(shop, paid):
    told = ask(shop, paid, lines=[{"position": 1, "quantity": 1}, {"position": 2, "quantity": 1}]).json()

    assert (told["state"], told["amount_fen"]) == ("requested", 400_00)
    assert Refund.objects.get().lines == {"1": 300_00, "2": 100_00}
    assert shop.get("refunds?state=requested").json()["items"][0]["number"] == told["number"]
    assert shop.get(f"refunds?order={paid}").json()["next"] is None


def test_what_can_not_be_refunded_is_refused(shop, paid):
    assert code_of(ask(shop, paid, amount_fen=700_01)) == "refund_refused"
    assert code_of(ask(shop, paid)) == "wrong_fields"
    assert code_of(ask(shop, paid, amount_fen=1, lines=[{"position": 1, "quantity": 1}])) == "wrong_fields"
    assert code_of(ask(shop, paid, lines=[{"position": 9, "quantity": 1}])) == "refund_refused"
    assert code_of(ask(shop, paid, amount_fen=1, reason="because")) == "wrong_fields"
    unpaid = shop.post("orders", BIG).json()["number"]
    assert code_of(ask(shop, unpaid, amount_fen=1)) == "refund_refused"
    assert Refund.objects.count() == 0


@pytest.mark.rows("M03")
def test_a_key_never_decides(shop, paid):
    number = ask(shop, paid, amount_fen=700_00).json()["number"]

    for what, body in (("approve", {}), ("reject", {"why": "no"})):
        answer = shop.post(f"refunds/{number}/{what}", body)
        assert (answer.status_code, code_of(answer)) == (403, "person_needed")
    assert Refund.objects.get().state == "requested"


@pytest.mark.rows("M03")
def test_who_made_the_key_can_not_approve_what_it_asked_for(shop, paid, owner):
    number = ask(shop, paid, amount_fen=700_00).json()["number"]

    answer = decide(enter(Client(), owner), number)

    assert (answer.status_code, code_of(answer)) == (403, "same_person")
    assert Refund.objects.get().state == "requested"


def test_another_person_approves_with_a_fresh_factor_and_only_once(shop, paid, member):
    number = ask(shop, paid, amount_fen=700_00).json()["number"]
    browser = member("approver")
    session = browser.session
    session[PROVED_AT] = (database_now() - timedelta(minutes=11)).timestamp()
    session.save()

    stale = decide(browser, number)
    assert (stale.status_code, code_of(stale)) == (403, "fresh_factor_needed")
    session[PROVED_AT] = database_now().timestamp()
    session.save()

    assert decide(browser, number).json()["state"] == "approved", "the refusal before was not kept"
    assert code_of(decide(member("approver"), number)) == "already_decided"


def test_a_refusal_needs_a_reason_and_frees_the_amount(shop, paid, member):
    number = ask(shop, paid, amount_fen=700_00).json()["number"]
    browser = member("approver")

    assert code_of(decide(browser, number, "reject", {"why": " "})) == "wrong_fields"
    assert decide(member("approver"), number, "reject", {"why": "已经送达"}).json()["state"] == "rejected"
    assert ask(shop, paid, amount_fen=700_00).status_code == 201


def test_a_person_without_the_right_decides_nothing(shop, paid, member):
    number = ask(shop, paid, amount_fen=700_00).json()["number"]

    assert code_of(decide(member("support"), number)) == "forbidden"


def test_a_key_can_do_no_more_than_the_person_who_made_it(shop, paid, owner):
    owner.groups.set([Group.objects.get(name="viewer")])
    assert code_of(ask(shop, paid, amount_fen=1)) == "forbidden"

    owner.groups.set([Group.objects.get(name="owner")])
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert code_of(ask(shop, paid, amount_fen=1)) == "forbidden"


@pytest.mark.rows("O02")
def test_somebody_elses_refund_is_not_there(shop, paid, connect):
    number = ask(shop, paid, amount_fen=1).json()["number"]

    assert code_of(connect("other").get(f"refunds/{number}")) == "not_found"
    assert connect("another").get("refunds").json()["items"] == []


def test_the_ledger_shows_every_transfer_and_cases_what_did_not_fit(shop, paid, merchant):
    ledger = shop.get("ledger").json()["items"]

    assert [(each["cause"], each["debit"], each["credit"], each["amount_fen"], each["refund"]) for each in ledger] == [
        ("capture", "alipay_receivable", "sales", 700_00, None)
    ]
    assert shop.get(f"ledger?payment={ledger[0]['payment']}&cause=capture").json()["items"] == ledger
    assert shop.get("ledger?payment=x").json()["items"] == []
    assert shop.get("cases?state=open").json() == {"items": [], "next": None}
