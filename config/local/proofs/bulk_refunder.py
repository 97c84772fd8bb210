"""The people of `make bulk-refund-proof`, in a process of their own: reads a line, acts, answers with a line.

Buyers order and pay at the pretend Alipay; finance plans and confirms; an approver approves; and what one step costs is
counted: seconds, and statements that went to the database.
"""

import statistics
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth.models import Group  # noqa: E402  # after the registry is filled
from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from config.local.proofs.answering import answer_lines  # noqa: E402
from payments.models import Refund, RefundBatch, Transaction, User  # noqa: E402
from payments.models.clock import database_now  # noqa: E402
from payments.money import Money  # noqa: E402
from payments.queries.refund_batches import holding, waiting_fen  # noqa: E402
from payments.services.bulk_refund import approve_batch, confirm_batch, go_on  # noqa: E402
from payments.services.place_order import Line, place_order  # noqa: E402
from payments.services.plan_batch import plan_batch  # noqa: E402
from payments.services.second_factor import mark_proved  # noqa: E402
from payments.services.send_refunds import send_due  # noqa: E402
from payments.services.start_payment import start_payment  # noqa: E402

LOOKS = 5


def make(sandbox: str, sku: str, count: int) -> int:
    """So many orders of two lines, one of them this article; each is paid, and its notice is on the way."""
    for at in range(count):
        lines = [Line("茶", Money(100 + at % 50), sku=sku), Line("杯", Money(50), sku="CUP")]
        order = place_order(lines=lines, title="茶", language="zh-hans", caller="proof", now=database_now())
        attempt = start_payment(order, scene=Transaction.Scene.QR, actor="proof")
        form = urllib.parse.urlencode({"out_trade_no": attempt.out_trade_no}).encode()
        urllib.request.urlopen(f"{sandbox}/control/pay", data=form, timeout=10).read()
    return count


def plan(sku: str) -> dict[str, Any]:
    day = database_now().date()
    found = holding([sku], paid_from=day.replace(month=1, day=1), paid_until=day.replace(month=12, day=31))
    words: dict[str, Any] = {"scope": RefundBatch.Scope.GOODS, "reason": Refund.Reason.RECALLED, "skus": [sku]}
    cost, batch = counted(lambda: plan_batch(found, person=_person("finance"), **words))
    return {**cost, "batch": batch.pk, "orders": batch.orders, "fen": batch.total_fen}


def confirm(batch: int) -> bool:
    found = RefundBatch.objects.get(pk=batch)
    return confirm_batch(found, person=found.requested_by, typed=found.total)


def approve(batch: int) -> int:
    """The word of a second person for all that waits; how much that is, in fen."""
    found, session = RefundBatch.objects.get(pk=batch), SessionStore()
    mark_proved(session, database_now())
    fen = waiting_fen(found)
    approve_batch(found, person=_person("approver"), session=session, seen=Money(fen))
    return fen


def work() -> dict[str, Any]:
    """Go on with bulk refunds here until nothing is due, alone."""
    return counted(lambda: _until_nothing(go_on))[0]


def send() -> dict[str, Any]:
    return counted(lambda: _until_nothing(lambda: send_due(limit=20)))[0]


def look(batch: int) -> dict[str, Any]:
    """The batch's page as its approver sees it: the middle one of some looks."""
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(_person("approver"))
    session = browser.session
    mark_proved(session, database_now())
    session.save()
    where = reverse("admin:payments_refundbatch_change", args=[batch])
    looks = [counted(lambda: browser.get(where, secure=True)) for _ in range(LOOKS)]
    assert all(answer.status_code == 200 for _, answer in looks)
    return {
        "s": statistics.median(cost["s"] for cost, _ in looks), "statements": looks[-1][0]["statements"],
        "bytes": len(looks[-1][1].content),
    }  # fmt: skip


def counted(act: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    """What it took, and what came of it."""
    statements = 0

    def count(execute: Callable[..., Any], *about: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*about)

    started = time.perf_counter()
    with connection.execute_wrapper(count):
        result = act()
    return {"s": time.perf_counter() - started, "statements": statements}, result


def _until_nothing(step: Callable[[], int]) -> None:
    while step():
        pass


def _person(role: str) -> User:
    person, made = User.objects.get_or_create(email=f"{role}@example.com", defaults={"is_staff": True})
    if made:
        person.groups.set(Group.objects.filter(name=role))
    return person


if __name__ == "__main__":
    answer_lines({each.__name__: each for each in (make, plan, confirm, approve, work, send, look)})
