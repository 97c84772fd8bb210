"""The pretend Alipay in memory: lives of trades a second, and what of a signed life is bare signing and verifying.

A life: QR code, query, payment, refund, query of the refund, two notices. Signed: four answers and two notices; verified:
four requests. Floor: the same number of bare `cryptography` signatures and verifications, of ready texts, in the same rounds.
Targets: a signed life at least 0.7 of the floor, and at least 1,000 lives a second without signatures.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

from payments.alipay import requests
from payments.alipay.keys import Credentials, load_private_key
from payments.alipay.signing import sign, verifies
from payments.money import Money
from payments.sandbox.alipay import Alipay
from payments.sandbox.book import Book
from payments.sandbox.envelope import Call
from payments.sandbox.identity import identity_in
from payments.sandbox.notices import after_try, announce, due, tries

ROUNDS, SIGNED, UNSIGNED = 7, 100, 3000
LEAST_RATIO, LEAST_LIVES = 0.7, 1000
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
SIGNATURES, REQUESTS = 6, 4


class Bench:
    """One pretend Alipay, and its merchant with ready requests."""

    def __init__(self, folder: Path) -> None:
        self.identity = identity_in(folder, random.Random(1))
        key = load_private_key((folder / "app_private_key.pem").read_text())
        self.who = Credentials(
            self.identity.app_id, self.identity.seller_id, key, (self.identity.alipay_key.public_key(),)
        )

    def alipay(self) -> Alipay:
        chance = random.Random(1)
        return Alipay(self.identity, Book(), chance=chance, address="http://a", least_life=timedelta(minutes=1), seed=1)

    def requests_of(self, number: str) -> list[dict[str, str]]:
        """The four requests of a life, signed beforehand: that is the merchant's work."""
        every = (
            requests.precreate(
                out_trade_no=number, total=Money(8880), title="龙井", time_expire=NOW + timedelta(minutes=15),
                notify_url="http://s/n",
            ),
            requests.query(number),
            requests.refund(out_trade_no=number, out_request_no="R1", amount=Money(100)),
            requests.refund_query(out_trade_no=number, out_request_no="R1"),
        )  # fmt: skip
        signed = [requests.signed(each, who=self.who, at=NOW) for each in every]
        return [dict(parse_qsl(f"{each.query}&{each.body}")) for each in signed]

    def signed_lives(self, lives: list[list[dict[str, str]]]) -> None:
        alipay = self.alipay()
        for precreate, query, refund, refund_query in lives:
            alipay.answer(precreate, NOW)
            alipay.answer(query, NOW)
            alipay.pay(next(reversed(alipay.book.trades.values())), NOW)
            alipay.answer(refund, NOW)
            alipay.answer(refund_query, NOW)
            announce(alipay, NOW)
            for delivery in due(alipay, NOW):
                list(tries(alipay, delivery, NOW))
                after_try(alipay, delivery, "success", NOW, timescale=1)

    def floor(self, count: int) -> None:
        """As many bare signatures and verifications as so many lives need."""
        text = b"x" * 400
        theirs, ours = self.identity.alipay_key, self.who.app_key
        signature, keys = sign(text, ours), [ours.public_key()]
        for _ in range(count):
            for _ in range(SIGNATURES):
                sign(text, theirs)
            for _ in range(REQUESTS):
                verifies(text, signature, keys)

    def unsigned_lives(self, count: int) -> None:
        alipay = self.alipay()
        for each in range(count):
            number = {"out_trade_no": f"A{each}"}
            offer = {**number, "total_amount": "88.80", "subject": "龙井"}
            alipay.decide(Call("alipay.trade.precreate", offer, "http://s/n"), NOW)
            alipay.pay(alipay.book.trades[f"A{each}"], NOW)
            alipay.decide(Call("alipay.trade.query", number), NOW)
            refund = {**number, "out_request_no": "R1", "refund_amount": "1.00"}
            alipay.decide(Call("alipay.trade.refund", refund), NOW)
            alipay.decide(Call("alipay.trade.fastpay.refund.query", refund), NOW)
            announce(alipay, NOW)
            for delivery in due(alipay, NOW):
                after_try(alipay, delivery, "success", NOW, timescale=1)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        lives = [bench.requests_of(f"A{number}") for number in range(SIGNED)]
        rates: dict[str, list[float]] = {"floor": [], "signed": [], "unsigned": []}
        for _ in range(ROUNDS):
            rates["floor"].append(_rate(lambda: bench.floor(SIGNED), SIGNED))
            rates["signed"].append(_rate(lambda: bench.signed_lives(lives), SIGNED))
            rates["unsigned"].append(_rate(lambda: bench.unsigned_lives(UNSIGNED), UNSIGNED))
    return _report({name: statistics.median(each) for name, each in rates.items()})


def _rate(work: Callable[[], None], count: int) -> float:
    since = time.perf_counter()
    work()
    return count / (time.perf_counter() - since)


def _report(rate: dict[str, float]) -> int:
    ratio = rate["signed"] / rate["floor"]
    print(f"bare signing and verifying   {rate['floor']:8.0f} lives/s")
    print(f"signed lives                 {rate['signed']:8.0f} lives/s   {ratio:.2f} of it")
    print(f"lives without signatures     {rate['unsigned']:8.0f} lives/s")
    checks = {
        f"a signed life runs at ≥ {LEAST_RATIO} of bare cryptography": ratio >= LEAST_RATIO,
        f"≥ {LEAST_LIVES} lives a second without signatures": rate["unsigned"] >= LEAST_LIVES,
    }
    for words, holds in checks.items():
        print(f"{'passed' if holds else 'MISSED'}  {words}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
