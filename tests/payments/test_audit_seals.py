"""The audit trail proves itself: what is altered, deleted, inserted or moved behind our back is named."""

import io
import json
import os
from datetime import timedelta

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction

from config.local.servers import APP
from payments.models import AuditEvent, AuditSeal, Duty, sealing
from payments.models.clock import database_now
from payments.models.sealing import Bound, bound_now, seal_events
from payments.queries import audit_chain
from payments.queries.audit_chain import verify_audit
from payments.services.seal_audit import NAME, seal_audit
from tests.conftest import wait_until


def happen(count: int) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(
            subject_kind="order", subject_id=at, action="placed", state="paid", actor="测试 \"x\"\n", detail={"n": at}
        )
        for at in range(count)
    )  # fmt: skip


def seal_all() -> int:
    return seal_events(until_id=2**62, most=10**6, now=database_now())


def ring_again(*, patient: bool = True, **note) -> int | None:
    """The next round of the duty, as if enough time had passed.

    patient  wait until the other test processes' transactions, on databases of their own, have ended: they count too
    """
    duty = Duty.objects.get(name=NAME)
    duty.note = {**duty.note, "at": (database_now() - sealing.SETTLES).isoformat(), **note}
    duty.due_at = database_now()
    duty.save()
    bound = Bound.from_note(duty.note)
    if patient and bound is not None:
        wait_until(lambda: bound.is_safe(database_now()), 30)
    return seal_audit()


@pytest.fixture
def sealed(committed_db, monkeypatch) -> None:
    """Ten events under three seals, and two younger ones."""
    monkeypatch.setattr(sealing, "BATCH", 4)
    as_owner("ALTER SEQUENCE payments_auditevent_id_seq RESTART")
    happen(10)
    seal_all()
    happen(2)


GUARDS = "ALTER TABLE payments_auditevent {0} TRIGGER USER; ALTER TABLE payments_auditseal {0} TRIGGER USER"


