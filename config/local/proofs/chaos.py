"""`make chaos`: the real processes under load, killed at random instants, and then both books compared to the fen.

Every kill and every acknowledged act goes to a history file; the verdict is computed from that, the records and the
pretend Alipay's own book.
"""

import contextlib
import json
import os
import random
import secrets
import signal
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis

from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.verdict import Verdict, judge, waiting
from config.local.servers import Servers, ServersFailed, kill_postgres, servers, start_postgres, start_valkey
from config.local.smoke import CLOCKS
from config.local.stack import Stack, answers, free_port, stack

BUYERS = 4
DRAIN_S = 240.0
PROCESSES = ("web", "worker", "beat", "sandbox", "buyers")
FAULTS = ("swallow", "http_500", "cut", "html", "unsigned", "notice_lost", "notice_twice", "notice_late", "stale")
MORE = {
    "PAYMENTS_REFUND_LADDER_S": "2,3,5,5,10", "PAYMENTS_REFUND_ABSENT_S": "2", "DATABASE_POOL": "8", "LOG_LEVEL": "ERROR",
    "LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "config.settings.proof", "SECURE_SSL_REDIRECT": "false",
    "BEHIND_TLS_PROXY": "true", "ALLOWED_HOSTS": "127.0.0.1",
}  # fmt: skip


@dataclass(slots=True)
class Chaos:
    """One run: who lives, what was done to them, and how long it took to come back."""

    product: Stack
    running: Servers
    data: Path
    orders: int
    chance: random.Random
    shares: dict[str, list[str]] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    kills: int = 0
    cuts: int = 0
    ended: int = 0

    @property
    def history(self) -> Path:
        return self.data / "history.jsonl"

    def start_buyers(self) -> None:
        for at in range(BUYERS):
            share = self.orders // BUYERS + (at < self.orders % BUYERS)
            words = [str(at + 1), str(share), str(self.history), self.product.sandbox]
            self.shares[f"buyers{at}"] = words
            self._run(f"buyers{at}")

    def done(self) -> int:
        """How many orders the buyers are through with."""
        return self.history.read_bytes().count(b'"what": "done"') if self.history.exists() else 0

    def kill(self) -> None:
        """kill -9 to one process with all its children, at whatever it is doing; then it starts again."""
        name = self.chance.choice(PROCESSES)
        name = f"buyers{self.chance.randrange(BUYERS)}" if name == "buyers" else name
        self.kills += 1
        self.note("kill", process=name)
        self._kill(name)
        time.sleep(self.chance.uniform(0, 0.5))
        self._run(name)

    def disturb(self) -> None:
        """Something else goes wrong: the database, the broker, the gateway, the notices."""
        choices: list[Callable[[], object]] = [
            self._stop_postgres, self._end_backends, self._flush_valkey, self._restart_valkey, self._break_gateway,
            self._break_gateway,
        ]  # fmt: skip
        act = self.chance.choice(choices)
        self.note("disturb", how=act.__name__.strip("_"))
        act()

    def cut_power(self) -> None:
        """Everything at once: our processes, PostgreSQL, Valkey. Then all of it again, and how long until it serves."""
        self.cuts += 1
        self.note("power cut")
        for name in self.product.processes:
            self._kill(name)
        kill_postgres(self.running)
        self.running.processes["valkey"].kill()
        self.running.processes["valkey"].wait()
        started = time.monotonic()
        self._start_servers()
        for name in ("sandbox", "web", "worker", "beat", *self.shares):
            self._run(name)
        while not answers(f"{self.product.shop}/readyz", says="ready") and time.monotonic() - started < DRAIN_S:
            time.sleep(0.1)
        self.recoveries.append(time.monotonic() - started)

    def revive(self) -> None:
        """What a service manager does: a process that ended by itself starts again."""
        for name in ("sandbox", "web", "worker", "beat"):
            if self.product.processes[name].poll() is not None:
                self.ended += 1
                self.note("ended by itself", process=name)
                self._run(name)

    def drain(self) -> float:
        """All faults off, everything alive: the seconds until nothing is left to do, DRAIN_S at most."""
        started = time.monotonic()
        self._faults("clear=true")
        self.running.until_ready(self.data)
        while waiting(self.running) and time.monotonic() - started < DRAIN_S:
            self.revive()
            time.sleep(0.5)
        return time.monotonic() - started

    def note(self, what: str, **facts: object) -> None:
        with self.history.open("a") as file:
            file.write(json.dumps({"at": time.time(), "what": what, **facts}) + "\n")

    # --- inside -----------------------------------------------------------------------------------------------------

    def _run(self, name: str) -> None:
        if name not in self.shares:
            self.product.run(name)
            return
        seed, share, *rest = self.shares[name]
        self.shares[name] = [str(int(seed) + BUYERS), share, *rest]  # a life of its own, should it be started again
        left = int(share) - self._done_by(name)
        if left > 0:
            self.product.start(name, [sys.executable, "-m", "config.local.proofs.buyers", seed, str(left), *rest])

    def _done_by(self, name: str) -> int:
        """Orders this share of the buyers has gone through in all its lives: their seeds differ by BUYERS."""
        at = int(name.removeprefix("buyers"))
        lines = self.history.read_text().splitlines() if self.history.exists() else []
        found = [json.loads(line) for line in lines if '"done"' in line]
        return sum((each["seed"] - 1) % BUYERS == at for each in found)

    def _kill(self, name: str) -> None:
        process = self.product.processes[name]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _stop_postgres(self) -> None:
        """Immediate shutdown: no checkpoint, every connection cut; then recovery from the log."""
        self.running.processes["postgres"].send_signal(signal.SIGQUIT)
        self.running.processes["postgres"].wait()
        self.running.processes["postgres"] = start_postgres(self.data / "postgres", self.running.sockets, durable=True)

    def _end_backends(self) -> None:
        with contextlib.suppress(ServersFailed):  # it may be starting up still: then there is no one to end
            self.running.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jiezhang_app' AND random() < 0.6"
            )

    def _flush_valkey(self) -> None:
        with redis.Redis(unix_socket_path=f"{self.running.sockets}/valkey.sock") as client:
            client.flushall()

    def _restart_valkey(self) -> None:
        self.running.processes["valkey"].kill()
        self.running.processes["valkey"].wait()
        time.sleep(2)
        self.running.processes["valkey"] = start_valkey(self.data / "valkey", self.running.sockets)

    def _break_gateway(self) -> None:
        wanted = self.chance.sample(FAULTS, 3)
        self._faults("&".join(["clear=true", *(f"{name}=0.2" for name in wanted), "seconds=4"]))

    def _faults(self, form: str) -> None:
        for _ in range(20):
            try:
                urllib.request.urlopen(f"{self.product.sandbox}/control/faults", data=form.encode(), timeout=5).read()
                return
            except OSError:
                time.sleep(0.5)

    def _start_servers(self) -> None:
        sockets = self.running.sockets
        self.running.processes["postgres"] = start_postgres(self.data / "postgres", sockets, durable=True)
        self.running.processes["valkey"] = start_valkey(self.data / "valkey", sockets)
        self.running.until_ready(self.data)


