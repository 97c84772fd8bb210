from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from payments.models import Case, OutboxMessage
from payments.models.clock import database_now
from payments.services.relay_outbox import TRIES, relay_outbox

heard: list[dict[str, Any]] = []


def hear(message: dict[str, Any]) -> None:
    heard.append(message)


def fail(message: dict[str, Any]) -> None:
    raise RuntimeError("the mail server is down")


@pytest.fixture(autouse=True)
def handlers(settings, db):
    heard.clear()
    settings.OUTBOX_HANDLERS = {"good": [f"{__name__}.hear"], "bad": [f"{__name__}.fail"]}


def add(topic: str, key: str = "k") -> OutboxMessage:
    return OutboxMessage.objects.create(topic=topic, dedupe_key=f"{topic}:{key}", payload={"order_id": 7})


def test_a_message_reaches_its_handler_once():
    add("good")

    assert (relay_outbox(limit=10), relay_outbox(limit=10)) == (1, 0)
    assert heard == [{"order_id": 7, "topic": "good", "dedupe_key": "good:k"}]


def test_a_topic_nobody_listens_to_is_done():
    add("nobody")

    assert relay_outbox(limit=10) == 1


@pytest.mark.rows("F17")
def test_a_handler_that_fails_keeps_its_message_and_stops_nobody_else():
    bad = add("bad")
    add("good")

    assert relay_outbox(limit=10) == 1

    bad.refresh_from_db()
    assert (bad.delivered_at, bad.last_error) == (None, "RuntimeError: the mail server is down")
    assert bad.due_at > database_now()


def test_each_failure_waits_longer_up_to_an_hour():
    waits = []
    for attempts in (0, 1, 5, 30):
        message = add("bad", str(attempts))
        OutboxMessage.objects.filter(pk=message.pk).update(attempts=attempts)
        before = database_now()
        relay_outbox(limit=10)
        message.refresh_from_db()
        waits.append(round((message.due_at - before).total_seconds(), -1))
        OutboxMessage.objects.filter(pk=message.pk).update(due_at=before + timedelta(days=1))

    assert waits == [30, 60, 960, 3600]


@pytest.mark.rows("F17")
def test_after_its_last_try_one_case_tells_a_person_and_delivery_ends_it(settings):
    bad = add("bad")
    OutboxMessage.objects.filter(pk=bad.pk).update(attempts=TRIES - 2)
    told = []
    for _ in range(3):
        OutboxMessage.objects.update(due_at=database_now())
        relay_outbox(limit=10)
        told.append([(case.kind, case.subject) for case in Case.objects.open()])
    assert told == [[], *[[(Case.Kind.STUCK, f"follow_up:{bad.pk}")]] * 2]

    settings.OUTBOX_HANDLERS = {"bad": [f"{__name__}.hear"]}
    OutboxMessage.objects.update(due_at=database_now())
    assert relay_outbox(limit=10) == 1
    assert (len(heard), Case.objects.open().count()) == (1, 0)


def test_a_message_taken_by_a_dead_worker_comes_back():
    add("good")
    OutboxMessage.objects.claim_due(now=database_now(), lease=timedelta(seconds=30), limit=10)
    assert relay_outbox(limit=10) == 0

    OutboxMessage.objects.update(due_at=database_now())
    assert relay_outbox(limit=10) == 1


def test_the_receipt_goes_out_in_the_buyers_language(order, make_order, make_attempt, says, client, settings):
    settings.OUTBOX_HANDLERS = {"order.paid": ["checkout.mails.send_receipt"]}
    orders = [make_order(contact_email=f"{code}@example.com", language=code) for code in ("zh-hans", "en")]
    for each in [*orders, order]:
        client.post("/alipay/notify", says.notice(make_attempt(each)), content_type="application/x-www-form-urlencoded")

    assert relay_outbox(limit=10) == 3

    subjects = {message.to[0]: message.subject for message in mail.outbox}
    number = {each.language: "\u00a0".join(each.number[at : at + 4] for at in range(0, 16, 4)) for each in orders}
    assert subjects == {
        "zh-hans@example.com": f"已收到 ¥88.80，订单 {number['zh-hans']}",
        "en@example.com": f"¥88.80 received for order {number['en']}",
    }
    assert f"https://shop.example/pay/{orders[0].token}/" in mail.outbox[0].body
    assert "本收据不是发票" in mail.outbox[0].body
