"""`make refund-race`: two members of staff, a third with less, and two workers at once on one payment, in own processes.

In every 20th trial one of them is killed in the middle. At the end no payment may have given back more than it took: in
our records at every instant, and in the pretend Alipay's book. Without the reservation's guard it must be seen to happen.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from config.local.places import ROOT, scratch_folder
from config.local.proofs.chaos import MORE, production_secrets
from config.local.proofs.figures import keep
from config.local.proofs.verdict import rows
from config.local.servers import Servers, servers
from config.local.smoke import CLOCKS
from config.local.stack import Stack, free_port, stack

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


@dataclass(slots=True)
class Racers:
    """The processes, by role; one that was killed is replaced before the next trial."""

    environment: dict[str, str]
    processes: dict[str, "subprocess.Popen[str]"]

    def start(self, role: str) -> None:
        self.processes[role] = subprocess.Popen(
            [sys.executable, "-m", "config.local.proofs.racer"], cwd=ROOT, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def say(self, role: str, **words: object) -> None:
        pipe = self.processes[role].stdin
        assert pipe is not None, "made with a pipe"
        pipe.write(json.dumps(words) + "\n")
        pipe.flush()

    def hear(self, role: str) -> object:
        """What it answers; None from a process that was killed."""
        pipe = self.processes[role].stdout
        assert pipe is not None, "made with a pipe"
        line = pipe.readline()
        return json.loads(line) if line else None

    def kill(self, role: str) -> None:
        self.processes[role].send_signal(signal.SIGKILL)
        self.processes[role].wait()


def refund_race(*, trials: int, seed: int) -> int:
    """Run trials and the negative control; the exit code is 1 when a payment gave back too much, or the control did not."""
    with scratch_folder() as data, servers(data, durable=True) as running:
        more = {
            **CLOCKS,
            **MORE,
            **production_secrets(),
            "STATIC_ROOT": str(data / "static"),
            "MEDIA_ROOT": str(data / "media"),
        }
        shop_port = free_port()
        more |= {
            "SITE_URL": f"https://127.0.0.1:{shop_port}",
            "DATABASE_POOL": "0",
            "BILL_ORIGINS": "",
            "WEBHOOK_PRIVATE_HOSTS": "",
        }
        with stack(running, data, shop_port=shop_port, sandbox_port=free_port(), more=more, echo=False) as product:
            product.stop("beat", "worker", "web")
            over, kills = _race(product, running, trials, random.Random(seed))  # noqa: S311  # a plan, no secret
            unended = _ended(product, running)
            over += _over_at_alipay(product)
            control = _control(product, running)
    lines = [
        f"seed {seed}; {kills} kills; refunds that never ended: {unended}",
        f"negative control, the reservation's guard taken out: {control} of {CONTROLS} trials reserve more than was paid",
        f"refund-race: {trials} trials, {over} over-refunds",
    ]
    keep("refund-race", lines)
    print("\n".join(lines))
    return 0 if not over and not unended and control >= 0.95 * CONTROLS else 1


def _race(product: Stack, running: Servers, trials: int, chance: random.Random) -> tuple[int, int]:
    over = kills = 0
    with _racers(product.environment) as racers:
        for trial in range(1, trials + 1):
            attempt = _made(racers, product)
            victim = chance.choice(ROLES) if trial % 20 == 0 else None
            _trial(racers, attempt, victim, chance)
            kills += victim is not None
            over += int(rows(running, OVER)[0][0])
            if trial % 100 == 0:
                print(f"  {trial} of {trials} trials, {over} over-refunds", flush=True)
    return over, kills


def _trial(racers: Racers, attempt: int, victim: str | None, chance: random.Random) -> None:
    for role in ROLES:
        if role in ASKED:
            racers.say(role, act="refund", attempt=attempt, fen=ASKED[role], who=f"staff:{role}")
        else:
            racers.say(role, act="work")
    if victim:
        time.sleep(chance.uniform(0, 0.03))
        racers.kill(victim)
    for role in ROLES:
        if racers.hear(role) is None or role == victim:  # it may have answered before it was killed
            racers.start(role)


def _made(racers: Racers, product: Stack) -> int:
    """One paid attempt, made by a process that races afterwards."""
    for _ in range(10):
        racers.say("first", act="make", sandbox=product.sandbox)
        made = racers.hear("first")
        if isinstance(made, int):
            return made
    raise AssertionError("no payment could be made")


def _ended(product: Stack, running: Servers) -> int:
    """Workers go on until every refund has ended, two minutes at most; how many have not."""
    until = time.monotonic() + 120
    with _racers(product.environment, roles=("worker1", "worker2")) as racers:
        while rows(running, UNENDED)[0][0] and time.monotonic() < until:
            for role in ("worker1", "worker2"):
                racers.say(role, act="work")
            for role in ("worker1", "worker2"):
                racers.hear(role)
    return int(rows(running, UNENDED)[0][0])


def _over_at_alipay(product: Stack) -> int:
    with urllib.request.urlopen(f"{product.sandbox}/control/book", timeout=30) as answer:
        trades = json.load(answer)["trades"]
    back: dict[str, int] = defaultdict(int)
    for trade in trades:
        for each in trade["refunds"]:
            back[trade["out_trade_no"]] += round(float(each["refund_amount"]) * 100)
    return sum(fen > 100 for fen in back.values())


def _control(product: Stack, running: Servers) -> int:
    """The same trials without the guard: how many end with more set aside than was paid."""
    before = int(rows(running, OVER)[0][0])
    with _racers({**product.environment, "RACE_WITHOUT_RESERVATION": "1"}) as racers:
        for _ in range(CONTROLS):
            _trial(racers, _made(racers, product), None, random.Random(1))  # noqa: S311  # unused without a victim
    return int(rows(running, OVER)[0][0]) - before


@contextlib.contextmanager
def _racers(environment: dict[str, str], roles: tuple[str, ...] = ROLES) -> Iterator[Racers]:
    racers = Racers({**os.environ, **environment}, {})
    for role in roles:
        racers.start(role)
    try:
        yield racers
    finally:
        for process in racers.processes.values():
            process.kill()
            process.wait()
