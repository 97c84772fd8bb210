"""The notify endpoint, everything stored, against the floor F1 measured in the same run.

Product: inbox, five gates, transition, ledger, audit and outbox, one durable commit. Floor: bench/floor.py. Both behind
granian with the same workers and threads, on PostgreSQL with fsync on, at 16 connections, in alternating rounds.
Targets: at least 0.5 F1, p99 at most 2 x F1's, a duplicate not dearer than a first.
"""

import os
import random
import secrets
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from datetime import timedelta
from pathlib import Path

from bench.load import Round, fire, form_post
from config.local.places import scratch_folder
from config.local.servers import Servers, servers
from config.local.stack import Stack, free_port

ROUNDS, REQUESTS = 7, 1500
SERVE = ["--interface", "wsgi", "--workers", "2", "--blocking-threads", "8", "--no-ws", "--log-level", "error"]
LEAST_RATIO, MOST_P99 = 0.5, 2.0


def main() -> int:
    with scratch_folder() as data, servers(data, durable=True) as running:
        stack = Stack(shop="", sandbox="", data=data, environment=_environment(running), echo=False)
        os.environ.update(stack.environment)
        stack.manage("migrate", "--verbosity", "0")
        running.sql(
            "CREATE TABLE bench_notice (id bigserial PRIMARY KEY, out_trade_no text, body bytea)", database="jiezhang"
        )
        running.sql("GRANT ALL ON bench_notice, bench_notice_id_seq TO jiezhang_app", database="jiezhang")
        try:
            return _report(_measure(stack, running, data))
        finally:
            stack.stop()


def _environment(running: Servers) -> dict[str, str]:
    return {
        **os.environ, **running.environment(), "DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_LEVEL": "ERROR",
        "SECRET_KEY": secrets.token_hex(32), "DATABASE_POOL": "16",
    }  # fmt: skip


def _measure(stack: Stack, running: Servers, data: Path) -> dict[str, list[Round]]:
    bodies = _notices(data, (ROUNDS + 1) * REQUESTS)
    addresses = {
        "floor F1": _serve(stack, "floor", "bench.floor:application"),
        "first": _serve(stack, "product", "config.wsgi:application"),
    }
    addresses["duplicate"] = addresses["first"]
    running.sql("ANALYZE", database="jiezhang")  # as autovacuum keeps a shop's tables
    rounds: dict[str, list[Round]] = {name: [] for name in addresses}
    for number in range(ROUNDS + 1):
        share = bodies[number * REQUESTS : (number + 1) * REQUESTS]
        for name, url in addresses.items():
            rounds[name].append(fire(url, [form_post(url, body) for body in share]))
    return {name: each[1:] for name, each in rounds.items()}  # the first round warms up


def _serve(stack: Stack, name: str, application: str) -> str:
    port = free_port()
    stack.start(name, [str(Path(sys.executable).parent / "granian"), *SERVE, "--port", str(port), application])
    url = f"http://127.0.0.1:{port}/alipay/notify"
    until = time.monotonic() + 30
    while time.monotonic() < until and not _listens(port):
        stack.check_alive(name)
        time.sleep(0.1)
    return url


def _listens(port: int) -> bool:
    probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
    return subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode == 0


