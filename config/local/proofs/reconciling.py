"""`make reconcile-proof`: a day of bills with planted differences, through `manage.py reconcile`, whole and killed.

Found must be what was planted, each as its kind and nothing besides; the same files again change nothing; and a process that
is killed anywhere and run again leaves the same lines, differences, cases, bookings and fees as one that was let live.
"""

import hashlib
import os
import random
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import psycopg

from config.local.places import ROOT, scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.planted_bills import bills
from config.local.proofs.planting import APP_ID, DAY, PID, Planted, Truth, planted
from config.local.proofs.verdict import invariants, rows
from config.local.servers import OWNER, Servers, ServersFailed, servers

KILLED, NO_BILL = -9, 2
ACCOUNT = f"""
SET session_replication_role = replica;
INSERT INTO payments_merchantaccount (id, app_id, seller_id, name, mode, gateway_url, is_active)
VALUES (1, '{APP_ID}', '{PID}', 'tea', 'key', 'http://127.0.0.1:9/', true)
"""
ORDER = """
INSERT INTO payments_order (id, number, token, account_id, title, goods_fen, shipping_fen, discount_fen, total_fen, state,
    paid_by_id, paid_at, language, seal_id, extensions, created_at, expires_at)
VALUES (%(id)s, %(number)s::text, md5(%(number)s::text), 1, 'tea', %(fen)s, 0, 0, %(fen)s, %(order_state)s,
    %(paid_by)s, %(paid_at)s, 'zh-hans', gen_random_uuid(), 0, %(at)s, %(at)s)
"""
TRANSACTION = f"""
INSERT INTO payments_transaction (id, order_id, account_id, origin, scene, out_trade_no, trade_no, app_id, seller_id, amount_fen,
    receipt_fen, refunded_fen, reserved_fen, state, in_doubt, superseded, refused, late, finished, qr_code, evidence, created_at,
    time_expire, paid_at, settled_at, heard_status, checks, version)
VALUES (%(id)s, %(id)s, 1, 'ours', 'qr', %(number)s, %(trade_no)s, '{APP_ID}', '{PID}', %(fen)s, %(receipt)s,
    %(refunded)s, %(reserved)s, %(state)s, false, false, false, false, false, '', %(evidence)s, %(at)s, %(at)s, %(paid_at)s,
    %(paid_at)s, '', 0, 0)
"""
REFUND = """
INSERT INTO payments_refund (transaction_id, out_request_no, amount_fen, origin, state, in_doubt, refused, reason_code, reason,
    requester, approver, lines, evidence, created_at, ended_at, called_at, checks, version)
VALUES (%(of)s, %(number)s, %(fen)s, %(origin)s, %(state)s, %(in_doubt)s, '', 'other', '', 'staff:1', %(approver)s, '{}',
    %(evidence)s, %(at)s, %(ended_at)s, %(at)s, 0, 0)
"""
CALLS = """
INSERT INTO payments_gatewaycall (id, account_id, transaction_id, method, purpose, number, amount_fen, outcome, started_at,
    ended_at)
SELECT gen_random_uuid(), 1, transaction_id, 'alipay.trade.refund', 'refund', out_request_no, amount_fen, 'unknown', created_at,
       created_at
FROM payments_refund WHERE state = 'sent'
"""
FOUND = f"""
SELECT d.kind, trade_no, out_request_no, d.state FROM payments_difference d JOIN payments_billday b ON b.id = d.day_id
WHERE b.day = '{DAY:%Y-%m-%d}'
"""
NOT_BOOKED = """
SELECT count(*) FROM (SELECT out_trade_no AS number, state = 'paid' AS booked FROM payments_transaction UNION ALL
    SELECT out_request_no, state = 'succeeded' FROM payments_refund) known
WHERE number = ANY(%(heard)s) AND NOT booked
"""
CASELESS = """
SELECT count(*) FROM payments_difference d LEFT JOIN payments_case c ON c.id = d.case_id
WHERE d.state = 'case' AND c.kind IS DISTINCT FROM d.kind
"""
WAITING = "SELECT count(*) FROM payments_difference WHERE state = 'waiting'"
RESULT = (
    "SELECT b.day, b.state, b.result_hash, b.ours_fen, b.theirs_fen, b.fee_fen FROM payments_billday b",
    "SELECT f.kind, f.state, f.lines, f.lines_sha256, l.line_no, l.nth, l.key, l.kind, l.fen, l.receipt_fen,"
    " l.fee_fen, l.balance_fen FROM payments_statementline l JOIN payments_billfile f ON f.id = l.file_id",
    "SELECT b.day, d.kind, d.key, d.state, d.field, d.ours, d.theirs, d.fen, d.case_id IS NULL FROM payments_difference d"
    " JOIN payments_billday b ON b.id = d.day_id",
    "SELECT kind, facts - 'file', amount_fen, state, severity FROM payments_case",
    "SELECT cause, channel, debit, credit, fen FROM payments_transfer",
    "SELECT out_trade_no, trade_no, origin, state, amount_fen, receipt_fen, refunded_fen, reserved_fen FROM payments_transaction",
    "SELECT regexp_replace(out_request_no, '^bill-\\d+', 'bill'), regexp_replace(other_no, '^bill-\\d+', 'bill'), origin, state,"
    " amount_fen FROM payments_refund",
    "SELECT number, state FROM payments_order",
)


