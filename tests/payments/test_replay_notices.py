"""Kept notices heard again, by command and from the staff pages: nothing changes, any number of times."""

import io
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from payments import gateway
from payments.errors import BadSignature
from payments.models import (
    AlipayKey,
    AuditEvent,
    Case,
    InboundMessage,
    Order,
    OutboxMessage,
    Refund,
    Transaction,
    Transfer,
    User,
)
from payments.models.clock import database_now
from payments.queries.invariants import check_invariants
from payments.services import receive_notice as receiving
from payments.services.receive_notice import receive_notice
from payments.services.replay_notices import replay, replay_each
from payments.services.settle import Settled, settle
from tests.conftest import enter


def everything() -> list[list[tuple[object, ...]]]:
    models = (Order, Transaction, Refund, Transfer, Case, OutboxMessage, AuditEvent, InboundMessage)
    return [list(model._default_manager.order_by("pk").values_list()) for model in models]


@pytest.fixture
def messages(says, order, unsettled, make_order, make_attempt) -> list[InboundMessage]:
    """One of each kind: paid, second payment, moved, duplicate, cases, about refunds, a stray, a forgery."""
    second, scanned = make_attempt(order, superseded=True), make_attempt(make_order())
    bodies = [
        says.notice(unsettled),
        says.notice(second),
        says.notice(scanned, trade_status="WAIT_BUYER_PAY"),
        says.notice(unsettled, total_amount="0.01"),
        says.notice(scanned, app_id="2021999999999999"),
        says.notice(unsettled, out_trade_no="STRAY1", trade_no="2026112222001000000099999999"),
        says.notice(unsettled, refund_fee="30.00", out_biz_no="CONSOLE1"),
        says.notice(unsettled, refund_fee="30.00", out_biz_no="R2", total_amount="1.00"),
    ]
    for body in bodies:
        receive_notice(body)
    with pytest.raises(BadSignature):
        receive_notice(says.body(says.fields(unsettled) | {"sign": "AAAA"}))
    Case.objects.filter(kind=Case.Kind.OTHER_AMOUNT).update(
        state=Case.State.RESOLVED, ended_at=database_now(), note="seen"
    )
    return list(InboundMessage.objects.order_by("pk"))


def test_hearing_everything_again_changes_nothing_any_number_of_times(messages):
    before = everything()

    for _ in range(5):
        assert [replay(message) for message in messages][-1] is None
        call_command("replay_notices", stdout=io.StringIO(), stderr=io.StringIO())

    assert everything() == before
    assert len({message.verdict for message in messages}) >= 5


def test_a_message_that_was_stored_and_never_judged_gets_its_effect_once(says, order, unsettled):
    receive_notice(says.notice(unsettled, total_amount="0.01"))
    message = InboundMessage.objects.get()
    InboundMessage.objects.update(verdict="unjudged")
    message.refresh_from_db()

    assert (replay(message), replay(message)) == (Settled.CASE, Settled.CASE)
    assert InboundMessage.objects.get().verdict == "case"
    assert Case.objects.count() == 1


def test_a_genuine_message_refused_for_want_of_its_key_is_heard_once_the_key_is_there(says, order, unsettled):
    new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(BadSignature):
        receive_notice(says.body(says.signed(says.fields(unsettled), key=new)))
    refused = InboundMessage.objects.get()
    assert replay(refused) is None

    public = new.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    AlipayKey.objects.create(
        account=order.account, kind=AlipayKey.Kind.ALIPAY_PUBLIC, key=public, valid_from=database_now()
    )
    gateway.merchants(refresh=True)
    assert replay(refused) == Settled.PAYS_ORDER
    refused.refresh_from_db()
    assert (replay(refused), refused.verdict) == (Settled.BEFORE, "duplicate")
    assert not [each for each in check_invariants() if each.hits]

    order.refresh_from_db()
    assert order.state == Order.State.PAID
    assert Transfer.objects.count() == 1


def test_a_message_that_a_fault_of_ours_stopped_is_heard_once_the_fault_is_mended(says, order, unsettled, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "facts_of", lambda notice: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            receive_notice(says.notice(unsettled))
        with pytest.raises(CommandError, match="1 were stopped"):
            call_command("replay_notices", stdout=io.StringIO(), stderr=io.StringIO())
    crashed = InboundMessage.objects.get()
    assert crashed.verdict == "crashed"

    assert (replay(crashed), replay(crashed)) == (Settled.PAYS_ORDER, Settled.BEFORE)

    assert sorted(InboundMessage.objects.values_list("verdict", flat=True)) == ["duplicate", "pays_order"]
    assert not [each for each in check_invariants() if each.hits]


def test_one_message_that_breaks_keeps_no_other_from_being_heard(messages, monkeypatch):
    def breaks_on_one(facts, **more):
        assert facts[0].out_trade_no != "STRAY1"
        return settle(facts, **more)

    monkeypatch.setattr(receiving, "settle", breaks_on_one)

    counts = replay_each(messages)

    assert (counts["broke"], counts.total()) == (1, len(messages))


def test_the_command_counts_and_narrows(messages):
    out = io.StringIO()
    call_command("replay_notices", "--json", "--number", "STRAY1", stdout=out)
    assert json.loads(out.getvalue()) == {"case": 1}

    out = io.StringIO()
    call_command("replay_notices", "--since", "2099-01-01", stdout=out)
    assert out.getvalue() == "replay_notices: 0 heard again\n"
    with pytest.raises(CommandError, match="yesterday"):
        call_command("replay_notices", "--since", "yesterday")


def test_staff_with_the_right_hear_messages_again_from_their_list(messages, client):
    chosen = {"action": "hear_again", "_selected_action": [message.pk for message in messages]}
    where = reverse("admin:payments_inboundmessage_changelist")
    before = everything()
    looker = User.objects.create_user("look@example.com", "x", is_staff=True)
    looker.groups.add(Group.objects.get(name="viewer"))
    enter(client, looker)
    assert "heard again" not in client.post(where, chosen, follow=True).content.decode()

    boss = Client(headers={"accept-language": "en"})
    enter(boss, User.objects.create_superuser("boss@example.com", "x"))
    page = boss.post(where, chosen, follow=True).content.decode()

    assert f"{len(messages)} messages heard again" in page
    assert everything() == before
