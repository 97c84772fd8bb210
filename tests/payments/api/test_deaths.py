"""A process dies at every point of a write, each statement and commit: the same request under its key then has one effect."""

import contextlib
import itertools
from functools import partial
from typing import Any

import pytest

from payments.models import (
    AuditEvent,
    GatewayCall,
    IdempotencyRecord,
    Order,
    Refund,
    Transaction,
    WebhookEndpoint,
)
from payments.models.clock import database_now
from tests.conftest import make_merchant
from tests.payments.api.conftest import ORDER, Shop
from tests.simulation.dying import Death, Killed, survive

MOST_POINTS = 80


@pytest.fixture
def shop(committed_db, identity, twin, connect_committed) -> Shop:
    twin.control("faults", mute="true")
    make_merchant(identity, f"{twin.url}/gateway.do")
    made: Shop = connect_committed()
    return made


def deaths(shop: Shop, *path_and_body: Any, method: str = "post") -> list[Any]:
    """Die once at each point of this write, each time under another key, and ask again. The answers of those who came after."""
    death = Death()
    answers: list[Any] = []
    for at in range(MOST_POINTS):
        path, body = (each() if callable(each) else each for each in path_and_body)
        write = partial(shop.write, method, path, body, key=f"key-{at}")
        death.arm(at)
        with contextlib.suppress(Killed), death.watching(), death.possible():
            write()
        if not death.struck:
            return answers
        survive(death)
        time_passes()
        answers.append(write())
    raise AssertionError(f"more than {MOST_POINTS} points")


def time_passes() -> None:
    """Whoever held the key has held it for too long."""
    IdempotencyRecord.objects.filter(status=None).update(held_until=database_now())


@pytest.mark.parametrize(("discount_fen", "points"), [(0, 1), (88_80, 12)], ids=["one statement", "of nothing"])
def test_an_order_is_placed_once_wherever_its_process_dies(shop, discount_fen, points):
    answers = deaths(shop, "orders", {**ORDER, "discount_fen": discount_fen})

    assert len(answers) >= points
    assert {each.status_code for each in answers} == {201}
    numbers = [each.json()["number"] for each in answers]
    assert len(set(numbers)) == len(numbers) == Order.objects.count() - 1, "and the one of the last round, which lived"
    assert all(each.lines.count() == 1 for each in Order.objects.all())


def test_a_code_is_asked_for_once_wherever_its_process_dies(shop):
    fresh = itertools.count()
    orders = [shop.post("orders", ORDER).json()["number"] for _ in range(MOST_POINTS)]

    answers = deaths(shop, lambda: f"orders/{orders[next(fresh)]}/payments", {"scene": "qr"})

    assert len(answers) >= 15
    assert {(each.status_code, each.json()["state"]) for each in answers} == {(201, "presented")}
    assert Transaction.objects.count() == len(answers) + 1
    assert GatewayCall.objects.filter(outcome="done").values("number").distinct().count() == len(answers) + 1


def test_a_refund_is_asked_for_once_wherever_its_process_dies(shop, make_attempt, says, client):
    number = shop.post("orders", ORDER).json()["number"]
    attempt = make_attempt(Order.objects.get(number=number))
    client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")

    answers = deaths(shop, f"orders/{number}/refunds", {"reason": "damaged", "amount_fen": 1})

    assert len(answers) >= 8
    assert {each.status_code for each in answers} == {201}
    assert Refund.objects.count() == len({each.json()["number"] for each in answers}) + 1
    attempt.refresh_from_db()
    assert attempt.reserved_fen == len(answers) + 1


def test_a_secret_is_replaced_once_wherever_its_process_dies(shop, receiver):
    path = f"webhooks/{shop.post('webhooks', {'url': receiver.url}).json()['id']}"

    answers = deaths(shop, f"{path}/rotate", {})

    assert len(answers) >= 7
    assert {each.status_code for each in answers} == {200}
    assert AuditEvent.objects.filter(action="webhook_secret_rotated").count() == len(answers) + 1
    assert WebhookEndpoint.objects.get().old_signing_secret == answers[-1].json()["secret"], "the last round lived"
