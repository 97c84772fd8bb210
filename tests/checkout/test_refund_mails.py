"""What a buyer hears of a refund: four mails in their language, each once, none about what robots return."""

import pytest
from django.core import mail

from payments.models import Refund, Transaction, User
from payments.money import Money
from payments.queries.refunds_told import refunds_told
from payments.services import approve_refund as approval
from payments.services.receive_notice import receive_notice
from payments.services.refund import approve_refund, request_refund, settle_refund
from payments.services.relay_outbox import relay_outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(merchant, make_order, make_attempt, says) -> Transaction:
    attempt = make_attempt(make_order(128_00, language="en", contact_email="lin@example.com"))
    receive_notice(says.notice(attempt))
    relay_outbox(limit=10)
    mail.outbox.clear()
    attempt.refresh_from_db()
    return attempt


def heard() -> list[str]:
    relay_outbox(limit=10)
    subjects = [each.subject.split(": ")[-1] for each in mail.outbox]
    mail.outbox.clear()
    return subjects


def test_a_buyer_hears_of_the_request_the_agreement_and_the_money(paid):
    refund = approval.ask_as_buyer(paid, Money(30_00), reason=Refund.Reason.DAMAGED, lines={"1": 30_00})
    assert heard() == ["request received"]

    approve_refund(refund, approver="staff:7")
    approval._tell(refund, "refund.approved")
    assert heard() == ["agreed"]
    settle_refund(refund, actor="test", evidence="call:1")
    assert heard() == ["¥30.00 sent back"]
    assert heard() == []


@pytest.mark.parametrize(
    ("why", "words"), [("the box was opened", "because: the box was opened"), ("", "not answered in time")]
)
def test_a_refusal_says_why(paid, why, words):
    refund = approval.ask_as_buyer(paid, Money(30_00), reason=Refund.Reason.OTHER, lines={"1": 30_00})
    heard()
    approval._tell(refund, "refund.rejected", why=why)

    relay_outbox(limit=10)
    (sent,) = mail.outbox
    assert words in sent.body
    assert sent.to == ["lin@example.com"]


def test_who_was_told_that_money_is_coming_hears_why_it_is_not(paid):
    refund = request_refund(paid, Money(30_00), requester="staff:1", origin=Refund.Origin.STAFF)
    approve_refund(refund, approver="staff:7")
    refund.refresh_from_db()
    assert approval.withdraw(refund, person=User(pk=7), why="the wrong goods")

    relay_outbox(limit=10)
    (sent,) = mail.outbox
    assert (
        "It was stopped before it left, and nothing went back; please write to us. The reason: the wrong goods"
        in sent.body
    )
    paid.refresh_from_db()
    assert (refunds_told(paid.order)[0].says, paid.reserved_fen) == ("not_agreed", 0)


def test_what_a_robot_returns_is_not_told_here(paid):
    refund = request_refund(paid, Money(30_00), requester="robot:late", origin=Refund.Origin.ROBOT)
    approve_refund(refund, approver="rule:robot")
    settle_refund(refund, actor="test", evidence="call:1")

    assert heard() == []


def test_what_staff_refuse_each_other_is_no_news_for_a_buyer_who_did_not_ask(paid):
    refund = request_refund(paid, Money(30_00), requester="staff:1", origin=Refund.Origin.STAFF)
    approval._tell(refund, "refund.rejected", why="asked for twice")

    assert heard() == []