@dataclass(frozen=True, slots=True)
class Day:
    """What is brought to each copy of the database: the files of three days, in the order they come."""

    files: Sequence[tuple[str, str, Path]]  # day, kind, zip
    environment: dict[str, str]

    @property
    def until_compared(self) -> Sequence[tuple[str, str, Path]]:
        return self.files[:4]  # of the day before and of the day; those after it come later


class Took(NamedTuple):
    """How many statements and blocks of lines a command sent, and which of these were blocks: from 1, and one behind the last."""

    statements: int
    copies: range


def reconcile_proof(*, lines: int, differences: int, kills: int, seed: int) -> int:
    """Run it; the exit code is 1 when something planted is not found, something else is, or a death leaves another result."""
    both = planted(lines, differences, seed)
    with scratch_folder() as data, servers(data, durable=True) as running:
        day = _prepared(both, running, data)
        table, held = _found(both, running, day)
        died, same = _killed(running, day, kills, random.Random(seed))  # noqa: S311  # a plan, no secret
    held[f"killed at {died} of {kills} points and run again: {same} times the same result"] = same == died == kills
    report = [
        f"{lines} lines, {differences} differences planted, seed {seed}", *table,
        *(f"{'passed' if good else 'failed'}  {name}" for name, good in held.items()),
        f"reconcile-proof: {sum(held.values())} passed, {len(held) - sum(held.values())} failed",
    ]  # fmt: skip
    keep("reconcile-proof", report)
    print("\n".join(report), flush=True)
    return 0 if all(held.values()) else 1


def _prepared(both: Planted, running: Servers, data: Path) -> Day:
    """A database with our side, to be copied, and Alipay's files."""
    base = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_LEVEL": "CRITICAL", "DATABASE_POOL": "0",
        "SECRET_KEY": secrets.token_hex(32), "PYTHONPATH": str(ROOT), "PAYMENTS_FEE_RATE": "0.006",
        "PAYMENTS_BILL_WAIT_S": str(100 * 365 * 86400),  # what waits for the next day's bill waits for that, not for a clock
    }  # fmt: skip
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=base | running.environment(), check=True)
    with psycopg.connect(running.database_url("postgres")) as connection:
        connection.execute(ACCOUNT)
        load(both, connection.cursor())
    running.sql("VACUUM ANALYZE", database=running.database)
    files = []
    for (name, kind), packed in bills(both).items():
        files.append((name, kind, data / f"{name}_{kind}.zip"))
        files[-1][2].write_bytes(packed)
    return Day(files, base)


def load(both: Planted, cursor: "psycopg.Cursor[tuple[object, ...]]") -> None:
    """Our side of the day, written past the services: ten thousand lives as the services would have left them.

    cursor  a superuser's, after ACCOUNT
    """
    ids = {id(payment): number for number, payment in enumerate(both.payments.values(), 1)}
    taken: Counter[int] = Counter()
    reserved: Counter[int] = Counter()
    for refund in both.refunds.values():
        taken[ids[id(refund.of)]] += refund.fen if refund.state == "succeeded" else 0
        reserved[ids[id(refund.of)]] += refund.fen if refund.state == "sent" else 0
    facts = []
    for number, each in enumerate(both.payments.values(), 1):
        is_paid = each.state == "paid"
        order_state = "paid" if not taken[number] else "refunded" if taken[number] == each.fen else "partly_refunded"
        facts.append({
            "id": number, "number": each.out_trade_no, "trade_no": each.trade_no, "fen": each.fen, "receipt": each.receipt_fen,
            "refunded": taken[number], "reserved": reserved[number], "state": each.state, "at": each.at,
            "evidence": each.evidence if is_paid else "", "paid_at": each.at if is_paid else None,
            "paid_by": number if is_paid else None, "order_state": order_state if is_paid else "awaiting_payment",
        })  # fmt: skip
    cursor.executemany(TRANSACTION, facts)
    cursor.executemany(ORDER, facts)
    cursor.executemany(REFUND, [
        {
            "of": ids[id(each.of)], "number": each.out_request_no, "fen": each.fen, "state": each.state, "at": each.at,
            "origin": each.origin, "in_doubt": each.state == "sent", "ended_at": None if each.state == "sent" else each.at,
            "evidence": "" if each.state == "sent" else "call:1", "approver": "" if each.state == "rejected" else "staff:2",
        }
        for each in both.refunds.values()
    ])  # fmt: skip
    cursor.execute(CALLS)
    for table in ("transaction", "order"):
        name = f"payments_{table}"
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}")


