"""Production refuses to start half configured, and `.env.example` tells the truth."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.local.places import ROOT

COMPLETE = {
    "SECRET_KEY": "k" * 60, "SEAL_KEYS": "k1:" + "A" * 43 + "=", "AUDIT_SEAL_KEYS": "a1:" + "E" * 43 + "=",
    "SITE_URL": "https://tea.example",
    "ALLOWED_HOSTS": "tea.example", "DATABASE_URL": "postgres://app:x@db/shop", "REDIS_URL": "redis://:x@cache/0",
}  # fmt: skip


def started(environment: dict[str, str], *, then: str = "") -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {then}"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**clean, "DJANGO_SETTINGS_MODULE": "config.settings.production", **environment},
    )  # fmt: skip


@pytest.mark.rows("M15")
def test_a_complete_configuration_starts_and_its_cookies_travel_by_tls_alone():
    asked = "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE)"
    done = started(COMPLETE, then=asked)

    assert done.returncode == 0
    assert done.stdout.strip() == "True True"


@pytest.mark.rows("F71")
@pytest.mark.parametrize("name", COMPLETE)
def test_a_missing_setting_is_named_and_nothing_starts(name: str):
    done = started({key: value for key, value in COMPLETE.items() if key != name})

    assert done.returncode != 0
    assert f"{name} is not set" in done.stderr


HIDDEN = "hunter2hunter2"
BROKEN = {
    "SECRET_KEY": HIDDEN, "SEAL_KEYS": HIDDEN, "AUDIT_SEAL_KEYS": f"a1:{HIDDEN}", "SITE_URL": "http://tea.example",
    "ALLOWED_HOSTS": "*", "DATABASE_URL": f"mysql://app:{HIDDEN}@db/shop", "DATABASE_OWNER_URL": HIDDEN, "REDIS_URL": HIDDEN,
    "EMAIL_URL": f"carrier-pigeon://me:{HIDDEN}@roof", "LOG_LEVEL": "LOUD", "PAYMENTS_GRACE_S": "two minutes",
    "PAYMENTS_LEAST_LIFE_S": "-1", "PAYMENTS_LADDER_S": "60,soon", "PAYMENTS_REFUND_LADDER_S": "0", "PAYMENTS_LOOK_BACK_S": "",
    "PAYMENTS_CALL_DEADLINE_S": "0", "DATABASE_POOL": "many", "SECURE_HSTS_SECONDS": "a year",
    "PAYMENTS_BREAKER_FAILURES": "0", "BILL_ORIGINS": "http://127.0.0.1:9000",
    "WEBHOOK_PRIVATE_HOSTS": "127.0.0.1",
}  # fmt: skip


@pytest.mark.rows("F71")
@pytest.mark.parametrize(("name", "value"), BROKEN.items(), ids=list(BROKEN))
def test_a_broken_setting_is_named_never_shown_and_nothing_starts(name: str, value: str):
    done = started({**COMPLETE, name: value})

    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name}" in done.stderr
    assert HIDDEN not in done.stderr


def names_read() -> set[str]:
    text = "".join(path.read_text() for path in (ROOT / "config/settings").glob("*.py"))
    return set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', text))


def test_the_example_names_every_setting_that_is_read_and_no_other():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))

    assert named == names_read()


def test_every_setting_of_the_example_is_explained():
    blocks = (ROOT / ".env.example").read_text().split("\n\n")

    assert all("# " in block for block in blocks)


@pytest.mark.rows("F55", "F56")
def test_money_never_asks_the_clock_of_the_process():
    """One clock decides, the database's: no room of payments reads its own."""
    own_clock = re.compile(r"timezone\.now\(|datetime\.now\(|datetime\.utcnow\(|\btime\.time\(|date\.today\(")
    allowed = {  # windows of tries, the pretend side, and a name for a key: none of them decides about money
        Path("payments/services/throttle.py"),
        Path("payments/sandbox/web.py"),
        Path("payments/management/commands/new_seal_key.py"),
    }
    guilty = [
        path.relative_to(ROOT)
        for path in (ROOT / "payments").rglob("*.py")
        if own_clock.search(path.read_text()) and path.relative_to(ROOT) not in allowed
    ]

    assert guilty == []


def test_commands_beside_a_running_demo_fetch_its_bills(tmp_path: Path):
    (tmp_path / ".run").mkdir()
    told = {"shop": "http://localhost:8123", "sandbox": "http://127.0.0.1:8124"}
    (tmp_path / ".run" / "demo.json").write_text(json.dumps(told))
    code = (
        "import pathlib, sys; from config.settings import base; base.ROOT = pathlib.Path(sys.argv[1])\n"
        "from config.settings import dev; print(dev.SITE_URL, *dev.BILL_ORIGINS)"
    )
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=plain, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["http://localhost:8123", "http://127.0.0.1:8124"], done.stderr
