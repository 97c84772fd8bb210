"""The product's own processes on this machine: web, worker, beat and the pretend Alipay, as the Procfile runs them."""

import contextlib
import os
import shlex
import signal
import socket
import string
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery

from config.local.places import ROOT
from config.local.servers import Servers
from config.local.watcher import dies_with_us

HEALTHY_S = 60.0
STOP_S = 20.0


class StackFailed(Exception):
    """A process of ours does not come up or ended; the text shows its last words."""


@dataclass(slots=True)
class Stack:
    """Running processes by name, with the addresses people and tests use."""

    shop: str
    sandbox: str
    data: Path
    environment: dict[str, str]
    echo: bool
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, command: list[str]) -> None:
        """Start one process; its output goes to a file, and to the terminal too when echoing."""
        log = self.data / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                stdout=subprocess.PIPE if self.echo else output, start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGTERM),
            )  # fmt: skip
        self.processes[name] = process
        if self.echo:
            threading.Thread(target=_echo, args=(name, process, log), daemon=True).start()

    def run(self, name: str) -> None:
        """Start one of: sandbox, web, worker, beat."""
        self.start(name, self._sandbox_command() if name == "sandbox" else _procfile(self.environment)[name])

    def until_healthy(self, names: tuple[str, ...] = ("sandbox", "web", "worker", "beat")) -> None:
        """Wait until each of these answers. Raises StackFailed."""
        checks: dict[str, Callable[[], bool]] = {
            "sandbox": lambda: answers(f"{self.sandbox}/healthz"),
            "web": lambda: answers(f"{self.shop}/readyz", says="ready"),
            "worker": self._worker_answers,
            "beat": lambda: True,
        }
        until = time.monotonic() + HEALTHY_S
        for name in names:
            while not checks[name]():
                self.check_alive(name)
                if time.monotonic() > until:
                    raise StackFailed(f"{name} does not answer within {HEALTHY_S:g} s:\n{self.last_words(name)}")
                time.sleep(0.1)
            self.check_alive(name)

    def check_alive(self, *names: str) -> None:
        """Raises StackFailed for a process that ended."""
        for name in names or self.processes:
            if self.processes[name].poll() is not None:
                raise StackFailed(f"{name} ended with {self.processes[name].returncode}:\n{self.last_words(name)}")

    def stop(self, *names: str) -> None:
        """End these processes, or all: politely, at last not."""
        chosen = [self.processes[name] for name in names or tuple(reversed(self.processes))]
        for process in chosen:
            _signal_group(process, signal.SIGTERM)
        until = time.monotonic() + STOP_S
        for process in chosen:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, until - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def manage(self, *words: str) -> str:
        """Run one manage.py command; its output. Raises StackFailed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment | {"DATABASE_POOL": "0"},  # its end waits for no pool's threads
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            preexec_fn=dies_with_us(signal.SIGTERM),
        )
        if done.returncode != 0:
            raise StackFailed(f"manage.py {words[0]}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def last_words(self, name: str) -> str:
        log = self.data / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""

    def _sandbox_command(self) -> list[str]:
        port = self.sandbox.rsplit(":", 1)[-1]
        options = shlex.split(self.environment.get("SANDBOX_OPTIONS", ""))
        return [
            sys.executable,
            "manage.py",
            "alipay_sandbox",
            "--port",
            port,
            "--data",
            str(self.data / "alipay"),
            *options,
        ]

    def _worker_answers(self) -> bool:
        broker = self.environment["REDIS_URL"].replace("unix://", "redis+socket://")
        with Celery(broker=broker, set_as_current=False) as caller:
            return bool(caller.control.ping(timeout=0.5, limit=1))


@contextlib.contextmanager
def stack(
    servers: Servers, data: Path, *, shop_port: int, sandbox_port: int, more: dict[str, str], echo: bool
) -> Iterator[Stack]:
    """Migrate, connect the pretend Alipay, run everything, wait until it is healthy; stop all of it at the end.

    more  further environment, such as shorter clocks
    """
    shop, sandbox = f"http://{our_name()}:{shop_port}", f"http://127.0.0.1:{sandbox_port}"
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}", "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings.dev", "HOST": "127.0.0.1", "PORT": str(shop_port), "SITE_URL": shop,
        "WEB_CONCURRENCY": "2", "WEB_THREADS": "8", "WORKER_CONCURRENCY": "2", "LOG_FORMAT": "console",
        "BILL_ORIGINS": sandbox, "WEBHOOK_PRIVATE_HOSTS": "127.0.0.1,localhost", **servers.environment(), **more,
    }  # fmt: skip
    running = Stack(shop=shop, sandbox=sandbox, data=data, environment=environment, echo=echo)
    try:
        running.run("sandbox")
        running.until_healthy(("sandbox",))
        folder = str(data / "alipay")
        running.manage("seed_demo", "--migrate", "--gateway", f"{sandbox}/gateway.do", "--folder", folder)
        running.manage("seed_shop")
        for name in ("web", "worker", "beat"):
            running.run(name)
        running.until_healthy()
        yield running
    finally:
        running.stop()


def answers(url: str, *, says: str = "") -> bool:
    """Whether an address answers 200, with exactly this text where one is given."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200 and (not says or response.read().decode() == says)
    except (OSError, urllib.error.URLError):
        return False


def our_name() -> str:
    """What browsers call this machine: "localhost", for they take no passkey at a bare address.

    The servers listen at 127.0.0.1. Where the name means ::1 first, a caller is refused there at once and comes here next;
    `free_port` takes no port at which somebody else would answer there.
    """
    try:
        found = {each[4][0] for each in socket.getaddrinfo("localhost", None, socket.AF_INET, socket.SOCK_STREAM)}
    except OSError:
        return "127.0.0.1"
    return "localhost" if found == {"127.0.0.1"} else "127.0.0.1"


def free_port(wanted: int = 0) -> int:
    """This port, or the next free one after it; any free one for 0. Free at both addresses that "localhost" may mean."""
    for port in range(wanted, wanted + 100) if wanted else [0] * 100:
        with contextlib.ExitStack() as probes:
            try:
                here = probes.enter_context(_bound(socket.AF_INET, "127.0.0.1", port))
                free = int(here.getsockname()[1])
                if _has_ipv6():
                    probes.enter_context(_bound(socket.AF_INET6, "::1", free))
            except OSError:
                continue
            return free
    raise StackFailed(f"no free port from {wanted} to {wanted + 99}")


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """Bound to it, and listening nowhere. Raises OSError where somebody else is."""
    probe = socket.socket(family)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    except OSError:
        probe.close()
        raise
    return probe


def _has_ipv6() -> bool:
    """Whether this machine has ::1 at all."""
    try:
        _bound(socket.AF_INET6, "::1", 0).close()
    except OSError:
        return False
    return True


def _procfile(environment: dict[str, str]) -> dict[str, list[str]]:
    """The Procfile's commands by name, with the environment filled in."""
    commands = {}
    for line in (ROOT / "Procfile").read_text().splitlines():
        name, _, command = line.partition(":")
        program, *words = shlex.split(string.Template(command).substitute(environment))
        commands[name] = [_tool(program), *words]
    return commands


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _echo(name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    assert process.stdout is not None, "echoed processes write to a pipe"
    with log.open("ab") as copy:
        for line in process.stdout:
            copy.write(line)
            copy.flush()
            print(f"{name:>8} | {line.decode(errors='replace')}", end="", flush=True)


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
