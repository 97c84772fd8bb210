from datetime import timedelta

import pytest

from payments.models import Duty, IdempotencyRecord, InboundMessage, OutboxMessage
from payments.models.clock import database_now
from payments.services.housekeeping import NAME, keep_house


@pytest.fixture
def old_and_new(db) -> None:
    for days in (0, 400):
        when = database_now() - timedelta(days=days)
        IdempotencyRecord.objects.create(caller="a", key=str(days), request_hash="x", answer={}, created_at=when)
        InboundMessage.objects.create(body="x", verdict="refused", received_at=when)
        InboundMessage.objects.create(body="x", verdict="pays_order", received_at=when)
        OutboxMessage.objects.create(topic="t", dedupe_key=f"done{days}", delivered_at=when)
        OutboxMessage.objects.create(topic="t", dedupe_key=f"waiting{days}", created_at=when)


def test_only_what_nobody_needs_is_removed(old_and_new):
    assert keep_house()

    assert IdempotencyRecord.objects.count() == 1
    assert InboundMessage.objects.filter(verdict="refused").count() == 1
    assert InboundMessage.objects.filter(verdict="pays_order").count() == 2, "evidence of money stays"
    assert set(OutboxMessage.objects.values_list("dedupe_key", flat=True)) == {"done0", "waiting0", "waiting400"}


def test_it_happens_once_a_day_however_often_the_bell_rings(db):
    assert (keep_house(), keep_house()) == (True, False)

    Duty.objects.update(due_at=database_now())
    assert keep_house()


def test_a_holder_who_was_replaced_does_not_count(db):
    now = database_now()
    Duty.objects.create(name=NAME, due_at=now)
    slow = Duty.objects.take(NAME, now=now, lease=timedelta(seconds=10))
    assert Duty.objects.take(NAME, now=now, lease=timedelta(seconds=10)) is None

    quick = Duty.objects.take(NAME, now=now + timedelta(seconds=11), lease=timedelta(seconds=10))

    later = now + timedelta(days=1)
    assert slow is not None
    assert quick is not None
    assert not Duty.objects.finish(NAME, version=slow, period="2026-11-22", next_due_at=later)
    assert Duty.objects.finish(NAME, version=quick, period="2026-11-22", next_due_at=later)
