"""`make bulk-refund-proof`: thousands of refunds for one reason, through the real worker, which is killed in each phase.

First what one order costs is counted, in batches of two sizes, alone: it must not grow with the batch. Then the large batch
is planned, confirmed, asked for, approved and sent by worker and beat as production runs them; kill -9 strikes the worker
while it asks, approves and sends. At the end both books are compared fen by fen, and every invariant is asked.
"""

import os
import random
import signal
import time
from typing import Any

from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.product import product
from config.local.proofs.racers import Racers, racers
from config.local.proofs.verdict import Verdict, judge, rows, waiting
from config.local.servers import Servers
from config.local.stack import Stack

PEOPLE = "config.local.proofs.bulk_refunder"
SMALL, LARGER = 50, 200
PATIENCE_S = 1200.0
PAID = "SELECT count(*) FROM payments_order WHERE state = 'paid'"
DONE = {
    "asking": "SELECT count(*) FROM payments_refundbatchitem WHERE batch_id = {0} AND state = 'asked'",
    "approving": "SELECT count(*) FROM payments_refundbatchitem i JOIN payments_refund r ON r.id = i.refund_id"
    " WHERE batch_id = {0} AND r.state <> 'requested'",
    "sending": "SELECT count(*) FROM payments_refundbatchitem i JOIN payments_refund r ON r.id = i.refund_id"
    " WHERE batch_id = {0} AND r.state = 'succeeded'",
}
ONCE = """
SELECT count(*), count(DISTINCT t.order_id), sum(r.amount_fen) FILTER (WHERE r.state = 'succeeded')
FROM payments_refund r JOIN payments_transaction t ON t.id = r.transaction_id
JOIN payments_refundbatchitem i ON i.refund_id = r.id WHERE i.batch_id = {0}
"""


def bulk_refund_proof(*, orders: int, kills: int, seed: int) -> int:
    """Run it; the exit code is 1 when an order was refunded twice or not at all, or a cost grows with the batch."""
    with scratch_folder() as data, product(data, PAYMENTS_REFUND_ALONE_FEN="100") as (processes, running):
        with racers(PEOPLE, processes.environment, ("one", "two")) as lanes:
            _sold(lanes, processes, running, orders)
            processes.stop("beat", "worker")
            costs = {size: _alone(lanes, f"R{size}") for size in (SMALL, LARGER)}
            for name in ("worker", "beat"):
                processes.run(name)
            large = _large(lanes, processes, running, kills, random.Random(seed))  # noqa: S311  # a plan, no secret
        _until(lambda: waiting(running) == 0, "follow-ups are done")
        (data / "history").touch()
        verdict = judge(processes, running, data / "history")
        once = rows(running, ONCE.format(large["plan"]["batch"]))[0]
    return _told(costs, large, verdict, once, kills, seed)


