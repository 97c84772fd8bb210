"""`make order-race`: five processes at one order in the same moment, while web, worker and beat run as in production.

The buyer confirms at Alipay, whose notice goes to the web process; the browser comes back; the poller asks; the closer
ends the order at Alipay; staff want everything back. Whoever is first, one legal history comes of it: paid at Alipay is
paid here, once; closed there is closed here; goods and refunds agree, and both books do, to the fen.
"""

import random
import time
from collections import Counter

from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.product import product
from config.local.proofs.racers import Racers, racers
from config.local.proofs.verdict import judge, rows, waiting
from config.local.servers import Servers
from config.local.stack import Stack

RACER = "config.local.proofs.order_racer"
ROLES = ("buyer", "browser", "poller", "closer", "staff")
START_S, SPREAD_S, DRAIN_S = 0.02, 0.03, 120.0
BUYER_LATER_S = (0.0, 0.05, 0.1, 0.2)  # closing takes two steps more than paying: without it the buyer would always win
CONTROLS = 40
ODD = """
SELECT o.number FROM payments_order o LEFT JOIN payments_transaction t ON t.id = o.paid_by_id
WHERE (SELECT count(*) FROM payments_auditevent a
       WHERE a.subject_kind = 'order' AND a.subject_id = o.id AND a.action = 'paid') <> (t.id IS NOT NULL)::int
   OR (SELECT count(*) FROM payments_outboxmessage m
       WHERE m.topic = 'order.paid' AND m.payload->>'order_id' = o.id::text) <> (t.id IS NOT NULL)::int
   OR (SELECT count(*) FROM payments_transfer f
       WHERE f.transaction_id = t.id AND f.cause = 'capture') <> (t.id IS NOT NULL)::int
   OR (SELECT count(*) FROM payments_refund r WHERE r.transaction_id = t.id AND r.state = 'succeeded') > 1
"""


def order_race(*, trials: int, seed: int) -> int:
    """Run trials and the negative control; the exit code is 1 when a history is not legal, or the control shows nothing."""
    with scratch_folder() as data, product(data) as (processes, running):
        seen = _race(processes, trials, random.Random(seed))  # noqa: S311  # a plan, no secret
        left = _drained(running)
        (data / "history").touch()
        verdict = judge(processes, running, data / "history")
        odd = [f"order {number}: not one history" for (number,) in rows(running, ODD)]
        control = _control(processes)
    bad = len(odd) + len(verdict.violations) + seen["database"] + bool(verdict.lost or verdict.doubled)
    lines = [
        f"seed {seed}; {seen['paid']} were paid, {seen['closed']} closed, {seen['refund']} given back at that moment",
        f"both books: {verdict.lost} fen lost, {verdict.doubled} fen doubled; left to do after {DRAIN_S:.0f} s: {left}",
        f"negative control, a payment may move twice: {control} of {CONTROLS} trials were stopped by the database alone",
        *odd[:10], *verdict.violations[:10], f"order-race: {trials} trials, {bad} violations",
    ]  # fmt: skip
    keep("order-race", lines)
    print("\n".join(lines))
    return 0 if not bad and not left and control >= 0.95 * CONTROLS else 1


def _race(processes: Stack, trials: int, chance: random.Random) -> Counter[str]:
    seen: Counter[str] = Counter()
    with racers(RACER, processes.environment | {"DATABASE_POOL": "0"}, ROLES) as lanes:
        for trial in range(1, trials + 1):
            told = race_once(lanes, processes.sandbox, chance)
            seen["paid" if told["buyer"] == "paid" else "closed"] += 1
            seen["refund"] += told["staff"] == "asked"
            seen["database"] += sum(each.startswith("database") for each in told.values())
            if trial % 100 == 0:
                print(f"  {trial} of {trials} trials, {seen['paid']} paid, {seen['database']} refused", flush=True)
    return seen


def race_once(lanes: Racers, sandbox: str, chance: random.Random) -> dict[str, str]:
    """One order and its five; what each of them was told."""
    made = _made(lanes, sandbox)
    about = {name: made[name] for name in ("order", "attempt")}
    acts: dict[str, dict[str, object]] = {
        "buyer": {"act": "pay", "sandbox": sandbox, "number": made["number"]}, "browser": {"act": "come_back", **about},
        "poller": {"act": "ask", "attempt": made["attempt"]}, "closer": {"act": "close", "order": made["order"]},
        "staff": {"act": "give_back", "attempt": made["attempt"]},
    }  # fmt: skip
    start = time.monotonic() + START_S
    later = {"buyer": chance.choice(BUYER_LATER_S)}
    for role in ROLES:
        lanes.say(role, at=start + later.get(role, 0) + chance.uniform(0, SPREAD_S), **acts[role])
    return {role: str(lanes.hear(role)) for role in ROLES}


def _made(lanes: Racers, sandbox: str) -> dict[str, object]:
    for _ in range(10):
        lanes.say("buyer", act="make", sandbox=sandbox)
        made = lanes.hear("buyer")
        if isinstance(made, dict):
            return made
    raise AssertionError(f"no order could be made: {made}")


def _drained(running: Servers) -> int:
    """Worker and beat go on until nothing is left to do; what is, after two minutes."""
    until = time.monotonic() + DRAIN_S
    while (left := waiting(running)) and time.monotonic() < until:
        time.sleep(0.5)
    return left


def _control(processes: Stack) -> int:
    """Without the guard, a question about what is paid already: how often only the database kept it from moving again."""
    stopped = 0
    environment = processes.environment | {"DATABASE_POOL": "0", "RACE_WITHOUT_PAID_ONCE": "1"}
    with racers(RACER, environment, ("buyer", "poller")) as lanes:
        for _ in range(CONTROLS):
            made = _made(lanes, processes.sandbox)
            lanes.say("buyer", act="pay", sandbox=processes.sandbox, number=made["number"])
            lanes.say("poller", act="ask", attempt=made["attempt"])
            told = [str(lanes.hear("buyer")), str(lanes.hear("poller"))]
            lanes.say("poller", act="ask", attempt=made["attempt"])
            stopped += any(each.startswith("database") for each in [*told, str(lanes.hear("poller"))])
    return stopped
