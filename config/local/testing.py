"""`make test`: real servers for the length of the suite, then pytest."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from config.local.places import ROOT, SYSTEM, reachable, server_user
from config.local.servers import OWNER, Servers, servers

TEMPLATE = "jiezhang_template"


def test(words: list[str]) -> int:
    """Run the suite, or what the words name. Further words go to pytest."""
    base = Path(tempfile.gettempdir())
    if server_user() and not reachable(base):
        base = SYSTEM
        base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jz-test-", dir=base) as scratch:
        Path(scratch).chmod(0o755)
        with servers(Path(scratch), durable=False) as running:
            _make_template(running)
            environment = {**os.environ, **_environment(running)}
            parallel = [] if any(word.startswith("-n") for word in words) else ["-n", "2", "--dist", "loadgroup"]
            return subprocess.run(
                [sys.executable, "-m", "pytest", *parallel, *words], cwd=ROOT, env=environment, check=False
            ).returncode


def _make_template(running: Servers) -> None:
    """Migrate once; every test process gets a copy."""
    running.sql(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    environment = {**os.environ, **_environment(running)}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)


def _environment(running: Servers) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": running.database_url(name=TEMPLATE),
        "DATABASE_OWNER_URL": running.database_url(OWNER, name=TEMPLATE),
        "DATABASE_POOL": "0",
        "REDIS_URL": running.redis_url,
        "TEST_SOCKETS": str(running.sockets),
    }
