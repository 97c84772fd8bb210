"""The product under fire: the real processes with buyers at them, and everything that can be done to them.

`make chaos`, `make soak`, `make disk-full` and `make failover` are made of this. Every act and everything that was
acknowledged to somebody goes to a history file; the verdict is computed from that, the records and the pretend
Alipay's own book.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import redis

from config.local.proofs.product import product
from config.local.proofs.verdict import waiting
from config.local.servers import Servers, ServersFailed, kill_postgres, start_postgres, start_valkey
from config.local.stack import Stack, answers

BUYERS = 4
DRAIN_S = 240.0
PROCESSES = ("web", "worker", "beat", "sandbox", "buyers")
FAULTS = ("swallow", "http_500", "cut", "html", "unsigned", "notice_lost", "notice_twice", "notice_late", "stale")


@dataclass(slots=True)
class UnderFire:
    """One run: who lives, what was done to them, and how long it took to come back."""

    product: Stack
    running: Servers
    data: Path
    orders: int
    chance: random.Random
    pause_s: float = 0.0  # of each buyer between two orders
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
            words = [str(at + 1), str(share), str(self.history), self.product.sandbox, str(self.pause_s)]
            self.shares[f"buyers{at}"] = words
            self._run(f"buyers{at}")

    def some_buyer_lives(self) -> bool:
        return any(
            self.product.processes[name].poll() is None for name in self.shares if name in self.product.processes
        )

    def done(self) -> int:
        """How many orders the buyers are through with."""
        return self.history.read_bytes().count(b'"what": "done"') if self.history.exists() else 0

    def stop_buyers(self) -> None:
        """They go away at whatever they are doing, and don't come back."""
        for name in self.shares:
            if name in self.product.processes:
                self._kill(name)

    def kill(self, among: Sequence[str] = PROCESSES) -> None:
        """kill -9 to one process with all its children, at whatever it is doing; then it starts again."""
        name = self.chance.choice(among)
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


@contextlib.contextmanager
def under_fire(data: Path, *, orders: int, seed: int, pause_s: float = 0.0) -> Iterator[UnderFire]:
    """Servers and processes as in production, on this folder; buyers for so many orders are started by the caller."""
    with product(data) as (processes, running):
        chance = random.Random(seed)  # noqa: S311  # a plan, no secret
        yield UnderFire(processes, running, data, orders, chance, pause_s)
