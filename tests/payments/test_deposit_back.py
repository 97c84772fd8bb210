"""A refund to a bank card: the bank's word comes to the application's gateway, is noted once, and a return is a case."""

import json
import urllib.parse
from datetime import timedelta
from typing import Any

import pytest

from payments.models import AuditEvent, Case, InboundMessage, Refund, Transaction, Transfer
from payments.models.clock import database_now
from payments.queries.invariants import check_invariants
from payments.sandbox.notices import announce, signed_notice
from payments.sandbox.refunds import AT_THE_BANK
from payments.services import poll, send_refunds
from payments.services.replay_notices import replay
from payments.services.settle import Settled
from payments.services.start_payment import start_payment
from tests.conftest import Twin
from tests.payments.test_send_refunds import approved

FORM = "application/x-www-form-urlencoded; charset=utf-8"
OK = (200, b"success")


@pytest.fixture(autouse=True)
def soon(clocks):
    clocks(refund_ladder_s=[0, 0, 0, 0], refund_absent_s=0, refunds_apart_s=0, call_deadline_s=0.5)


@pytest.fixture
def refund(connected, make_order, twin) -> Refund:
    """Sent back to a bank card; the bank has not said anything yet."""
    twin.site.alipay.app_gateway = "http://shop.example/alipay/message"
    attempt = start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")
    twin.control("pay", out_trade_no=attempt.out_trade_no, channel="BANKCARD")
    Transaction.objects.update(next_check_at=database_now())
    poll.ask_about_due(limit=10)
    attempt.refresh_from_db()
    made = approved(attempt)
    send_refunds.send_due(limit=1)
    made.refresh_from_db()
    assert made.state == Refund.State.SUCCEEDED
    return made


class Bank:
    """What Alipay sends to the application's gateway, changed as a test likes, and how the shop answers."""

    def __init__(self, twin: Twin, client: Any) -> None:
        self.twin, self.client = twin, client

    def message(self, *, fields: dict[str, str] | None = None, **content: str) -> bytes:
        alipay, now = self.twin.site.alipay, database_now()
        announce(alipay, now)
        (sent,) = (each.fields for each in alipay.book.deliveries.values() if "msg_method" in each.fields)
        told = {**json.loads(sent["biz_content"]), **content}
        sent = {**sent, "biz_content": json.dumps(told), **(fields or {})}
        return urllib.parse.urlencode(signed_notice(alipay, sent, now + AT_THE_BANK)).encode()

    def post(self, body: bytes, door: str = "message") -> tuple[int, bytes]:
        response = self.client.post(f"/alipay/{door}", body, content_type=FORM)
        return response.status_code, response.content

    def says(self, **content: Any) -> tuple[int, bytes]:
        return self.post(self.message(**content))


@pytest.fixture
def bank(twin, client, refund) -> Bank:
    return Bank(twin, client)


def story(refund: Refund) -> list[str]:
    return list(AuditEvent.objects.about(refund).values_list("action", flat=True))[3:]


def cases() -> list[tuple[str, str, int | None]]:
    return list(Case.objects.open().values_list("kind", "subject", "amount_fen"))


def all_hold() -> bool:
    return not [each for each in check_invariants() if each.hits]


def test_a_refund_asks_for_news_of_the_bank_and_its_arrival_is_noted_once(bank, refund):
    before = Transfer.objects.count()
    for _ in range(3):
        assert bank.says() == OK

    assert story(refund) == ["succeeded", "at_bank"]
    message = InboundMessage.objects.get()
    assert (message.verdict, message.deliveries) == ("noted", 3)
    assert message.out_trade_no == refund.transaction.out_trade_no
    assert (cases(), Transfer.objects.count()) == ([], before)
    assert all_hold()


def test_a_refund_the_bank_returns_is_one_case_about_it_with_the_amount(bank, refund):
    for number in ("n1", "n1", "n2"):  # a repeat, and the same news under another number
        assert bank.says(dback_status="F", dback_amount="12.00", fields={"notify_id": number}) == OK

    assert cases() == [("deposit_back", f"refund:{refund.pk}", 1200)]
    assert Case.objects.get().severity == Case.Severity.HIGH
    assert story(refund) == ["succeeded", "bank_returned_it"]
    assert sorted(InboundMessage.objects.values_list("verdict", "deliveries")) == [("duplicate", 1), ("noted", 2)]
    refund.refresh_from_db()
    assert refund.state == Refund.State.SUCCEEDED  # Alipay gave it back: what becomes of it now is for a person
    assert all_hold()


def test_a_repeat_after_the_case_was_resolved_does_not_open_it_again(bank, refund):
    bank.says(dback_status="F")
    Case.objects.resolve(Case.Kind.DEPOSIT_BACK, f"refund:{refund.pk}", actor="staff:1", note="paid in cash")

    assert bank.says(dback_status="F", fields={"notify_id": "another"}) == OK
    assert cases() == []


def test_money_under_way_changes_nothing(bank, refund):
    assert bank.says(dback_status="P") == OK

    assert (story(refund), cases()) == (["succeeded"], [])


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"out_request_no": "R-unknown"}, "refund_notice"),
        ({"out_trade_no": "unknown"}, "refund_notice"),
        ({"trade_no": "2026000"}, "other_trade"),
        ({"dback_amount": "30.01"}, "other_amount"),
        ({"dback_status": "X"}, "unreadable"),
        ({"fields": {"biz_content": "{"}}, "unreadable"),
        ({"fields": {"msg_method": "alipay.something.else"}}, "unreadable"),
    ],
)
def test_genuine_news_that_fits_nothing_is_kept_answered_and_one_case(bank, refund, change, kind):
    body = bank.message(**{"dback_status": "F", **change})

    assert (bank.post(body), bank.post(body)) == (OK, OK)
    assert [each[0] for each in cases()] == [kind]
    assert story(refund) == ["succeeded"]
    assert InboundMessage.objects.get().verdict == "case"


def test_forged_or_altered_news_is_refused_and_changes_nothing(bank, refund):
    body = bank.message(dback_status="S")
    altered = body.replace(b"%22dback_status%22%3A+%22S%22", b"%22dback_status%22%3A+%22F%22")
    assert altered != body

    for forged in (altered, body + b"&extra=1", body.partition(b"&sign=")[0]):
        assert bank.post(forged) == (400, b"fail")
    assert (story(refund), cases()) == (["succeeded"], [])
    assert bank.post(body) == OK


def test_either_door_takes_either_message(bank, refund, says):
    assert bank.post(bank.message(), door="notify") == OK
    assert bank.post(says.notice(refund.transaction)) == OK

    assert story(refund) == ["succeeded", "at_bank"]


def test_a_kept_message_heard_again_changes_nothing(bank, refund):
    bank.says(dback_status="F")

    assert replay(InboundMessage.objects.get()) == Settled.BEFORE
    assert (len(cases()), story(refund)) == (1, ["succeeded", "bank_returned_it"])


def test_an_answer_that_tells_of_the_bank_is_noted_too(bank, refund, twin):
    """Asked a day later, as after a doubt, Alipay's answer carries the bank's word."""
    twin.site.ahead += AT_THE_BANK + timedelta(minutes=1)
    send_refunds._ask(refund)

    assert story(refund) == ["succeeded", "at_bank"]
