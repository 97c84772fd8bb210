import asyncio
import importlib.util
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from config.local.places import ROOT
from payments.errors import LinkRefused
from payments.models import (
    AuditEvent,
    Case,
    OutboxMessage,
    User,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKind,
    WebhookTry,
)
from payments.models.clock import database_now
from payments.services import deliver_webhooks as delivering
from payments.services.announce import NAMES, announce_cases, hear
from payments.services.deliver_webhooks import check_address, deliver_webhooks, signature
from payments.services.relay_outbox import relay_outbox
from payments.services.webhooks import add_endpoint, rotate_secret, send_again, send_test
from tests.conftest import Receiver, enter
from tests.payments.test_races import together

State = WebhookDelivery.State


def listen(url: str, *kinds: str) -> WebhookEndpoint:
    return add_endpoint(url=url, kinds=kinds, description="", actor="staff:1")


@pytest.fixture
def waiting(db: None, receiver: Receiver) -> WebhookDelivery:
    send_test(listen(receiver.url), actor="staff:1")
    return WebhookDelivery.objects.get()


def due_again() -> None:
    WebhookDelivery.objects.update(due_at=database_now())


def example() -> Any:
    """The receiver that the documentation shows."""
    spec = importlib.util.spec_from_file_location("webhook_receiver", ROOT / "docs/examples/webhook_receiver.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_paid_order_is_told_once_to_who_listens(order, receiver):
    listen(receiver.url, "order.paid")
    listen(receiver.url + "/refunds", "refund.succeeded")
    message = OutboxMessage.objects.create(topic="order.paid", dedupe_key="paid:1", payload={"order_id": order.pk})
    hear({**message.payload, "topic": message.topic, "dedupe_key": message.dedupe_key})
    hear({**message.payload, "topic": message.topic, "dedupe_key": message.dedupe_key})

    assert (deliver_webhooks(), deliver_webhooks()) == (1, 0)
    [(headers, body)] = receiver.got
    told = json.loads(body)
    assert (told["type"], told["sequence"], told["data"]["order"]["number"]) == ("order.paid", 1, order.number)
    assert headers["webhook-id"] == f"evt_{WebhookEvent.objects.get().pk.hex}"


def test_every_follow_up_that_is_told_has_a_name(settings):
    topics = [
        name for name, handlers in settings.OUTBOX_HANDLERS.items() if "payments.services.announce.hear" in handlers
    ]

    for topic in topics:
        assert NAMES.get(topic, topic) in WebhookKind.values
    assert len(topics) == 9


def test_the_relay_tells_what_happened(order, receiver):
    listen(receiver.url)
    OutboxMessage.objects.create(topic="refund.failed", dedupe_key="refund.failed:1", payload={"order_id": order.pk})

    relay_outbox(limit=10)
    deliver_webhooks()

    assert [json.loads(body)["type"] for _, body in receiver.got] == ["refund.failed"]


def test_the_receiver_of_the_documentation_believes_it_and_nothing_altered(waiting, receiver):
    deliver_webhooks()
    [(headers, body)] = receiver.got
    shown, now = example(), float(headers["webhook-timestamp"])
    key = str(waiting.endpoint.signing_secret)

    assert shown.verify(key, headers, body, now=now)["type"] == "webhook.test"
    for altered in (
        (key, headers, body + b" ", now),
        (key, {**headers, "webhook-id": "evt_other"}, body, now),
        (key, headers, body, now + 301),
        (key, {**headers, "webhook-timestamp": str(int(now) + 1)}, body, now),
        ("whsec_" + "A" * 44, headers, body, now),
        (key, {}, body, now),
    ):
        with pytest.raises(shown.NotBelieved):
            shown.verify(*altered[:3], now=altered[3])


def test_a_known_signature():
    """Computed by openssl dgst -sha256 -mac HMAC."""
    key, content = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'

    made = signature(key, message_id="msg_1", timestamp=1614265330, content=content)

    assert made == "v1,9o7UeFkn1GjVbcY4emAJruJCYqgH2EIf8u/slvVRBZI="


def test_both_secrets_sign_for_a_day(waiting, receiver):
    old = str(waiting.endpoint.signing_secret)
    new = rotate_secret(waiting.endpoint, actor="staff:1")
    deliver_webhooks()
    [(headers, body)] = receiver.got

    for key in (old, new):
        example().verify(key, headers, body, now=float(headers["webhook-timestamp"]))
    WebhookEndpoint.objects.update(old_until=database_now() - timedelta(seconds=1))
    send_again(WebhookDelivery.objects.all(), actor="staff:1")
    deliver_webhooks()
    assert receiver.got[-1][0]["webhook-signature"].count("v1,") == 1


def test_what_is_not_taken_comes_again_for_three_days_and_then_a_person_is_told(waiting, receiver):
    receiver.status = 500
    waits = []
    for _ in range(len(delivering.LADDER) + 1):
        due_again()
        before = database_now()
        deliver_webhooks()
        waits.append(WebhookDelivery.objects.get().due_at - before)

    assert WebhookDelivery.objects.get().state == State.DEAD
    assert timedelta(days=2) < sum(waits[:-1], timedelta()) < timedelta(days=4)
    assert len({body for _, body in receiver.got}) == 1, "the same bytes at every try"
    assert Case.objects.open().get().kind == Case.Kind.WEBHOOK_DEAD
    assert [each.status for each in WebhookTry.objects.all()] == [500] * 11

    receiver.status = 204
    assert send_again(WebhookDelivery.objects.all(), actor="staff:1") == 1
    deliver_webhooks()
    assert WebhookDelivery.objects.get().state == State.DELIVERED
    assert not Case.objects.open().exists()


def test_gone_is_never_told_again(waiting, receiver):
    receiver.status = 410
    deliver_webhooks()
    send_test(waiting.endpoint, actor="staff:1")
    deliver_webhooks()

    assert len(receiver.got) == 1
    assert WebhookEndpoint.objects.get().active is False
    assert AuditEvent.objects.filter(action="webhook_gone").count() == 1


def test_a_redirect_is_not_followed(waiting, receiver):
    receiver.status, receiver.location = 307, receiver.url + "/elsewhere"
    deliver_webhooks()

    assert len(receiver.got) == 1
    assert WebhookTry.objects.get().status == 307
    assert WebhookDelivery.objects.get().state == State.WAITING


def test_a_caller_with_a_loop_of_its_own_delivers_too(waiting, receiver):
    claimed = WebhookDelivery.objects.claim_due(now=database_now(), lease=timedelta(seconds=60), each=5)

    async def inside() -> list[delivering.Outcome]:
        return delivering.call(claimed, now=datetime.now(UTC))

    assert [each.status for each in asyncio.run(inside())] == [200]


def test_an_endless_answer_is_cut_off(waiting, receiver):
    receiver.answer = b"x" * 5_000_000
    deliver_webhooks()

    assert len(WebhookTry.objects.get().answer) <= delivering.KEPT_ANSWER


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/", "https://127.0.0.1/", "https://10.0.0.8/x", "https://169.254.169.254/latest", "https://[::1]/",
        "https://[::ffff:127.0.0.1]/", "https://user:pass@shop.example/", "https://shop.example:0/", "ftp://shop.example/",
        "https://", "shop.example", "https://shop.example:99999/", "https://2130706433/",
    ],
)  # fmt: skip
def test_addresses_that_are_never_called(url):
    with pytest.raises(LinkRefused):
        check_address(url)


