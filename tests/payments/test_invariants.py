"""Every invariant is seen broken: a planted violation is refused by the database, or named by its query."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connections, transaction

from payments.models import Order, Refund, Transaction
from payments.money import Money
from payments.queries.invariants import INVARIANTS, check_invariants
from payments.services.receive_notice import receive_notice
from payments.services.refund import approve_refund, request_refund, settle_refund

# The application's own role plants; %(t)s, %(o)s and %(r)s are a paid transaction, its order and its refund.
PLANTED = {
    "I-01": "UPDATE payments_order SET goods_fen = goods_fen + 1, total_fen = total_fen + 1 WHERE id = %(o)s",
    "I-03": "INSERT INTO payments_transaction SELECT (jsonb_populate_record(t, '{\"id\": 99999}')).*"
    " FROM payments_transaction t WHERE id = %(t)s",
    "I-04": "UPDATE payments_order SET paid_by_id = NULL, state = 'closed' WHERE id = %(o)s",
    "I-06": "UPDATE payments_order SET paid_by_id = NULL WHERE id = %(o)s",
    "I-07": "UPDATE payments_transaction SET evidence = 'hearsay' WHERE id = %(t)s",
    "I-08": "UPDATE payments_transaction SET reserved_fen = amount_fen WHERE id = %(t)s",
    "I-09": "UPDATE payments_transaction SET refunded_fen = refunded_fen + 1 WHERE id = %(t)s",
    "I-10": "UPDATE payments_order SET state = 'refunded' WHERE id = %(o)s",
    "I-11": "UPDATE payments_refund SET amount_fen = 0 WHERE id = %(r)s",
    "I-12": "UPDATE payments_refund SET evidence = '' WHERE id = %(r)s",
    "I-13": "UPDATE payments_transfer SET fen = 0",
    "I-14": "INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence)"
    " VALUES (%(t)s, 'capture', 'fees', 'sales', 1, 'x')",
    "I-16": "INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence)"
    " VALUES (%(t)s, 'assign', 'alipay_receivable', 'sales', 5, 'x')",
    "I-17": "INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor)"
    " VALUES ('order', %(o)s, 'closed', 'closed', 'nobody')",
    "I-18": "INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor)"
    " VALUES ('transaction', %(t)s, 'paid', 'paid', 'nobody')",
    "I-26": "UPDATE payments_inboundmessage SET verdict = 'unjudged', last_at = now() - interval '1 hour'",
    "I-27": "UPDATE payments_refund SET state = 'sent', ended_at = NULL, approved_at = now() - interval '2 days'"
    " WHERE id = %(r)s",
    "I-28": "UPDATE payments_outboxmessage SET created_at = now() - interval '1 hour'",
}
REFUSED = {"I-03", "I-06", "I-11", "I-12", "I-13"}


@pytest.fixture
def rows(unsettled: Transaction, says) -> dict[str, int | None]:
    """A paid and partly refunded order, all invariants holding."""
    receive_notice(says.notice(unsettled))
    refund = request_refund(unsettled, Money(100), requester="staff:1", origin=Refund.Origin.STAFF)
    approve_refund(refund, approver="staff:2")
    settle_refund(refund, actor="refunds", evidence="call:1")
    assert broken() == []
    return {"t": unsettled.pk, "o": unsettled.order_id, "r": refund.pk}


def broken() -> list[str]:
    return [each.name for each in check_invariants() if each.hits]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.rows(name)) for name in INVARIANTS])
def test_a_planted_violation_is_refused_or_named(rows, name):
    refused = False
    try:
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute(PLANTED[name], rows)
    except (IntegrityError, ProgrammingError):
        refused = True

    assert refused == (name in REFUSED)
    assert refused or name in broken()


def test_the_command_names_what_is_broken(rows):
    out = io.StringIO()
    call_command("check_invariants", stdout=out)
    assert out.getvalue().splitlines()[-1] == f"check_invariants: {len(INVARIANTS)} passed, 0 failed"

    Order.objects.update(state="refunded")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("check_invariants", "--json", stdout=out)
    assert json.loads(out.getvalue())["I-10"] == {"count": 1, "ids": [f"order:{rows['o']}"]}
