"""Refunds by command: an amount, or pieces of an order's lines, by the word of two people."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payments.models import Refund, Transaction
from payments.models.clock import database_now
from payments.money import Money
from payments.services.place_order import Line, place_order
from payments.services.receive_notice import receive_notice


@pytest.fixture
def paid(merchant, make_attempt, says) -> Transaction:
    """Three cups and one pot, ¥10.00 and ¥7.00, with ¥2.99 off, and ¥6.00 for the delivery: ¥40.01."""
    order = place_order(
        lines=[Line("cup", Money(1000), 3), Line("pot", Money(700))], title="tea things", language="en", caller="test",
        now=database_now(), discount=Money(299), shipping=Money(600),
    )  # fmt: skip
    attempt = make_attempt(order)
    receive_notice(says.notice(attempt))
    attempt.refresh_from_db()
    assert attempt.amount_fen == 4001
    return attempt


def command(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("refund", *words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_the_command_asks_and_two_people_approve(paid):
    number = paid.order.number
    waiting = command(number, "--amount", "1.00", "--reason", "late parcel", "--requested-by", "ann")
    agreed = command(paid.trade_no, "--lines", "1:2", "--requested-by", "ann", "--approved-by", "bob")

    assert (waiting["state"], waiting["amount"], waiting["order_number"]) == ("requested", "1.00", number)
    assert (agreed["state"], agreed["amount"], agreed["lines_fen"]) == ("approved", "18.38", {"1": 1838})
    assert agreed["refundable"] == "20.63"
    assert Refund.objects.get(out_request_no=agreed["out_request_no"]).approver == "command:bob"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--amount", "1.001"], "is no amount"),
        (["--amount", "40.02"], "more than is left"),
        (["--amount", "0"], "needs an amount"),
        (["--lines", "1"], "two of line 1"),
        (["--lines", "1:1,1:1"], "two of line 1"),
        (["--lines", "1:4"], "line 1: 4 of it"),
        (["--lines", "3:1"], "line 3: 1 of it"),
        (["--amount", "1", "--requested-by", "ann", "--approved-by", "ann"], "another person"),
    ],
)
def test_the_command_refuses_in_words_and_keeps_nothing(paid, words, answer):
    with pytest.raises(CommandError, match=answer):
        command(paid.out_trade_no, *words)
    assert not Refund.objects.exists()
    paid.refresh_from_db()
    assert paid.reserved_fen == 0


def test_the_command_knows_no_such_number_and_no_unpaid_order(order):
    with pytest.raises(CommandError, match="no payment has the number"):
        command("20991231", "--amount", "1")
    with pytest.raises(CommandError, match="awaiting_payment"):
        command(order.number, "--amount", "1")
