"""Buyers and staff of `make chaos` and its like, one process of many.

`python -m config.local.proofs.buyers SEED COUNT HISTORY SANDBOX PAUSE`: places orders and starts payments through the
services that the pages call, pays at the pretend Alipay, looks at the pages over HTTP, asks for refunds; rests PAUSE seconds
after each order. What was acknowledged to somebody is written to the history at once: that must survive.
"""

import contextlib
import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import django

django.setup()

from django.conf import settings  # noqa: E402  # after the registry is filled
from django.core.exceptions import ObjectDoesNotExist  # noqa: E402
from django.db import DatabaseError, InterfaceError, close_old_connections  # noqa: E402

from payments.errors import PaymentsError  # noqa: E402
from payments.models import Order, Refund, Transaction  # noqa: E402
from payments.models.clock import database_now  # noqa: E402
from payments.money import Money  # noqa: E402
from payments.services.cancel_order import cancel_order  # noqa: E402
from payments.services.check_payment import check_payment  # noqa: E402
from payments.services.place_order import Line, place_order  # noqa: E402
from payments.services.refund import approve_refund, request_refund  # noqa: E402
from payments.services.start_payment import start_payment  # noqa: E402

# of the kinds that people see and try again; an order that is gone with a lost database is a page not found
TROUBLE = (DatabaseError, InterfaceError, OSError, PaymentsError, ObjectDoesNotExist)
Scene = Transaction.Scene
Done = TypeVar("Done")


class Buyers:
    """One process's people. Whatever breaks is tried again a little later, as people do, and at last given up."""

    def __init__(self, seed: int, history: Path, sandbox: str) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # a plan, no secret
        self.history = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.sandbox, self.seed = sandbox, seed

    def buy(self, at: int) -> None:
        """One order with all that becomes of it."""
        fen = self.chance.choice([1, 88, 999, 12_800])
        life = timedelta(seconds=self.chance.choice([25, 60]))
        key = f"chaos-{self.seed}-{at}"
        order = self._again(
            lambda: place_order(
                lines=[Line("茶", Money(fen))], title="茶", language="zh-hans", caller="chaos", now=database_now(), key=key,
                life=life,
            )
        )  # fmt: skip
        self._tell("ordered", order=order.number, fen=fen)
        attempt = self._again(lambda: start_payment(_opened(order), scene=Scene.QR, actor="buyer"))
        what = self.chance.random()
        if what < 0.1:
            return  # never comes back
        if what < 0.2:
            self._control("scan", attempt)
            return
        if what < 0.27:
            with contextlib.suppress(*TROUBLE):
                cancel_order(_opened(order), actor="buyer")
            return
        self._pay(order, attempt)
        if what < 0.37:  # a new code, and the old one, still in somebody's hand, is paid as well
            with contextlib.suppress(*TROUBLE):
                self._pay(order, start_payment(_opened(order), scene=Scene.QR, actor="buyer", fresh=True))
        self._look(order)
        if what > 0.8:
            self._refund(order, fen)

    def _pay(self, order: Order, attempt: Transaction) -> None:
        if self._control("pay", attempt):
            self._tell("paid", order=order.number, out_trade_no=attempt.out_trade_no, fen=attempt.amount_fen)

    def _look(self, order: Order) -> None:
        with contextlib.suppress(*TROUBLE):
            page = urllib.request.Request(
                f"{settings.SITE_URL}/pay/{order.token}/status", headers={"X-Forwarded-Proto": "https"}
            )
            urllib.request.urlopen(page, timeout=5).read()
        if self.chance.random() < 0.2:
            with contextlib.suppress(*TROUBLE):
                check_payment(order.token)

    def _refund(self, order: Order, fen: int) -> None:
        paid = Transaction.objects.filter(order__token=order.token, state=Transaction.State.PAID).first()
        if paid is None:
            return
        with contextlib.suppress(*TROUBLE):
            back = max(1, fen // self.chance.choice([1, 3]))
            refund = request_refund(
                paid, Money(back), requester="staff:1", origin=Refund.Origin.STAFF, reason="chaos"
            )  # fmt: skip
            approve_refund(refund, approver="staff:2")
            self._tell("refund approved", order=order.number, out_request_no=refund.out_request_no, fen=back)

    def _again(self, act: Callable[[], Done]) -> Done:
        for pause in (0.2, 0.5, 1, 2, 3, 5, 8, 13):
            close_old_connections()
            try:
                return act()
            except TROUBLE:
                time.sleep(pause)
        return act()

    def _control(self, action: str, attempt: Transaction) -> bool:
        """True when the pretend Alipay acknowledged it."""
        form = urllib.parse.urlencode({"out_trade_no": attempt.out_trade_no}).encode()
        for _ in range(8):
            try:
                urllib.request.urlopen(f"{self.sandbox}/control/{action}", data=form, timeout=5).read()
                return True
            except urllib.error.HTTPError:
                return False  # no such trade yet, closed, or paid before
            except OSError:
                time.sleep(1)
        return False

    def _tell(self, what: str, **facts: object) -> None:
        line = json.dumps({"at": time.time(), "what": what, **facts}, ensure_ascii=False)
        os.write(self.history, line.encode() + b"\n")


def _opened(order: Order) -> Order:
    """As its page finds it: by the token of its link."""
    return Order.objects.get(token=order.token)


def main() -> None:
    seed, count, history, sandbox, pause_s = sys.argv[1:6]
    buyers = Buyers(int(seed), Path(history), sandbox)
    for at in range(int(count)):
        with contextlib.suppress(*TROUBLE):
            buyers.buy(at)
        buyers._tell("done", seed=int(seed), number=at)
        time.sleep(float(pause_s))


if __name__ == "__main__":
    main()