def _sold(lanes: Racers, processes: Stack, running: Servers, orders: int) -> None:
    """Buyers pay: the large batch's orders in two processes, and those of the two small ones."""
    for role, sku, count in (("one", "LARGE", orders // 2), ("two", "LARGE", orders - orders // 2)):
        lanes.say(role, act="make", sandbox=processes.sandbox, sku=sku, count=count)
    _heard(lanes, "one"), _heard(lanes, "two")
    for role, size in (("one", SMALL), ("two", LARGER)):
        lanes.say(role, act="make", sandbox=processes.sandbox, sku=f"R{size}", count=size)
    _heard(lanes, "one"), _heard(lanes, "two")
    _until(lambda: rows(running, PAID)[0][0] == orders + SMALL + LARGER, "every notice has come")


def _alone(lanes: Racers, sku: str) -> dict[str, Any]:
    """One small batch from plan to money, with nobody else at work: what each step takes."""
    plan = _asked(lanes, act="plan", sku=sku)
    _asked(lanes, act="confirm", batch=plan["batch"])
    cost = {"planning": plan, "asking": _asked(lanes, act="work")}
    _asked(lanes, act="approve", batch=plan["batch"])
    return {
        **cost,
        "approving": _asked(lanes, act="work"),
        "sending": _asked(lanes, act="send"),
        "its page": _asked(lanes, act="look", batch=plan["batch"]),
    }


def _large(lanes: Racers, processes: Stack, running: Servers, kills: int, chance: random.Random) -> dict[str, Any]:
    """The large batch through the worker. Kills are dealt over the phases in turn, each at a point of its own."""
    plan = _asked(lanes, act="plan", sku="LARGE")
    found: dict[str, Any] = {"plan": plan, "kills": 0}
    points: dict[str, list[float]] = {phase: [] for phase in DONE}
    for number in range(kills):
        points[list(DONE)[number % 3]].append(chance.uniform(0.1, 0.9))
    for phase in DONE:
        if phase != "sending":
            _asked(lanes, act="confirm" if phase == "asking" else "approve", batch=plan["batch"])
        started = time.monotonic()
        already = rows(running, DONE[phase].format(plan["batch"]))[0][0]
        for point in sorted(points[phase]):
            at = already + point * (plan["orders"] - already)
            _until(lambda at=at, phase=phase: rows(running, DONE[phase].format(plan["batch"]))[0][0] >= at, phase)
            found["kills"] += _killed(processes)
        _until(
            lambda phase=phase: rows(running, DONE[phase].format(plan["batch"]))[0][0] == plan["orders"], f"all {phase}"
        )
        found[phase] = {"s": time.monotonic() - started, "orders": plan["orders"] - already}
        if phase == "asking":
            _until(lambda: _state(running, plan["batch"]) == "asked", "it is said to be asked for")
    _until(lambda: _state(running, plan["batch"]) == "approved", "it is said to be approved")
    return {**found, "its page": _asked(lanes, act="look", batch=plan["batch"])}


def _killed(processes: Stack) -> bool:
    """kill -9 for the worker and its children; another begins. True when it was alive."""
    worker = processes.processes["worker"]
    alive = worker.poll() is None
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    processes.run("worker")
    return alive


def _state(running: Servers, batch: int) -> str:
    return str(rows(running, f"SELECT state FROM payments_refundbatch WHERE id = {batch}")[0][0])  # ours


def _told(
    costs: dict[int, dict[str, Any]],
    large: dict[str, Any],
    verdict: Verdict,
    once: tuple[Any, ...],
    kills: int,
    seed: int,
) -> int:
    plan = large["plan"]
    lines = [
        f"seed {seed}; {plan['orders']} orders in one batch, ¥{plan['fen'] / 100:,.2f}; {large['kills']} kills -9 of the worker",
        "", f"alone, statements an order{'':6}{SMALL:>8}{LARGER:>8}  ms an order{SMALL:>6}{LARGER:>8}",
        *(_row(step, costs) for step in ("planning", "asking", "approving", "sending")),
        "", f"{'the large batch':24}{'seconds':>8}{'a second':>10}",
        f"{'planning':24}{plan['s']:>8.1f}{plan['orders'] / plan['s']:>10.0f}   {plan['statements']} statements",
        *(
            f"{phase + ', with its kills':24}{large[phase]['s']:>8.0f}{large[phase]['orders'] / large[phase]['s']:>10.1f}"
            for phase in DONE
        ),
        f"page of {SMALL} orders: {_page(costs[SMALL])}; of {plan['orders']}: {_page(large)}", "",
    ]  # fmt: skip
    held = _held(costs, large, verdict, once, kills)
    lines += [f"{'passed' if good else 'failed'}  {words}" for words, good in held.items()]
    lines.append(f"bulk-refund-proof: {sum(held.values())} passed, {len(held) - sum(held.values())} failed")
    keep("bulk-refund-proof", lines)
    print("\n".join(lines), flush=True)
    return 0 if all(held.values()) else 1


def _held(
    costs: dict[int, dict[str, Any]], large: dict[str, Any], verdict: Verdict, once: tuple[Any, ...], kills: int
) -> dict[str, bool]:
    """What must be true of it all, in words."""
    plan = large["plan"]
    return {
        "each order was refunded once, all of the plan and no more": once == (plan["orders"],) * 2 + (plan["fen"],),
        f"{verdict.lost} fen lost, {verdict.doubled} fen doubled between both books": not verdict.lost
        + verdict.doubled,
        f"every rule of the books holds {verdict.violations[:3] or ''}".strip(): not verdict.violations,
        f"the worker was killed {kills} times": large["kills"] == kills,
        "an order costs no more in a larger batch": all(
            costs[LARGER][step]["statements"] / LARGER <= 1.05 * costs[SMALL][step]["statements"] / SMALL
            for step in costs[LARGER]
            if step != "its page"
        ),
        "the page asks as much about a large batch as about a small one": large["its page"]["statements"]
        <= costs[SMALL]["its page"]["statements"] + 2,
        "and is no longer": large["its page"]["bytes"] <= 1.2 * costs[SMALL]["its page"]["bytes"],
    }


def _row(step: str, costs: dict[int, dict[str, Any]]) -> str:
    asked = "".join(f"{costs[size][step]['statements'] / size:>8.1f}" for size in (SMALL, LARGER))
    took = "".join(f"{1000 * costs[size][step]['s'] / size:>8.1f}" for size in (SMALL, LARGER))
    return f"{step:32}{asked}{'':11}{took}"


def _page(cost: dict[str, Any]) -> str:
    page = cost["its page"]
    return f"{page['statements']} statements, {1000 * page['s']:.0f} ms, {page['bytes'] // 1000} KB"


def _asked(lanes: Racers, **words: object) -> Any:
    lanes.say("one", **words)
    return _heard(lanes, "one")


def _heard(lanes: Racers, role: str) -> Any:
    answer = lanes.hear(role)
    assert answer is not None, "a process of the proof ended"
    assert not str(answer).startswith(("database:", "refused")), answer
    return answer


def _until(holds: Any, what: str) -> None:
    print(f"  until: {what}", flush=True)
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.2)