def _notices(data: Path, count: int) -> list[bytes]:
    """Orders with one attempt each, and the genuine notice that pays it."""
    import django  # noqa: PLC0415  # after the environment is set

    django.setup()
    from payments.alipay.clock import to_beijing  # noqa: PLC0415
    from payments.alipay.signing import notice_text, sign  # noqa: PLC0415
    from payments.models import Order, Transaction  # noqa: PLC0415
    from payments.models.clock import database_now  # noqa: PLC0415
    from payments.sandbox.identity import identity_in  # noqa: PLC0415
    from payments.services.connect_account import Connection, connect_account  # noqa: PLC0415

    numbers = identity_in(data / "alipay", random.Random(1))
    keys = {name: (data / "alipay" / f"{name}.pem").read_text() for name in ("app_private_key", "alipay_public_key")}
    account = connect_account(
        Connection(numbers.app_id, numbers.seller_id, "bench", "http://127.0.0.1:9/", **keys), actor="bench"
    )
    now = database_now()
    orders = Order.objects.bulk_create([
        Order(
            number=f"2026{at:012d}", token=f"t{at}", account=account, title="tea", goods_fen=8880, total_fen=8880, language="en",
            expires_at=now + timedelta(hours=1),
        )
        for at in range(count)
    ], batch_size=1000)  # fmt: skip
    attempts = Transaction.objects.bulk_create([
        Transaction(
            order=order, account=account, scene="qr", out_trade_no=f"20261122{order.number}", app_id=account.app_id,
            seller_id=account.seller_id, amount_fen=8880, state="presented", time_expire=order.expires_at,
            next_check_at=order.expires_at, close_due_at=order.expires_at,
        )
        for order in orders
    ], batch_size=1000)  # fmt: skip
    bodies, moment = [], to_beijing(now)
    for at, attempt in enumerate(attempts):
        fields = {
            "notify_type": "trade_status_sync", "notify_id": f"2026112200222143210{at:012d}", "notify_time": moment,
            "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "app_id": account.app_id, "auth_app_id": account.app_id,
            "seller_id": account.seller_id, "out_trade_no": attempt.out_trade_no, "trade_no": f"20261122220011{at:014d}",
            "trade_status": "TRADE_SUCCESS", "total_amount": "88.80", "receipt_amount": "88.80", "buyer_pay_amount": "88.80",
            "invoice_amount": "88.80", "point_amount": "0.00", "gmt_create": moment, "gmt_payment": moment,
            "subject": "明前龙井 50 克", "buyer_logon_id": "159****5620",
            "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
            "fund_bill_list": '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]',
        }  # fmt: skip
        signature = sign(notice_text(fields, keep_empty=False).encode(), numbers.alipay_key)
        bodies.append(urllib.parse.urlencode({**fields, "sign": signature}).encode())
    return bodies


def _report(rounds: dict[str, list[Round]]) -> int:
    wrong = sum((each.answers for all_of in rounds.values() for each in all_of), Counter())
    del wrong[b"200 success"]

    def middle(name: str, what: str) -> float:
        return float(statistics.median(getattr(each, what) for each in rounds[name]))

    def of_floor(name: str, what: str) -> float:
        """Each round against the floor's of the same moment, for the machine's pace changes; then the middle one."""
        pairs = zip(rounds[name], rounds["floor F1"], strict=True)
        return float(statistics.median(getattr(mine, what) / getattr(floor, what) for mine, floor in pairs))

    print(f"{'':12} {'req/s':>8} {'of F1':>7} {'p99 ms':>8} {'of F1':>7}   rounds, req/s")
    for name, each in rounds.items():
        series = " ".join(f"{one.rate:.0f}" for one in each)
        rate, p99 = middle(name, "rate"), middle(name, "p99_ms")
        print(
            f"{name:12} {rate:8.0f} {of_floor(name, 'rate'):7.2f} {p99:8.1f} {of_floor(name, 'p99_ms'):7.2f}   {series}"
        )
    verdicts = {
        f"a first notice runs at ≥ {LEAST_RATIO} F1": of_floor("first", "rate") >= LEAST_RATIO,
        f"its p99 is ≤ {MOST_P99} × F1's": of_floor("first", "p99_ms") <= MOST_P99,
        "a duplicate is not dearer than a first": of_floor("duplicate", "rate") >= of_floor("first", "rate"),
        "every answer was success": not wrong,
    }
    for words, holds in verdicts.items():
        print(f"{'passed' if holds else 'failed'}  {words}")
    if wrong:
        print(dict(wrong))
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