def _found(both: Planted, running: Servers, day: Day) -> tuple[list[str], dict[str, bool]]:
    """What one undisturbed comparison finds, as a table by kind, and what must hold of it."""
    copy = _copied(running, "whole")
    loaded = invariants(day.environment | copy.environment())  # our side has no trail: some rules are broken as it is
    for _ in _reconciled(copy, day, day.until_compared):
        pass
    found, truth = Counter(Truth(*row) for row in rows(copy, FOUND)), Counter(both.truth)
    with psycopg.connect(copy.database_url("postgres")) as connection:
        unbooked = connection.execute(NOT_BOOKED, {"heard": [*_numbers(both)]}).fetchone()
    hits, caseless, before = sum((found & truth).values()), rows(copy, CASELESS)[0][0], _result(copy)
    for _ in _reconciled(copy, day, day.until_compared):
        pass
    again = _result(copy)
    for _ in _reconciled(copy, day, day.files):
        pass
    worse = [
        f"{name}: {loaded[name]['count']} before, {each['count']} after it: {each['ids'][:3]}"
        for name, each in invariants(day.environment | copy.environment()).items()
        if each["count"] > loaded[name]["count"]
    ]
    held = {
        f"recall {hits / truth.total():.2%}: {hits} of {truth.total()} planted were found": hits == truth.total(),
        f"precision {hits / max(1, found.total()):.2%}: {found.total() - hits} others were": hits == found.total(),
        f"{len(both.heard)} payments and refunds that only the bill knew are booked, and are nobody's case": unbooked
        == (0,),
        "every difference for a person has its case": caseless == 0,
        "the same files again change nothing": again == before,
        "what waited around midnight is explained by the next day's bill": rows(copy, WAITING) == [(0,)],
        "it breaks no rule of the books": not worse,
    }
    extra = [f"not found: {each}" for each in truth - found] + [f"invented: {each}" for each in found - truth]
    return [*_table(truth, found), *extra[:20], *worse], held


def _numbers(both: Planted) -> Iterator[str]:
    for number in both.heard:
        yield both.payments[number].out_trade_no if number in both.payments else number


def _table(truth: Counter[Truth], found: Counter[Truth]) -> list[str]:
    lines = [f"{'kind':24}{'planted':>8}{'found':>8}{'right':>8}"]
    for kind in sorted({each.kind for each in [*truth, *found]}):
        counts = [sum(n for each, n in side.items() if each.kind == kind) for side in (truth, found, truth & found)]
        lines.append(f"{kind:24}{counts[0]:>8}{counts[1]:>8}{counts[2]:>8}")
    return lines


def _killed(running: Servers, day: Day, kills: int, chance: random.Random) -> tuple[int, int]:
    """How often a process was killed at one of so many points over the whole day, and how often the result was the same.

    Every fifth point, the first among them, lies in a COPY of lines; the others are spread over all statements.
    """
    reference = _copied(running, "reference")
    statements = list(_reconciled(reference, day, day.until_compared))
    wanted, died, same = _result(reference), 0, 0
    for number in range(kills):
        point = int((number + chance.random()) / kills * sum(each.statements for each in statements)) + 1
        if number % 5 == 0:
            file = chance.randrange(len(statements))
            before = sum(each.statements for each in statements[:file])
            point = before + chance.choice([*statements[file].copies])
        copy = _copied(running, f"killed{number}")
        died += _dies(copy, day, [each.statements for each in statements], point)
        for _ in _reconciled(copy, day, day.until_compared):
            pass
        same += _result(copy) == wanted
        running.sql(f"DROP DATABASE {copy.database} WITH (FORCE)")
    return died, same


def _dies(copy: Servers, day: Day, statements: Sequence[int], point: int) -> bool:
    """Run up to the point of all statements and be killed there. True when the kill struck."""
    for taken, (name, kind, path) in zip(statements, day.until_compared, strict=True):
        if point <= taken:
            return _run(copy, day, name, kind, path, dies_at=point).returncode == KILLED
        _run(copy, day, name, kind, path)
        point -= taken
    return False


def _copied(running: Servers, name: str) -> Servers:
    running.sql(f"CREATE DATABASE {name} TEMPLATE {running.database} OWNER {OWNER}")
    return replace(running, database=name)


def _reconciled(copy: Servers, day: Day, files: Sequence[tuple[str, str, Path]]) -> Iterator[Took]:
    """Bring these files in, one command each."""
    for name, kind, path in files:
        statements, first, last = map(int, _run(copy, day, name, kind, path).stdout.split()[-3:])
        yield Took(statements, range(first, last + 1))


def _run(
    copy: Servers, day: Day, name: str, kind: str, path: Path, *, dies_at: int = 0
) -> "subprocess.CompletedProcess[str]":
    words = ["--day", name, "--file", str(path), "--kind", kind]
    done = subprocess.run(
        [sys.executable, "-m", "config.local.proofs.reconciler", str(dies_at), *words],
        cwd=ROOT, env=day.environment | copy.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != KILLED and (done.returncode not in (0, 1, NO_BILL) or done.stderr):
        raise ServersFailed(f"reconcile {name} {kind} ended with {done.returncode}: {done.stdout}{done.stderr[-2000:]}")
    return done


def _result(copy: Servers) -> str:
    """A hash over everything that a comparison leaves, without ids and times."""
    digest = hashlib.sha256()
    for query in RESULT:
        for row in sorted(str(row) for row in rows(copy, query)):
            digest.update(f"{row}\n".encode())
    return digest.hexdigest()
