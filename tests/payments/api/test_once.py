"""Idempotency-Key: one request, one effect, one answer, however often and at once; and a death in between is no end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from payments.models import GatewayCall, IdempotencyRecord, Order, Refund, Transaction
from payments.models.clock import database_now
from payments.services import once
from payments.services.place_order import place_order
from tests.conftest import make_merchant
from tests.payments.api.conftest import ORDER, code_of


@pytest.mark.django_db
def test_a_write_without_a_key_is_refused(shop, merchant):
    assert code_of(shop.post("orders", ORDER, key="")) == "key_missing"
    assert code_of(shop.post("orders", ORDER, key="x" * 101)) == "malformed"
    assert code_of(shop.post("orders", ORDER, key="中文")) == "malformed"
    assert Order.objects.count() == 0


@pytest.mark.django_db
def test_the_same_request_again_gets_the_same_answer_and_no_second_order(shop, merchant):
    first, again = (shop.post("orders", ORDER, key="k") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again["Location"]) == (first.content, first["Location"])
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Order.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.rows("C10")
def test_the_same_key_for_another_request_is_refused_and_the_first_answer_stays(shop, merchant):
    first = shop.post("orders", ORDER, key="k")
    other = shop.post("orders", {**ORDER, "title": "杯"}, key="k")
    elsewhere = shop.post(f"orders/{first.json()['number']}/cancel", {}, key="k")

    assert (other.status_code, code_of(other)) == (422, "key_reused")
    assert code_of(elsewhere) == "key_reused"
    assert shop.post("orders", ORDER, key="k").content == first.content
    assert Order.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.rows("C11")
def test_the_same_key_of_another_program_is_another_key(shop, connect, merchant):
    mine, others = shop.post("orders", ORDER, key="k"), connect("other").post("orders", ORDER, key="k")

    assert mine.json()["number"] != others.json()["number"]
    assert "Idempotent-Replayed" not in others
    assert Order.objects.count() == 2


@pytest.mark.django_db
def test_a_refusal_of_the_request_itself_is_kept_like_an_answer(shop, merchant):
    first, again = (shop.post("orders", {**ORDER, "title": ""}, key="k") for _ in range(2))

    assert code_of(first) == code_of(again) == "wrong_fields"
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.django_db
def test_after_a_fault_of_ours_the_same_key_tries_anew_and_nothing_of_the_first_try_is_left(
    shop, merchant, monkeypatch
):
    with monkeypatch.context() as broken:
        broken.setattr("payments.api.orders.OrderTold", None)
        assert code_of(shop.post("orders", ORDER, key="k")) == "fault"
    assert Order.objects.count() == 0, "the order and its answer are one commit"

    assert shop.post("orders", ORDER, key="k").status_code == 201
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_answers_are_sealed_for_they_hold_links_that_pay(shop, merchant):
    answer = shop.post("orders", ORDER, key="k").json()

    raw: Any = IdempotencyRecord.objects.filter(key="k").values_list("body", flat=True).get()
    assert answer["pay_page"].encode() not in bytes(raw)
    assert answer["pay_page"] in str(IdempotencyRecord.objects.get(key="k").body)


@pytest.mark.django_db
def test_who_comes_while_it_is_worked_on_waits_some_seconds_and_is_told_to_come_back(shop, merchant, monkeypatch):
    monkeypatch.setattr(once, "PATIENCE_S", 0.3)
    asked = shop.post("orders", ORDER, key="k")
    held = IdempotencyRecord.objects.filter(key="k")
    held.update(status=None, body=None, held_until=database_now() + timedelta(seconds=30))

    answer = shop.post("orders", ORDER, key="k")

    assert asked.status_code == 201
    assert (answer.status_code, code_of(answer), answer["Retry-After"]) == (409, "in_progress", "1")


@pytest.mark.django_db
def test_a_holder_that_was_too_slow_undoes_its_work_where_a_repeat_took_over(shop, merchant, monkeypatch):
    def slow(**words: Any) -> Order:
        order = place_order(**words)
        IdempotencyRecord.objects.filter(key="k").update(held_until=database_now() + timedelta(minutes=1))
        return order

    monkeypatch.setattr("payments.api.orders.place_order", slow)

    assert code_of(shop.post("orders", {**ORDER, "discount_fen": 88_80}, key="k")) == "in_progress"
    assert Order.objects.count() == 0


# --- on real connections --------------------------------------------------------------------------------------------


def at_once(work, times):
    """Call it so often at the same instant, each on a connection of its own."""
    gate = threading.Barrier(times)

    def one(_):
        gate.wait(10)
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


@pytest.mark.rows("C12")
def test_one_key_many_times_at_once_makes_one_order_and_everybody_gets_its_answer(
    committed_db, identity, connect_committed
):
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    shop = connect_committed()

    answers = at_once(lambda: shop.post("orders", ORDER, key="k"), 24)

    assert {(each.status_code, each.get("Retry-After")) for each in answers} <= {(201, None), (409, "1")}
    assert len({each.content for each in answers if each.status_code == 201}) == 1
    assert sum("Idempotent-Replayed" not in each for each in answers if each.status_code == 201) == 1, (
        "one did the work"
    )
    assert Order.objects.count() == IdempotencyRecord.objects.count() == 1
    assert shop.post("orders", ORDER, key="k").status_code == 201


def test_a_process_that_died_is_taken_over_after_its_time_and_only_by_one(committed_db, identity, connect_committed):
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    shop = connect_committed()
    shop.post("orders", ORDER, key="first")  # its record says how this request is hashed
    dead = IdempotencyRecord.objects.get(key="first")
    IdempotencyRecord.objects.create(
        caller=dead.caller, key="k", request_hash=dead.request_hash, answer={},
        held_until=database_now() - timedelta(seconds=1),
    )  # fmt: skip

    answers = at_once(lambda: shop.post("orders", ORDER, key="k"), 8)

    assert len({each.content for each in answers if each.status_code == 201}) == 1
    assert Order.objects.count() == 2


def test_starting_a_payment_anew_after_a_death_goes_on_with_the_number_that_was_saved(
    committed_db, identity, twin, connect_committed
):
    twin.control("faults", mute="true")
    make_merchant(identity, f"{twin.url}/gateway.do")
    shop = connect_committed()
    number = shop.post("orders", ORDER).json()["number"]
    first = shop.post(f"orders/{number}/payments", {"scene": "qr"}, key="k").json()
    # the process died between Alipay's answer and keeping ours
    IdempotencyRecord.objects.filter(key="k").update(
        status=None, body=None, held_until=database_now() - timedelta(seconds=1)
    )

    again = shop.post(f"orders/{number}/payments", {"scene": "qr"}, key="k").json()

    assert again["number"] == first["number"]
    assert Transaction.objects.count() == GatewayCall.objects.filter(purpose="precreate").count() == 1


def test_asking_for_a_refund_many_times_at_once_asks_once(
    committed_db, identity, connect_committed, make_attempt, says, client
):
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    shop = connect_committed()
    number = shop.post("orders", ORDER).json()["number"]
    attempt = make_attempt(Order.objects.get(number=number))
    client.post("/alipay/notify", says.notice(attempt), content_type="application/x-www-form-urlencoded")
    body = {"reason": "damaged", "amount_fen": 10_00}

    answers = at_once(lambda: shop.post(f"orders/{number}/refunds", body, key="k"), 8)

    assert {each.status_code for each in answers} <= {201, 409}
    assert Refund.objects.count() == 1