def test_a_name_that_leads_inside_is_refused_when_it_is_called(db, settings, monkeypatch):
    async def inside(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.8"]

    monkeypatch.setattr(delivering, "look_up", inside)
    send_test(listen("https://shop.example/hook"), actor="staff:1")
    deliver_webhooks()

    tried = WebhookTry.objects.get()
    assert tried.status is None
    assert "no public address" in tried.error


def test_numbers_of_an_endpoint_have_no_gap(committed_db, receiver):
    endpoint = listen(receiver.url)
    together(*[lambda: send_test(endpoint, actor="staff:1")] * 8)

    assert sorted(WebhookDelivery.objects.values_list("sequence", flat=True)) == list(range(1, 9))


def test_workers_at_once_send_a_delivery_once(committed_db, receiver):
    send_test(listen(receiver.url), actor="staff:1")
    together(*[deliver_webhooks] * 4)

    assert len(receiver.got) == 1


def test_a_dead_address_does_not_hold_up_the_others(db, receiver):
    dead = listen("http://127.0.0.1:1/")
    for _ in range(20):
        send_test(dead, actor="staff:1")
    send_test(listen(receiver.url), actor="staff:1")
    deliver_webhooks()

    assert len(receiver.got) == 1


def test_a_worker_that_slept_changes_nothing(waiting, receiver):
    [claimed] = WebhookDelivery.objects.claim_due(now=database_now(), lease=timedelta(seconds=60), each=5)
    send_again(WebhookDelivery.objects.all(), actor="staff:1")

    assert not WebhookDelivery.objects.mark_dead(claimed)
    assert not WebhookDelivery.objects.mark_delivered(claimed, now=database_now())


def test_a_case_is_told_once_however_it_was_opened(db, receiver):
    Case.objects.open_once(Case.Kind.STUCK, "transaction:1", evidence="")
    listen(receiver.url, "case.opened")

    assert (announce_cases(limit=10), announce_cases(limit=10)) == (1, 0)
    deliver_webhooks()
    assert [json.loads(body)["data"]["case"]["kind"] for _, body in receiver.got] == ["stuck"]


@pytest.fixture
def owner(client, db):
    return enter(client, User.objects.create_superuser("owner@example.com", "x"))


def test_staff_add_an_address_and_see_its_secret_once(owner, receiver):
    page = owner.post(
        reverse("admin:payments_webhookendpoint_add"), {"url": receiver.url, "kinds": ["order.paid"], "active": "on"}
    )
    made = WebhookEndpoint.objects.get()

    assert str(made.signing_secret) in page.text
    assert "no-store" in page["Cache-Control"]
    assert made.kinds == ["order.paid"]
    change = owner.get(reverse("admin:payments_webhookendpoint_change", args=[made.pk]))
    assert str(made.signing_secret) not in change.text
    assert AuditEvent.objects.filter(subject_kind="webhookendpoint", action="webhook_added").count() == 1


def test_staff_are_told_why_an_address_is_refused(owner):
    page = owner.post(reverse("admin:payments_webhookendpoint_add"), {"url": "https://10.0.0.1/", "active": "on"})

    assert "10.0.0.1 is no public address" in page.text
    assert not WebhookEndpoint.objects.exists()


def test_staff_rotate_switch_off_try_out_and_send_again(owner, waiting, receiver):
    endpoint, old = waiting.endpoint, str(waiting.endpoint.signing_secret)
    shown = owner.post(reverse("admin:payments_webhookendpoint_rotate", args=[endpoint.pk])).text
    fresh = str(WebhookEndpoint.objects.get().signing_secret)
    assert fresh != old
    assert fresh in shown

    deliver_webhooks()
    deliveries = reverse("admin:payments_webhookdelivery_changelist")
    owner.post(deliveries, {"action": "send_again", "_selected_action": [waiting.pk]})
    owner.post(
        reverse("admin:payments_webhookendpoint_changelist"), {"action": "send_test", "_selected_action": [endpoint.pk]}
    )
    deliver_webhooks()
    assert len(receiver.got) == 3
    seen = owner.get(reverse("admin:payments_webhookdelivery_change", args=[waiting.pk])).text
    assert "webhook.test" in seen

    owner.post(reverse("admin:payments_webhookendpoint_change", args=[endpoint.pk]), {"url": receiver.url})
    assert WebhookEndpoint.objects.get().active is False


def test_the_next_try_is_shown_as_every_time_is(owner, waiting):
    WebhookDelivery.objects.update(due_at=datetime(2027, 3, 1, 16, 30, tzinfo=UTC))

    for page in ("changelist", "change"):
        shown = owner.get(
            reverse(f"admin:payments_webhookdelivery_{page}", args=[waiting.pk] if page == "change" else []),
            HTTP_ACCEPT_LANGUAGE="en",
        ).text
        assert "March 2, 2027, 12:30 a.m." in shown, page
        assert "+00:00" not in shown.replace("&quot;", '"').split('"timestamp"')[0], page


def test_the_list_of_deliveries_asks_the_same_however_long(owner, receiver, django_assert_max_num_queries):
    endpoint = listen(receiver.url)
    for _ in range(12):
        send_test(endpoint, actor="staff:1")

    with django_assert_max_num_queries(14):
        owner.get(reverse("admin:payments_webhookdelivery_changelist"))
