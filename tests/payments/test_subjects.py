"""Whatever goods are called, Alipay's side verifies our signature over it and reads the same name."""

import random
import urllib.request

import pytest

from payments.alipay.requests import safe_subject
from payments.models import Transaction
from payments.services.attempt_requests import pay_address
from payments.services.start_payment import start_payment

SIGNS = [
    "&",
    "=",
    "+",
    "%",
    "%20",
    "'",
    '"',
    "<",
    ">",
    "\\",
    "/",
    "#",
    "?",
    ";",
    ",",
    " ",
    "\t",
    "\n",
    "{",
    "}",
    "|",
    "~",
]
LETTERS = [*"龙井茶壶Aaé", "🍵", "👨‍👩‍👧", "\u202e", "ﷺ", "𠮷", "\ufeff", "％", "＆"]


def subjects(count: int) -> list[str]:
    chance = random.Random(17)
    return ["".join(chance.choices(SIGNS + LETTERS, k=chance.randrange(1, 60))) for _ in range(count)]


@pytest.mark.rows("C17")
def test_two_hundred_random_subjects_are_verified_by_the_other_side(connected, make_order, twin):
    titles = subjects(200)
    for title in titles:
        attempt = start_payment(make_order(title=title), scene=Transaction.Scene.QR, actor="test")

        assert attempt.state == Transaction.State.PRESENTED, repr(title)
        assert twin.site.alipay.book.trades[attempt.out_trade_no].subject == safe_subject(title)


@pytest.mark.rows("C17")
def test_random_subjects_survive_the_buyers_browser_too(connected, make_order):
    for title in subjects(20):
        attempt = start_payment(make_order(title=title), scene=Transaction.Scene.PAGE, actor="test")

        with urllib.request.urlopen(pay_address(attempt), timeout=10) as page:
            assert page.status == 200, repr(title)
