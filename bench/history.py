"""The books of 1,000,000 orders: how long the invariants, the shorter run and the audit trail's proof take on them.

`python -m config.local bench history`; HISTORY_ORDERS sets another number. A million and more is kept in
docs/figures/invariants.txt. The history is written by set-based SQL as a superuser with triggers off, and looked at
through the product's own commands and role.
Targets: check_invariants ≤ 90 s, --since-last-green ≤ 10 s with 10,000 orders written since, verify_audit ≤ 60 s for a million.
"""

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

from config.local.places import ROOT, scratch_folder
from config.local.proofs.figures import keep
from config.local.servers import DATABASE, Servers, servers

TARGET_ORDERS = 1_000_000
ORDERS = int(os.environ.get("HISTORY_ORDERS", str(TARGET_ORDERS)))
WRITTEN_SINCE = 10_000
FULL = "check_invariants, everything"
SHORT = f"--since-last-green, {WRITTEN_SINCE:,} orders written since"
HISTORY = Path(__file__).with_name("history.sql")
FULL_S, SHORT_S, MILLION_S = 90.0, 10.0, 60.0


def main() -> int:
    with scratch_folder() as data, servers(data, durable=True) as running:
        environment = {
            **os.environ, **running.environment(), "DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_LEVEL": "ERROR",
            "SECRET_KEY": secrets.token_hex(32), "PYTHONPATH": str(ROOT), "DATABASE_POOL": "0",
        }  # fmt: skip
        _manage(environment, "migrate", "--verbosity", "0")
        script = HISTORY.read_text().replace(":orders", str(ORDERS))
        took = {"loading it": _timed(lambda: running.sql(script, database=DATABASE))}
        for step in ("VACUUM ANALYZE", "CHECKPOINT"):
            running.sql(step, database=DATABASE)
        counts = running.sql("SELECT count(*) FROM payments_auditevent", database=DATABASE)
        took[FULL] = _timed(lambda: _manage(environment, "check_invariants"))
        running.sql(_written_since(), database=DATABASE)
        took[SHORT] = _timed(lambda: _manage(environment, "check_invariants", "--since-last-green"))
        took["--since-last-green, nothing written since"] = _timed(
            lambda: _manage(environment, "check_invariants", "--since-last-green")
        )
        took[f"sealing {int(counts):,} events"] = _timed(lambda: _seal(environment))
        took["verify_audit"] = _timed(lambda: _manage(environment, "verify_audit"))
        return _report(took, int(counts), _slowest(running))


def _written_since() -> str:
    """As a day's work would: the newest orders, and among all those of the year some that a person did something to."""
    newest, old = ORDERS - WRITTEN_SINCE * 9 // 10, max(1, ORDERS // (WRITTEN_SINCE // 10))
    chosen = f"(id > {newest} OR id % {old} = 0)"
    return (
        f"UPDATE payments_order SET extensions = extensions WHERE {chosen};"
        f"UPDATE payments_transaction SET version = version + 1 WHERE {chosen};"
        f"UPDATE checkout_stockhold SET quantity = quantity WHERE {chosen.replace('id', 'order_id')};"
        "INSERT INTO payments_auditevent (subject_kind, subject_id, action, actor)"
        f" SELECT 'order', id, 'seen', 'staff:1' FROM payments_order WHERE {chosen}"
    )


def _seal(environment: dict[str, str]) -> None:
    code = (
        "import django; django.setup()\n"
        "from payments.models.clock import database_now\nfrom payments.models.sealing import seal_events\n"
        "while seal_events(until_id=2**62, most=200_000, now=database_now()): pass"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def _manage(environment: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")


def _slowest(running: Servers) -> str:
    """What each invariant took in the full run, dearest first."""
    return running.sql(
        "SELECT string_agg(key || ' ' || (value ->> 'ms') || ' ms', ', ' ORDER BY (value ->> 'ms')::int DESC)"
        " FROM payments_bookscheck b, jsonb_each(results) WHERE b.id = 1",
        database=DATABASE,
    )


def _timed(work: object) -> float:
    started = time.monotonic()
    work()  # type: ignore[operator]  # a callable
    return time.monotonic() - started


def _report(took: dict[str, float], events: int, slowest: str) -> int:
    lines = [f"{ORDERS:,} orders, {events:,} audit events"]
    lines += [f"{seconds:8.1f} s  {name}" for name, seconds in took.items()]
    lines.append(f"full run by invariant: {slowest}")
    per_million = took["verify_audit"] / events * 1_000_000
    verdicts = {
        f"a full run takes ≤ {FULL_S:.0f} s": took[FULL] <= FULL_S,
        f"a run since the last green one takes ≤ {SHORT_S:.0f} s": took[SHORT] <= SHORT_S,
        f"a million audit events are proved in ≤ {MILLION_S:.0f} s ({per_million:.1f} s)": per_million <= MILLION_S,
    }
    lines += [f"{'passed' if holds else 'failed'}  {words}" for words, holds in verdicts.items()]
    print("\n".join(lines))
    if ORDERS >= TARGET_ORDERS:  # a smaller history says nothing about the targets
        keep("invariants", lines)
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
