"""What a run of chaos left: the pretend Alipay's book, our records, and what was acknowledged, compared fen by fen."""

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from config.local.places import ROOT
from config.local.servers import OWNER, Servers, ServersFailed
from config.local.stack import Stack

LEFT_TO_DO = """
SELECT (SELECT count(*) FROM payments_order WHERE state = 'awaiting_payment')
     + (SELECT count(*) FROM payments_transaction WHERE state IN ('created', 'presented') OR in_doubt)
     + (SELECT count(*) FROM payments_refund WHERE state IN ('approved', 'sent'))
     + (SELECT count(*) FROM payments_outboxmessage WHERE delivered_at IS NULL AND (attempts > 0 OR due_at <= now()))
     + (SELECT count(*) FROM payments_gatewaycall WHERE outcome = 'intended')
"""


@dataclass(slots=True)
class Verdict:
    """Fen lost: paid at Alipay and not in our books. Fen doubled: in our books, or given back, more often than it is."""

    orders: int = 0
    paid: int = 0
    refunds: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    violations: list[str] = field(default_factory=list)


def waiting(running: Servers) -> int:
    """How much is left to do; -1 where the database does not answer."""
    try:
        return int(rows(running, LEFT_TO_DO)[0][0])
    except psycopg.OperationalError:
        return -1


def judge(product: Stack, running: Servers, history: Path) -> Verdict:
    """Compare everything, once all is drained."""
    said = [json.loads(line) for line in history.read_text().splitlines()]
    book = book_of(product)
    verdict = Verdict()
    _compare_money(verdict, running, book)
    _compare_words(verdict, running, book, said)
    if left := waiting(running):
        verdict.violations.append(f"{left} things are left to do")
    verdict.violations += broken_invariants(product)
    return verdict


def _compare_money(verdict: Verdict, running: Servers, book: dict[str, Any]) -> None:
    ours = rows(
        running, "SELECT out_trade_no, CASE state WHEN 'paid' THEN amount_fen ELSE 0 END FROM payments_transaction"
    )
    here = dict(ours)
    for number in here.keys() | book.keys():
        there = _paid_fen(book.get(number))
        verdict.paid += there > 0
        verdict.lost += max(0, there - here.get(number, 0))
        verdict.doubled += max(0, here.get(number, 0) - there)
    back = dict(rows(running, "SELECT out_request_no, amount_fen FROM payments_refund WHERE state = 'succeeded'"))
    given = {
        each["out_request_no"]: _fen(each["refund_amount"]) for trade in book.values() for each in trade["refunds"]
    }
    verdict.refunds = len(given)
    for number in back.keys() | given.keys():
        verdict.doubled += max(0, given.get(number, 0) - back.get(number, 0))  # it left, and we don't know
        verdict.lost += max(0, back.get(number, 0) - given.get(number, 0))  # we say so, and it never left
    booked = rows(running, "SELECT coalesce(sum(fen), 0) FROM payments_transfer WHERE cause = 'capture'")[0][0]
    verdict.doubled += max(0, booked - sum(map(_paid_fen, book.values())))


def _compare_words(verdict: Verdict, running: Servers, book: dict[str, Any], said: list[dict[str, Any]]) -> None:
    """What was acknowledged to somebody must be there: orders, payments, refunds on their way."""
    orders = dict(rows(running, "SELECT number, total_fen FROM payments_order"))
    refunds = dict(rows(running, "SELECT out_request_no, amount_fen FROM payments_refund"))
    verdict.orders = len(orders)
    for each in said:
        match each["what"]:
            case "ordered" if orders.get(each["order"]) != each["fen"]:
                verdict.violations.append(f"order {each['order']} was acknowledged and is gone")
            case "paid" if _paid_fen(book.get(each["out_trade_no"])) != each["fen"]:
                verdict.violations.append(f"trade {each['out_trade_no']} is gone from Alipay's book")
            case "refund approved" if refunds.get(each["out_request_no"]) != each["fen"]:
                verdict.violations.append(f"refund {each['out_request_no']} was acknowledged and is gone")
            case "ordered" | "paid" | "refund approved":
                verdict.acknowledged += 1


def broken_invariants(product: Stack) -> list[str]:
    """Broken ones with the first of their ids."""
    try:
        found = invariants(product.environment)
    except ServersFailed as error:
        return [str(error)]
    return [f"{name}: {each['count']} {each['ids'][:3]}" for name, each in found.items() if each["count"]]


def invariants(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the product's own command finds, by rule: {"count", "ids"}. Raises ServersFailed when it says nothing.

    It says so on its output, whatever its exit code.
    """
    words = [sys.executable, "manage.py", "check_invariants", "--json"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise ServersFailed(f"check_invariants: {done.stderr.strip()[-400:]}")
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def book_of(product: Stack) -> dict[str, Any]:
    """The pretend Alipay's trades by their numbers."""
    with urllib.request.urlopen(f"{product.sandbox}/control/book", timeout=30) as answer:
        return {trade["out_trade_no"]: trade for trade in json.load(answer)["trades"]}


def notices(product: Stack) -> list[dict[str, Any]]:
    """What the pretend Alipay sent, with every answer it got."""
    with urllib.request.urlopen(f"{product.sandbox}/control/notices", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["notices"]
        return found


def rows(running: Servers, query: str) -> list[tuple[Any, ...]]:
    """What a query returns, read as the owner."""
    with psycopg.connect(running.database_url(OWNER), connect_timeout=3) as connection:
        return connection.execute(query).fetchall()


def _paid_fen(trade: dict[str, Any] | None) -> int:
    """What was paid, also where all of it went back: such a trade is closed, with refunds."""
    if trade is None or not (trade["trade_status"] in ("TRADE_SUCCESS", "TRADE_FINISHED") or trade["refunds"]):
        return 0
    return _fen(trade["total_amount"])


def _fen(yuan: str) -> int:
    whole, _, part = yuan.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))
