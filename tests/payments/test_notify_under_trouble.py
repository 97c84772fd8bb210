"""Notices while the database is in trouble, on real connections: never "success" for what is not kept, and never stuck."""

import os
import time
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections

from config.local.servers import OWNER
from payments import gateway
from payments.models import InboundMessage, Transaction, Transfer, settling
from tests.conftest import make_merchant

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def attempt(committed_db, identity, make_order, make_attempt) -> Transaction:
    make_merchant(identity, "http://127.0.0.1:9/gateway.do")
    gateway.merchants(refresh=True)
    return make_attempt(make_order())


@pytest.fixture
def beside(committed_db):
    """Another connection of the application's role, outside of Django."""
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(host=os.environ["TEST_SOCKETS"], user=connection.settings_dict["USER"], dbname=name) as other:
        yield other


def heard(attempt: Transaction) -> tuple[str, list[str]]:
    attempt.refresh_from_db()
    return attempt.state, list(InboundMessage.objects.values_list("verdict", flat=True))


@pytest.mark.rows("F24")
def test_a_connection_cut_under_a_notice_is_a_repeat_later(client, says, attempt, beside):
    body = says.notice(attempt)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        beside.execute("SELECT pg_terminate_backend(%s)", cursor.fetchone())
    beside.commit()

    cut = client.post("/alipay/notify", body, content_type=FORM)
    connection.close()  # as the end of a request does with a connection that is broken
    assert (cut.status_code, cut.content) == (503, b"fail")
    assert heard(attempt) == ("presented", [])

    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"
    assert heard(attempt) == ("paid", ["pays_order"])


@pytest.mark.rows("F29", "F32")
def test_a_lock_that_somebody_holds_on_the_order_makes_alipay_repeat_and_holds_nobody_up(client, says, attempt, beside):
    body = says.notice(attempt)
    beside.execute("SELECT FROM payments_order WHERE id = %s FOR UPDATE", [attempt.order_id])

    started = time.monotonic()
    answer = client.post("/alipay/notify", body, content_type=FORM)
    waited = time.monotonic() - started
    beside.rollback()

    assert (answer.status_code, answer.content, waited < 5) == (503, b"fail", True)
    assert heard(attempt) == ("presented", [])
    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"
    assert heard(attempt) == ("paid", ["pays_order"])


@pytest.mark.rows("F30")
def test_no_free_connection_is_a_repeat_later_and_heals_by_itself(client, says, attempt):
    body, name = says.notice(attempt), connection.settings_dict["NAME"]
    connection.close()
    with psycopg.connect(host=os.environ["TEST_SOCKETS"], user=OWNER, dbname="postgres", autocommit=True) as owner:
        owner.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
        try:
            full = client.post("/alipay/notify", body, content_type=FORM)
        finally:
            owner.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')

    assert (full.status_code, full.content) == (503, b"fail")
    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"
    assert heard(attempt) == ("paid", ["pays_order"])


@pytest.fixture
def full_disk(committed_db):
    """PostgreSQL's word for it (53100), wherever something would be added to the audit trail. Gives the end of it."""
    with psycopg.connect(
        host=os.environ["TEST_SOCKETS"], user=OWNER, dbname=connection.settings_dict["NAME"], autocommit=True
    ) as owner:
        owner.execute(
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;"
            "CREATE TRIGGER no_space BEFORE INSERT ON payments_auditevent EXECUTE FUNCTION no_space()"
        )
        yield lambda: owner.execute("DROP FUNCTION IF EXISTS no_space() CASCADE")
        owner.execute("DROP FUNCTION IF EXISTS no_space() CASCADE")


@pytest.mark.rows("F31")
def test_a_full_disk_is_a_repeat_later_while_pages_are_read(client, says, attempt, full_disk):
    """`make disk-full` fills a real one."""
    body = says.notice(attempt)

    full = client.post("/alipay/notify", body, content_type=FORM)
    assert (full.status_code, full.content) == (503, b"fail")
    assert heard(attempt) == ("presented", [])
    assert client.get(f"/pay/{attempt.order.token}/").status_code == 200

    full_disk()
    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"
    assert heard(attempt) == ("paid", ["pays_order"])


@pytest.mark.rows("F26")
def test_a_commit_whose_outcome_nobody_learned_is_repeated_without_a_second_effect(client, says, attempt, monkeypatch):
    """The line is cut between the commit and its word to us: the notice was applied, and we said that we can't say."""
    body, execute = says.notice(attempt), settling.apply_facts

    def cut_after_commit(*facts: Any, **more: Any) -> Any:
        execute(*facts, **more)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("payments.services.settle.apply_facts", cut_after_commit)
    unsure = client.post("/alipay/notify", body, content_type=FORM)
    monkeypatch.undo()

    assert (unsure.status_code, unsure.content) == (503, b"fail")
    assert client.post("/alipay/notify", body, content_type=FORM).content == b"success"
    assert heard(attempt) == ("paid", ["pays_order"])
    assert Transfer.objects.filter(transaction=attempt).count() == 1


def test_what_was_answered_success_is_committed_for_everybody(client, says, attempt, beside):
    assert client.post("/alipay/notify", says.notice(attempt), content_type=FORM).content == b"success"

    row = beside.execute("SELECT state FROM payments_transaction WHERE id = %s", [attempt.pk]).fetchone()
    assert row == ("paid",)
    assert not connection.in_atomic_block
