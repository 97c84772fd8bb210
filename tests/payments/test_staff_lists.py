"""Staff's lists with a long history behind them: a whole number is found by an index, and no filter reads all records."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments.models import AuditEvent, InboundMessage, Order, OutboxMessage, Transaction
from payments.queries.record_words import EVERY_ACTION
from tests.payments.test_staff_pages import member, order  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db
LISTS: dict[str, Callable[[Order], str]] = {
    "payments/order": lambda paid: paid.number,
    "payments/order ": lambda paid: paid.transactions.get().out_trade_no,
    "payments/order  ": lambda paid: str(paid.transactions.get().trade_no),
    "payments/transaction": lambda paid: str(paid.transactions.get().trade_no),
    "payments/transaction ": lambda paid: paid.number,
    "payments/transfer": lambda paid: paid.transactions.get().out_trade_no,
    "payments/inboundmessage": lambda _: str(InboundMessage.objects.get().fingerprint),
    "payments/auditevent": lambda paid: str(paid.pk),
    "payments/outboxmessage": lambda _: str(OutboxMessage.objects.values_list("dedupe_key", flat=True)[0]),
}


@pytest.fixture
def owner() -> Client:
    return member("owner")


def asked(browser: Client, path: str) -> tuple[int, str]:
    """How many rows the list shows, and all that was asked of the database for it."""
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get(f"/admin/{path}")
    assert answer.status_code == 200
    return len(answer.context["cl"].result_list), "\n".join(each["sql"] for each in queries)


@pytest.mark.parametrize("place", LISTS)
def test_a_whole_number_is_looked_up_and_a_part_of_one_still_found(owner, order, place: str):  # noqa: F811
    word = LISTS[place](order)

    rows, queries = asked(owner, f"{place.strip()}/?q=%20{word}%20")
    assert rows >= 1
    assert "LIKE" not in queries

    if len(word) > 8:
        rows, queries = asked(owner, f"{place.strip()}/?q={word[1:-1]}")
        assert rows >= 1
        assert "LIKE" in queries


@pytest.mark.parametrize("place", ["gatewaycall", "auditevent", "outboxmessage", "webhookdelivery"])
def test_what_may_be_filtered_by_is_known_and_never_looked_for_in_all_records(owner, order, place: str):  # noqa: F811
    assert "DISTINCT" not in asked(owner, f"payments/{place}/")[1]


def test_the_trail_is_filtered_by_what_was_done_in_words(owner, order):  # noqa: F811
    rows, _ = asked(owner, "payments/auditevent/?action=paid&subject_kind=transaction")

    assert rows == AuditEvent.objects.filter(action="paid", subject_kind="transaction").count() > 0
    assert {*AuditEvent.objects.values_list("action", flat=True)} <= {*EVERY_ACTION}


def test_an_order_s_transfers_are_found_by_its_payments(order):  # noqa: F811
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        attempts = Transaction.objects.filter(order=order)
        cursor.execute("EXPLAIN SELECT * FROM payments_transfer WHERE transaction_id = %s", [attempts.get().pk])
        assert "transfer_by_transaction" in "\n".join(row[0] for row in cursor.fetchall())


def test_a_role_is_shown_with_few_questions_whatever_it_may_do(owner):
    with CaptureQueriesContext(connection) as queries:
        assert owner.get(f"/admin/auth/group/{Group.objects.get(name='owner').pk}/change/").status_code == 200
    assert len(queries) < 15
