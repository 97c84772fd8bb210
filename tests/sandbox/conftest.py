"""The pretend Alipay's core, asked by our own client without wires."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from payments.alipay import requests
from payments.alipay.answers import read_query
from payments.alipay.facts import TradeFacts
from payments.alipay.keys import Credentials, load_private_key
from payments.alipay.outcomes import Done
from payments.models import Transaction
from payments.money import Money
from payments.sandbox.alipay import Alipay
from payments.sandbox.book import Book, Trade
from payments.sandbox.envelope import Call
from payments.sandbox.identity import Identity
from payments.services.start_payment import start_payment

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def who(identity: tuple[Identity, Path]) -> Credentials:
    numbers, folder = identity
    key = load_private_key((folder / "app_private_key.pem").read_text())
    return Credentials(numbers.app_id, numbers.seller_id, key, (numbers.alipay_key.public_key(),))


def open_alipay(identity: Identity, book: Book | None = None, **more) -> Alipay:
    return Alipay(identity, book or Book(), chance=random.Random(3), address="http://a", least_life=MINUTE, **more)


@pytest.fixture
def alipay(identity: tuple[Identity, Path]) -> Alipay:
    return open_alipay(identity[0], seed=5)


def params_of(request: requests.Request, who: Credentials, now: datetime = NOW) -> dict[str, str]:
    signed = requests.signed(request, who=who, at=now)
    return dict(parse_qsl(f"{signed.query}&{signed.body}"))


@pytest.fixture
def ask(alipay: Alipay, who: Credentials) -> Callable[..., str]:
    def send(request: requests.Request, now: datetime = NOW) -> str:
        return alipay.answer(params_of(request, who, now), now)

    return send


def offer(number: str = "A1", **changes) -> requests.Request:
    words = {
        "total": Money(8880),
        "title": "龙井",
        "time_expire": NOW + 15 * MINUTE,
        "notify_url": "https://s/n",
        **changes,
    }
    return requests.precreate(out_trade_no=number, **words)


@pytest.fixture
def status(ask, who) -> Callable[..., TradeFacts]:
    def of(number: str = "A1", now: datetime = NOW) -> TradeFacts:
        result = read_query(ask(requests.query(number), now).encode(), who=who, out_trade_no=number)
        assert isinstance(result, Done), result
        return result.answer

    return of


@pytest.fixture
def decide(alipay: Alipay) -> Callable[..., dict]:
    """A genuine call, decided without wires or signatures."""

    def called(method: str, now: datetime = NOW, notify_url: str = "https://s/n", **biz) -> dict:
        return alipay.decide(Call(f"alipay.{method}", biz, notify_url), now)

    return called


@pytest.fixture
def paid(alipay, ask) -> Trade:
    ask(offer())
    return alipay.pay(alipay.book.trades["A1"], NOW)


def refusal(body: str) -> str:
    (node,) = (value for name, value in json.loads(body).items() if name.endswith("_response"))
    return node.get("sub_code", "")


@pytest.fixture
def attempt(connected, make_order):
    return start_payment(make_order(), scene=Transaction.Scene.QR, actor="test")