def as_owner(statement: str) -> None:
    """As somebody who may do everything in the database, and takes its own guards away first."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(GUARDS.format("DISABLE"))
        cursor.execute(statement)
        cursor.execute(GUARDS.format("ENABLE"))


@pytest.mark.rows("I-15")
def test_an_untouched_trail_holds_and_young_events_are_stated(sealed):
    found = verify_audit()

    assert (found.events, found.seals, found.unsealed, found.named) == (10, 3, 2, [])
    assert found.head == str(AuditSeal.objects.get(number=3))


@pytest.mark.rows("I-15", "X14")
@pytest.mark.parametrize(
    ("done_by_the_owner", "named"),
    [
        ("UPDATE payments_auditevent SET actor = 'me' WHERE id = 2", ["event 2 was altered"]),
        ("UPDATE payments_auditevent SET at = at + interval '1 microsecond' WHERE id = 2", ["event 2 was altered"]),
        ("UPDATE payments_auditevent SET detail = '{}' WHERE id = 10", ["event 10 was altered"]),
        ("DELETE FROM payments_auditevent WHERE id = 1", ["event 1 is gone"]),
        ("DELETE FROM payments_auditevent WHERE id > 9", ["event 10 is gone"]),
        (
            "UPDATE payments_auditevent SET id = CASE id WHEN 3 THEN -4 ELSE 3 END WHERE id IN (3, 4);"
            "UPDATE payments_auditevent SET id = 4 WHERE id = -4",
            ["event 3 was altered", "event 4 was altered"],
        ),
        (
            "DELETE FROM payments_auditevent WHERE id = 7;"
            "INSERT INTO payments_auditevent (id, subject_kind, subject_id, action, actor) VALUES (7, 'order', 6, 'placed', 'x')",
            ["event 7 was altered"],
        ),
        (
            "INSERT INTO payments_auditevent (id, subject_kind, subject_id, action, actor) VALUES (0, 'order', 1, 'x', 'x')",
            ["event 0 stands among sealed ones and was not there when they were sealed"],
        ),
        ("UPDATE payments_auditseal SET sealed_at = now() WHERE number = 2", ["seal 2 was altered"]),
        ("UPDATE payments_auditseal SET first_position = 6 WHERE number = 2", ["seal 2 was altered", "seal 3 was altered"]),
        ("DELETE FROM payments_auditseal WHERE number = 1", ["seal 1 is missing", "seal 2 was altered"]),
        (
            "UPDATE payments_auditseal SET key_id = 'theirs' WHERE number = 3",
            ["seal 3 was made with the key 'theirs', which AUDIT_SEAL_KEYS does not hold"],
        ),
    ],
)  # fmt: skip
def test_what_was_done_behind_our_back_is_named(sealed, done_by_the_owner: str, named: list[str]):
    as_owner(done_by_the_owner)

    found = verify_audit()

    assert found.broken >= len(named)
    for words in named:
        assert any(each.startswith(words) for each in found.named), found.named


def test_a_chain_sealed_anew_with_another_key_is_not_ours(sealed, settings):
    ours = settings.AUDIT_SEAL_KEYS
    as_owner("DELETE FROM payments_auditseal; UPDATE payments_auditevent SET actor = 'me' WHERE id = 2")
    settings.AUDIT_SEAL_KEYS = "a2:" + "Q" * 43 + "="
    seal_all()

    settings.AUDIT_SEAL_KEYS = ours
    assert verify_audit().broken >= 10


def test_a_chain_whose_end_was_cut_off_is_named_when_its_head_was_kept(sealed):
    head = verify_audit().head
    as_owner("DELETE FROM payments_auditseal WHERE number = 3; DELETE FROM payments_auditevent WHERE id > 8")

    assert verify_audit().broken == 0, "nothing in the database shows it"
    assert verify_audit(head=head).named == [f"the chain ends at seal 2, and {head} was kept: its end was cut off"]


def test_old_events_without_a_seal_are_named(sealed):
    as_owner("UPDATE payments_auditevent SET at = at - interval '2 hours' WHERE id > 10")

    assert verify_audit().named[0].startswith("event 11 and those after it have not been sealed since")


def test_a_newer_key_goes_on_and_the_old_one_still_verifies(sealed, settings):
    settings.AUDIT_SEAL_KEYS = "a3:" + "M" * 43 + "=," + settings.AUDIT_SEAL_KEYS
    seal_all()

    assert AuditSeal.objects.get(number=4).key_id == "a3"
    assert verify_audit().events == 12


def test_the_list_of_what_is_wrong_ends_somewhere_and_the_count_does_not(sealed, monkeypatch):
    monkeypatch.setattr(audit_chain, "NAMED", 3)
    as_owner("UPDATE payments_auditevent SET actor = 'me'")

    found = verify_audit()

    assert (found.broken, len(found.named)) == (10, 3)


# --- when an event is sealed --------------------------------------------------------------------------------------


@pytest.mark.rows("I-15")
def test_an_event_that_commits_late_under_an_earlier_id_is_waited_for(committed_db, django_db_setup):
    """The one who took id 1 is slow; id 2 is visible. Nothing is sealed until 1 is there, and then both in order."""
    happen(0)
    slow = psycopg.connect(
        host=os.environ["TEST_SOCKETS"], user=APP, dbname=connections["default"].settings_dict["NAME"]
    )
    slow.execute(
        "INSERT INTO payments_auditevent (subject_kind, subject_id, action, actor) VALUES ('order', 1, 'slow', 'x')"
    )
    happen(1)
    assert seal_audit() == 0
    assert ring_again(patient=False) == 0, "the slow one is still open"

    slow.commit()
    slow.close()
    assert ring_again() == 2
    assert verify_audit().events == 2


def test_an_id_that_was_handed_out_a_moment_ago_is_waited_for(db):
    bound = bound_now(database_now())

    assert not Bound.is_safe(bound, bound.at + timedelta(seconds=19))
    assert Bound.from_note(bound.note()) == bound


def test_gaps_in_the_ids_are_no_loss(committed_db):
    for _ in range(3):
        with transaction.atomic():
            happen(1)
            transaction.set_rollback(True)
        happen(1)
    seal_all()

    assert verify_audit().events == 3
    first, second, third = AuditSeal.objects.get().events
    assert (second - first, third - second) == (2, 2)


@pytest.mark.rows("F13", "F15")
def test_a_round_rung_twice_seals_once(committed_db):
    happen(3)
    assert (seal_audit(), seal_audit()) == (0, None)
    happen(2)

    assert ring_again() == 3, "those of the first bound; the two younger ones wait"
    assert seal_audit() is None
    assert ring_again() == 2
    assert verify_audit().events == 5


@pytest.mark.rows("F10")
def test_a_sealer_that_was_replaced_leaves_nothing(committed_db, monkeypatch):
    happen(3)
    seal_audit()

    def slow(**words) -> int:
        done = seal_events(**words)
        Duty.objects.filter(name=NAME).update(version=99)  # another took over after the lease
        return done

    monkeypatch.setattr("payments.services.seal_audit.seal_events", slow)

    assert ring_again() is None
    assert not AuditSeal.objects.exists()


def test_two_sealers_at_once_can_not_both_add_the_same_link(committed_db):
    happen(2)
    seal_all()
    first = AuditSeal.objects.get()

    with pytest.raises(IntegrityError):
        first.save(force_insert=True)


def test_the_command_names_it_and_fails(sealed):
    out = io.StringIO()
    call_command("verify_audit", stdout=out)
    assert out.getvalue().splitlines()[-1] == "verify_audit: 10 passed, 0 failed"

    as_owner("DELETE FROM payments_auditevent WHERE id = 5")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--json", stdout=out)
    assert json.loads(out.getvalue())["named"] == ["event 5 is gone"]
    with pytest.raises(CommandError, match="is no head"):
        call_command("verify_audit", "--head", "yesterday")
