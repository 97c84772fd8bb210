"""The ledger on one page: every account, at any day's end, and whether it proves."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from payments.management.commands.trial_balance import moment
from payments.models import Account, Refund, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.queries.trial_balance import trial_balance
from payments.services.receive_notice import receive_notice
from payments.services.refund import approve_refund, request_refund, settle_refund
from tests.conftest import enter, journalled


@pytest.fixture
def booked(order, unsettled, make_attempt, says) -> None:
    """One order paid, 30 yuan of it given back; a second payment of 88.80 that pays nothing, 8.80 of it given back."""
    second = make_attempt(order, superseded=True)
    for attempt, fen in ((unsettled, 3000), (second, 880)):
        receive_notice(says.notice(attempt))
        refund = request_refund(attempt, Money(fen), requester="staff:1", origin=Refund.Origin.STAFF)
        approve_refund(refund, approver="staff:2")
        settle_refund(refund, actor="refunds", evidence=journalled(refund))


def balances() -> dict[str, int]:
    return {str(row.account): row.balance_fen for row in trial_balance().rows if row.balance_fen}


def test_every_fen_stands_somewhere_and_money_in_cases_is_what_pays_no_order(booked):
    found = trial_balance()

    assert balances() == {
        "alipay_receivable": 2 * 8880 - 3880, "sales": -8880, "refunds": 3000, "money_in_cases": -(8880 - 880)
    }  # fmt: skip
    assert (found.debit_fen, found.in_cases_fen, found.proves) == (found.credit_fen, 8000, True)
    assert [row.account for row in found.rows] == list(Account)


def test_a_ledger_that_says_something_else_than_the_payments_does_not_prove(booked):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence) VALUES (%s, 'assign',"
            " 'money_in_cases', 'sales', 5, 'x')", [Transaction.objects.earliest("pk").pk],
        )  # fmt: skip

    assert not trial_balance().proves
    with pytest.raises(CommandError, match="does not prove"):
        call_command("trial_balance", stdout=io.StringIO())


def test_as_of_a_moment_before_there_is_nothing(booked):
    before = trial_balance(database_now() - timedelta(hours=1))

    assert (before.debit_fen, before.in_cases_fen, before.proves) == (0, 0, True)


def test_a_day_ends_in_shanghai():
    assert moment("2026-11-30").isoformat() == "2026-11-30T23:59:59.999999+08:00"
    assert moment("2026-11-30T12:00:00+00:00").isoformat() == "2026-11-30T12:00:00+00:00"
    with pytest.raises(ValueError, match="Invalid isoformat"):
        moment("yesterday")


def test_the_command_prints_a_page_or_json(booked):
    out = io.StringIO()
    call_command("trial_balance", "--json", stdout=out)
    assert json.loads(out.getvalue())["accounts"]["sales"] == {"debit_fen": 0, "credit_fen": 8880, "balance_fen": -8880}

    out = io.StringIO()
    call_command("trial_balance", "--as-of", "2099-12-31", stdout=out)
    assert out.getvalue().splitlines()[-1] == "trial_balance: proves"


@pytest.mark.parametrize(("language", "words"), [("en", "It proves"), ("zh-hans", "账目平衡")])
def test_staff_see_it_on_a_page(booked, client, language, words):
    enter(client, User.objects.create_superuser("boss@example.com", "x"))
    page = client.get(
        reverse("admin:payments_transfer_trial_balance"), {"as_of": "2099-12-31"}, headers={"accept-language": language}
    )

    assert words in page.content.decode()
    assert "¥138.80" in page.content.decode()


def test_the_page_is_for_those_who_may_see_transfers(client, db):
    person = User.objects.create_user("packer@example.com", "x", is_staff=True)
    enter(client, person)

    assert client.get(reverse("admin:payments_transfer_trial_balance")).status_code == 403
