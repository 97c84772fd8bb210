"""`make failover`: PostgreSQL's machine is lost under load, and an asynchronous standby that was behind takes over.

The link to the standby breaks some seconds before, so that what was committed and acknowledged since then is gone. What of
it Alipay can be asked about must be found again without anybody's help; the rest is named, for the daily bill to find.
"""

import contextlib
import json
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from config.local.places import hand_over, scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.underfire import UnderFire, under_fire
from config.local.proofs.verdict import Verdict, book_of, judge, rows
from config.local.servers import Servers, ServersFailed, copy_cluster, kill_postgres, start_postgres
from config.local.stack import answers

BEHIND_S, SERVE_S = 4.0, 60.0
SOCKET = ".s.PGSQL.5432"
UNPAID = "SELECT out_trade_no FROM payments_transaction WHERE state <> 'paid'"
WAITS = (
    "SELECT o.number, t.out_trade_no, t.amount_fen FROM payments_transaction t JOIN payments_order o ON o.id = t.order_id"
    " WHERE t.state = 'presented' ORDER BY t.id DESC LIMIT 30"
)
NUMBERS = "SELECT out_trade_no FROM payments_transaction"
REFUNDS = "SELECT out_request_no FROM payments_refund"


@dataclass(slots=True)
class Lost:
    """The moments, and what the standby did not know when it took over."""

    cut: float = 0.0
    gone: float = 0.0
    serving_s: float = SERVE_S
    unpaid: set[str] = field(default_factory=set)


def failover(*, orders: int, seed: int) -> int:
    """Run it; the exit code is 1 when something that could be found again was not, or anything else was lost."""
    with scratch_folder() as data, under_fire(data, orders=orders, seed=seed) as run:
        lost = _failed_over(run, _standby(run))
        drained = run.drain()
        verdict = judge(run.product, run.running, run.history)
        held = _held(run, lost, verdict, drained)
    lines = [f"{'passed' if good else 'failed'}  {words}" for words, good in held.items()]
    lines.append(f"failover: {sum(held.values())} passed, {len(held) - sum(held.values())} failed")
    keep("failover", lines)
    print("\n".join(lines), flush=True)
    return 0 if all(held.values()) else 1


def _standby(run: UnderFire) -> Servers:
    """A second server that follows the first one's log, as far as the link lets it."""
    folder = run.data / "standby"
    folder.mkdir()
    hand_over(folder)
    copy_cluster(run.running.sockets, folder / "postgres")
    standby = Servers(folder)  # its socket lies there too
    standby.processes["postgres"] = start_postgres(folder / "postgres", folder, durable=True)
    standby.processes["valkey"] = run.running.processes["valkey"]
    while standby.processes["postgres"].poll() is None:
        with contextlib.suppress(ServersFailed):
            standby.sql("SELECT 1")
            return standby
        time.sleep(0.1)
    raise ServersFailed(f"the standby ended: {(folder / 'postgres.log').read_text()[-500:]}")


def _failed_over(run: UnderFire, standby: Servers) -> Lost:
    run.start_buyers()
    while run.done() < run.orders // 3:
        run.revive()
        time.sleep(0.2)
    lost = Lost()
    standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
    standby.sql("SELECT pg_reload_conf()")
    lost.cut = time.time()
    run.note("link cut")
    _pay_what_waits(run)
    time.sleep(max(0.0, lost.cut + BEHIND_S - time.time()))
    kill_postgres(run.running)
    lost.gone = time.time()
    run.note("primary lost")
    _take_over(run, standby)
    lost.unpaid = {row[0] for row in rows(standby, UNPAID)}
    while not answers(f"{run.product.shop}/readyz", says="ready") and time.time() - lost.gone < SERVE_S:
        run.revive()
        time.sleep(0.1)
    lost.serving_s = time.time() - lost.gone
    while run.some_buyer_lives():
        run.revive()
        time.sleep(0.5)
    return lost


def _pay_what_waits(run: UnderFire) -> None:
    """Codes that were shown a while ago are paid now: the standby knows them, and will not hear of it."""
    for order, number, fen in rows(run.running, WAITS):
        with contextlib.suppress(OSError):  # closed this moment
            form = urllib.parse.urlencode({"out_trade_no": number}).encode()
            urllib.request.urlopen(f"{run.product.sandbox}/control/pay", data=form, timeout=5).read()
            run.note("paid", order=order, out_trade_no=number, fen=fen)


def _take_over(run: UnderFire, standby: Servers) -> None:
    """Promote it, and let the address that everybody knows lead to it."""
    standby.sql("SELECT pg_promote()")
    address = run.running.sockets / SOCKET
    address.unlink(missing_ok=True)
    address.symlink_to(standby.sockets / SOCKET)
    run.running.processes["postgres"] = standby.processes["postgres"]


def _held(run: UnderFire, lost: Lost, verdict: Verdict, drained: float) -> dict[str, bool]:
    said = [json.loads(line) for line in run.history.read_text().splitlines()]
    book = book_of(run.product)
    known, known_refunds = ({row[0] for row in rows(run.running, query)} for query in (NUMBERS, REFUNDS))
    paid_then = {each["out_trade_no"] for each in said if each["what"] == "paid" and each["at"] <= lost.gone}
    found = paid_then & lost.unpaid
    gone = [trade for number, trade in book.items() if number not in known and trade["trade_status"] == "TRADE_SUCCESS"]
    gone_refunds = [
        each for trade in book.values() for each in trade["refunds"] if each["out_request_no"] not in known_refunds
    ]
    early = _acknowledged_before(said, lost.cut, known, known_refunds)
    other = [each for each in verdict.violations if not each.startswith(("order ", "refund "))]
    still = {row[0] for row in rows(run.running, UNPAID)}
    unpaid = sum(number in still for number, trade in book.items() if trade["trade_status"] == "TRADE_SUCCESS")
    return {
        f"the standby was {BEHIND_S:.0f} s behind; serving again {lost.serving_s:.1f} s after the first was lost": (
            lost.serving_s < SERVE_S
        ),
        f"{len(found)} payments that it did not know, of orders it had, were found again by asking; {unpaid} were missed": (
            len(found) > 0 and unpaid == 0
        ),
        f"for the bill: {len(gone)} payments and {len(gone_refunds)} refunds of orders and refunds made in those seconds": (
            not early
        ),
        f"nothing acknowledged before them is gone: {early[:3]}": not early,
        f"nothing left to do after {drained:.1f} s, invariants and books beyond that: {other[:3]}": not other,
    }


def _acknowledged_before(said: list[dict[str, Any]], cut: float, numbers: set[str], refunds: set[str]) -> list[str]:
    """Payments and refunds that somebody was told of before the link broke, and that are not there."""
    before = [each for each in said if each["at"] < cut - 0.5]  # on its way over the link
    return [
        each["order"]
        for each in before
        if (each["what"] == "paid" and each["out_trade_no"] not in numbers)
        or (each["what"] == "refund approved" and each["out_request_no"] not in refunds)
    ]
