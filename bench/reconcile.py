"""A day's bill of 10,000, 100,000 and 1,000,000 payments, read and compared, against a floor measured in the same rounds.

`python -m config.local bench reconcile`; RECONCILE_LINES sets other sizes. Runs up to 1,000,000 lines are kept in
docs/figures/bench-reconcile.txt, larger ones in bench-reconcile-large.txt. Floor F2: inflate the bill, COPY our rows out,
and one hash join in PostgreSQL. Targets: comparing ≤ 1.5 F2; read, stored and compared with its differences ≤ 3 F2;
Python ≤ 20 MB more than Django loaded; time grows with an exponent ≤ 1.0. The history is written by SQL as a superuser;
everything measured is the product's own.
"""

import json
import math
import os
import secrets
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

from config.local.places import ROOT, scratch_folder
from config.local.proofs.figures import keep
from config.local.servers import DATABASE, Servers, servers
from payments.alipay import bill_columns as words

SIZES = [int(size) for size in os.environ.get("RECONCILE_LINES", "10000,100000,1000000").split(",")]
ROUNDS = 3
PID, DAY = "2088000000000001", "2026-11-22"
HISTORY = f"""
SET session_replication_role = replica;
INSERT INTO payments_merchantaccount (id, app_id, seller_id, name, mode, gateway_url, is_active)
VALUES (1, '2021000000000001', '{PID}', 'tea', 'key', 'http://127.0.0.1:9/', true) ON CONFLICT DO NOTHING;
TRUNCATE payments_transaction CASCADE;
INSERT INTO payments_transaction (id, order_id, account_id, origin, scene, out_trade_no, trade_no, app_id, seller_id, amount_fen,
    receipt_fen, refunded_fen, reserved_fen, state, in_doubt, superseded, refused, late, finished, qr_code, evidence, created_at,
    time_expire, paid_at, settled_at, heard_status, checks, version)
SELECT g, NULL, 1, 'stray', 'qr', '20261122' || lpad(g::text, 12, '0'), '2026112222001' || lpad(g::text, 15, '0'),
       '2021000000000001', '{PID}', 100 + g %% 5000, 100 + g %% 5000, 0, 0, 'paid', false, false, false, false, false, '',
       'notice:x', at, at, at, at, '', 0, 0
FROM generate_series(1, :lines) g, LATERAL (SELECT timestamptz '{DAY} 00:30:00+08' + g * (interval '23 hours' / :lines) AS at) t;
ANALYZE payments_transaction;
""".replace("%%", "%")
WORK = """
import json, os, resource, sys, time
import django; django.setup()
from datetime import date
from django.db import connection, transaction
from payments.models import BillDay, BillFile, MerchantAccount
from payments.models.matching import find
from payments.services.books import reconcile, upload
connection.ensure_connection()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
path, lines, before = sys.argv[1], int(sys.argv[2]), 0.0
account, day = MerchantAccount.objects.get(), date(2026, 11, 22)
before, started = peak(), time.perf_counter()
with open(path, "rb") as file:
    read = upload.upload_bill(account, day, file, kind=BillFile.Kind.TRADE, actor="bench")
done_reading = time.perf_counter()
with transaction.atomic():
    find(reconcile._comparison(read.day))
    matched = time.perf_counter()
    transaction.set_rollback(True)
again = time.perf_counter()
compared = reconcile.reconcile_day(read.day)
ended = time.perf_counter()
assert compared.ours_count == lines and compared.differences.count() == lines // 1000, compared.differences.count()
print(json.dumps({"read": done_reading - started, "match": matched - done_reading,
                  "all": (done_reading - started) + (ended - again), "mb": peak() - before}))
"""
FLOOR = """
import json, sys, time, zipfile
import django; django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SET statement_timeout = '3600s'")
    cursor.execute("SET work_mem = '64MB'")
    cursor.execute("CREATE TEMP TABLE theirs AS SELECT trade_no, out_trade_no, amount_fen AS fen FROM payments_transaction")
    started = time.perf_counter()
    with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(archive.namelist()[0]) as member:
        while member.read(262144): pass
    with cursor.copy("COPY (SELECT trade_no, out_trade_no, amount_fen FROM payments_transaction) TO STDOUT") as copy:
        for _ in copy: pass
    cursor.execute("SELECT count(*) FROM theirs l FULL JOIN payments_transaction t ON t.trade_no = l.trade_no"
                   " WHERE l.trade_no IS NULL OR t.id IS NULL OR l.fen <> t.amount_fen")
    print(json.dumps({"floor": time.perf_counter() - started}))
"""


def main() -> int:
    took: dict[int, dict[str, float]] = {}
    for lines in SIZES:
        took[lines] = _size(lines)
        print(lines, {name: round(value, 3) for name, value in took[lines].items()}, flush=True)
    return _report(took)