def chaos(*, kills: int, orders: int, seed: int) -> int:
    """Run it; the exit code is 1 when a fen is lost or doubled, an invariant broken, or something never settles."""
    started = time.monotonic()
    with scratch_folder() as data, servers(data, durable=True) as running:
        more = {
            **CLOCKS,
            **MORE,
            **production_secrets(),
            "STATIC_ROOT": str(data / "static"),
            "MEDIA_ROOT": str(data / "media"),
        }
        shop_port = free_port()
        more |= {"SITE_URL": f"https://127.0.0.1:{shop_port}", "BILL_ORIGINS": "", "WEBHOOK_PRIVATE_HOSTS": ""}
        with stack(running, data, shop_port=shop_port, sandbox_port=free_port(), more=more, echo=False) as product:
            run = Chaos(product, running, data, orders, random.Random(seed))  # noqa: S311  # a plan, no secret
            _rage(run, kills)
            drained = run.drain()
            verdict = judge(product, running, run.history)
    return _told(run, verdict, drained, time.monotonic() - started, seed)


def _rage(run: Chaos, kills: int) -> None:
    """Kills spread over the orders, a disturbance beside every other one, a power cut after every tenth."""
    run.start_buyers()
    for at in range(kills):
        wanted = (at + 0.5) / kills * run.orders * 0.97
        while run.done() < wanted and _some_buyer_lives(run):
            run.revive()
            time.sleep(0.2)
        run.kill()
        if at % 2:
            run.disturb()
        if at % 10 == 9:
            run.cut_power()
        print(f"  {run.kills} kills, {run.done()} of {run.orders} orders", flush=True)
    while _some_buyer_lives(run):
        run.revive()
        time.sleep(0.5)


def _some_buyer_lives(run: Chaos) -> bool:
    return any(run.product.processes[name].poll() is None for name in run.shares if name in run.product.processes)


def _told(run: Chaos, verdict: Verdict, drained: float, took: float, seed: int) -> int:
    line = (
        f"chaos: {run.kills} kills, {verdict.orders} orders, {verdict.lost} fen lost, {verdict.doubled} fen doubled, "
        f"{len(verdict.violations)} violations"
    )
    recovered = ", ".join(f"{each:.1f} s" for each in run.recoveries) or "none"
    lines = [
        f"seed {seed}, {took:.0f} s; nothing left to do {drained:.1f} s after the last fault",
        f"processes that ended by themselves and were started again, as by a service manager: {run.ended}",
        f"power cuts: {run.cuts}; serving again after {recovered}",
        f"at Alipay {verdict.paid} trades paid, {verdict.refunds} refunds; acknowledged to buyers: {verdict.acknowledged}",
        *verdict.violations[:20], line,
    ]  # fmt: skip
    keep("chaos", lines)
    print("\n".join(lines), flush=True)
    return 1 if verdict.lost or verdict.doubled or verdict.violations or verdict.orders < run.orders else 0


def production_secrets() -> dict[str, str]:
    """What production refuses to start without, made for this run."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(48), "SEAL_KEYS": f"c:{b64encode(secrets.token_bytes(32)).decode()}",
        "AUDIT_SEAL_KEYS": f"c:{b64encode(secrets.token_bytes(32)).decode()}",
    }  # fmt: skip
