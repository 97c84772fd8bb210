"""`make refund-race`: two members of staff, a third with less, and two workers at once on one payment, in own processes.

In every 20th trial one of them is killed in the middle. At the end no payment may have given back more than it took: in
our records at every instant, and in the pretend Alipay's book. Without the reservation's guard it must be seen to happen.
"""

import json
import random
import time
import urllib.request
from collections import defaultdict

from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.product import product
from config.local.proofs.racers import Racers, racers
from config.local.proofs.verdict import rows
from config.local.servers import Servers
from config.local.stack import Stack

RACER = "config.local.proofs.racer"
ROLES = ("first", "second", "third", "worker1", "worker2")
ASKED = {"first": 60, "second": 60, "third": 40}  # of 100 fen: two of them fit, never all
CONTROLS = 40
OVER = """
SELECT count(*) FROM payments_transaction t
WHERE t.refunded_fen + t.reserved_fen > t.amount_fen
   OR (SELECT coalesce(sum(amount_fen), 0) FROM payments_refund r
       WHERE r.transaction_id = t.id AND r.state IN ('requested', 'approved', 'sent', 'succeeded')) > t.amount_fen
"""
UNENDED = "SELECT count(*) FROM payments_refund WHERE state IN ('approved', 'sent')"


def refund_race(*, trials: int, seed: int) -> int:
    """Run trials and the negative control; the exit code is 1 when a payment gave back too much, or the control did not."""
    with scratch_folder() as data, product(data, DATABASE_POOL="0") as (processes, running):
        processes.stop("beat", "worker", "web")
        over, kills = _race(processes, running, trials, random.Random(seed))  # noqa: S311  # a plan, no secret
        unended = _ended(processes, running)
        over += _over_at_alipay(processes)
        control = _control(processes, running)
    lines = [
        f"seed {seed}; {kills} kills; refunds that never ended: {unended}",
        f"negative control, the reservation's guard taken out: {control} of {CONTROLS} trials reserve more than was paid",
        f"refund-race: {trials} trials, {over} over-refunds",
    ]
    keep("refund-race", lines)
    print("\n".join(lines))
    return 0 if not over and not unended and control >= 0.95 * CONTROLS else 1


def _race(processes: Stack, running: Servers, trials: int, chance: random.Random) -> tuple[int, int]:
    over = kills = 0
    with racers(RACER, processes.environment, ROLES) as lanes:
        for trial in range(1, trials + 1):
            attempt = _made(lanes, processes)
            victim = chance.choice(ROLES) if trial % 20 == 0 else None
            _trial(lanes, attempt, victim, chance)
            kills += victim is not None
            over += int(rows(running, OVER)[0][0])
            if trial % 100 == 0:
                print(f"  {trial} of {trials} trials, {over} over-refunds", flush=True)
    return over, kills


def _trial(lanes: Racers, attempt: int, victim: str | None, chance: random.Random) -> None:
    for role in ROLES:
        if role in ASKED:
            lanes.say(role, act="refund", attempt=attempt, fen=ASKED[role], who=f"staff:{role}")
        else:
            lanes.say(role, act="work")
    if victim:
        time.sleep(chance.uniform(0, 0.03))
        lanes.kill(victim)
    for role in ROLES:
        if lanes.hear(role) is None or role == victim:  # it may have answered before it was killed
            lanes.start(role)


def _made(lanes: Racers, processes: Stack) -> int:
    """One paid attempt, made by a process that races afterwards."""
    for _ in range(10):
        lanes.say("first", act="make", sandbox=processes.sandbox)
        made = lanes.hear("first")
        if isinstance(made, int):
            return made
    raise AssertionError("no payment could be made")


def _ended(processes: Stack, running: Servers) -> int:
    """Workers go on until every refund has ended, two minutes at most; how many have not."""
    until = time.monotonic() + 120
    with racers(RACER, processes.environment, ("worker1", "worker2")) as lanes:
        while rows(running, UNENDED)[0][0] and time.monotonic() < until:
            for role in ("worker1", "worker2"):
                lanes.say(role, act="work")
            for role in ("worker1", "worker2"):
                lanes.hear(role)
    return int(rows(running, UNENDED)[0][0])


def _over_at_alipay(processes: Stack) -> int:
    with urllib.request.urlopen(f"{processes.sandbox}/control/book", timeout=30) as answer:
        trades = json.load(answer)["trades"]
    back: dict[str, int] = defaultdict(int)
    for trade in trades:
        for each in trade["refunds"]:
            back[trade["out_trade_no"]] += round(float(each["refund_amount"]) * 100)
    return sum(fen > 100 for fen in back.values())


def _control(processes: Stack, running: Servers) -> int:
    """The same trials without the guard: how many end with more set aside than was paid."""
    before = int(rows(running, OVER)[0][0])
    with racers(RACER, {**processes.environment, "RACE_WITHOUT_RESERVATION": "1"}, ROLES) as lanes:
        for _ in range(CONTROLS):
            _trial(lanes, _made(lanes, processes), None, random.Random(1))  # noqa: S311  # unused without a victim
    return int(rows(running, OVER)[0][0]) - before