def _size(lines: int) -> dict[str, float]:
    rounds: list[dict[str, float]] = []
    with scratch_folder() as data, servers(data, durable=True) as running:
        environment = {
            **os.environ, **running.environment(), "DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_LEVEL": "CRITICAL",
            "SECRET_KEY": secrets.token_hex(32), "PYTHONPATH": str(ROOT), "DATABASE_POOL": "0", "BILL_KINDS": "trade",
        }  # fmt: skip
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True
        )
        running.sql(HISTORY.replace(":lines", str(lines)), database=DATABASE)
        bill = Path(data) / "bill.zip"
        _write_bill(bill, lines)
        for _ in range(ROUNDS):
            _forget(running)
            rounds.append(_run(FLOOR, environment, bill, lines) | _run(WORK, environment, bill, lines))
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def _forget(running: Servers) -> None:
    """The day as it was before: no bill, no differences, no cases."""
    running.sql(
        "SET session_replication_role = replica; DO $$ DECLARE part regclass; BEGIN FOR part IN SELECT inhrelid FROM pg_inherits"
        " WHERE inhparent = 'payments_statementline'::regclass LOOP EXECUTE 'DROP TABLE ' || part; END LOOP; END $$;"
        " TRUNCATE payments_billday, payments_case CASCADE; CHECKPOINT",
        database=DATABASE,
    )


def _run(script: str, environment: dict[str, str], bill: Path, lines: int) -> dict[str, float]:
    words = [sys.executable, "-c", script, str(bill), str(lines)]
    done = subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _write_bill(path: Path, lines: int) -> None:
    """As Alipay writes it; one payment in a thousand is a fen off."""
    names = words.TRADE_COLUMNS
    tab = {name: "\t" if name in words.TRADE_COLUMNS_WITH_TAB else "" for name in names}
    total = 0
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("bill.csv", "w", force_zip64=True) as member,
    ):
        head = (
            f"{words.TRADE_DETAIL}\r\n",
            f"#账号：[{PID}0156]\r\n", "#起始日期：[2026年11月22日 00:00:00]   终止日期：[2026年11月23日 00:00:00]\r\n",
            f"#-----{words.TRADE_LIST}-----\r\n", ",".join(names) + "\r\n",
        )  # fmt: skip
        member.write("".join(head).encode("gbk"))
        for number in range(1, lines + 1):
            fen = 100 + number % 5000 + (number % 1000 == 0)
            total += fen
            second = 1800 + number * 82800 // lines
            at = f"{DAY} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            yuan = f"{fen // 100}.{fen % 100:02d}"
            cells = {
                words.TRADE_NO: f"2026112222001{number:015d}", words.OUT_TRADE_NO: f"20261122{number:012d}",
                words.KIND: words.PAYMENT, words.SUBJECT: "明前龙井 50 克", words.CREATED_AT: at, words.DONE_AT: at,
                "对方账户": "*三(159****5620)", words.TOTAL: yuan, words.RECEIPT: yuan, words.FEE: "-0.10", words.SPLIT: "0.00",
            }  # fmt: skip
            member.write((",".join(cells.get(name, "") + tab[name] for name in names) + "\r\n").encode("gbk"))
        tail = (
            f"#-----{words.TRADE_LIST}结束-----\r\n"
            f"#交易合计：{lines}笔，商家实收共{total // 100}.{total % 100:02d}元，商家优惠共0.00元\r\n"
            "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元\r\n#导出时间：[2026年11月23日 09:12:13]\r\n"
        )
        member.write(tail.encode("gbk"))


def _report(took: dict[int, dict[str, float]]) -> int:
    lines = []
    for size, each in took.items():
        lines.append(
            f"{size:>9,} lines: F2 {each['floor']:.2f} s; compared in {each['match'] / each['floor']:.2f} F2;"
            f" read, stored and compared in {each['all'] / each['floor']:.2f} F2 ({each['all']:.2f} s,"
            f" of which reading {each['read']:.2f} s);"
            f" Python {each['mb']:.1f} MB more"
        )
    first, last = min(took), max(took)
    exponent = math.log(took[last]["all"] / took[first]["all"]) / math.log(last / first) if last > first else 0.0
    largest = took[last]
    targets = {
        "compared ≤ 1.5 F2": largest["match"] <= 1.5 * largest["floor"],
        "read, stored and compared ≤ 3 F2": largest["all"] <= 3 * largest["floor"],
        "Python ≤ 20 MB more": largest["mb"] <= 20,
        "exponent ≤ 1.0": exponent <= 1.0,
    }
    lines.append(f"exponent from {first:,} to {last:,}: {exponent:.2f}")
    lines += [f"{'passed' if met else 'MISSED'}  {name}, at {last:,} lines" for name, met in targets.items()]
    lines.append(f"bench ARGS=reconcile: {sum(targets.values())} passed, {len(targets) - sum(targets.values())} failed")
    print("\n".join(lines))
    if last >= 1_000_000:
        keep("bench-reconcile" if last == 1_000_000 else "bench-reconcile-large", lines)
    return 0 if all(targets.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
