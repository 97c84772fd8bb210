"""`make disk-full`: PostgreSQL's volume is full under load, and then has space again.

Twice: with the log (WAL) on a volume of its own, and with everything on the full one. While it is full, Alipay must be told to
repeat, and with the log apart pages must be read; afterwards all must go on by itself.
"""

import contextlib
import time
import urllib.request
from dataclasses import dataclass

from config.local.places import hand_over, scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.small_volume import NoVolume, SmallVolume, small_volume
from config.local.proofs.underfire import UnderFire, under_fire
from config.local.proofs.verdict import Verdict, judge, notices, rows
from config.local.servers import ServersFailed, make_cluster, start_postgres
from config.local.stack import answers

VOLUME_MB = 400
FULL_S, SERVE_S = 20.0, 90.0
NOT_RUN = 2


@dataclass(slots=True)
class Seen:
    """While it was full, and until it served again."""

    repeat: int = 0  # notices answered 503 "fail"
    read: int = 0  # pages that came whole
    unread: int = 0
    restarts: int = 0
    serving_s: float = SERVE_S


def disk_full(*, orders: int, seed: int) -> int:
    """Run both; the exit code is 1 when something does not hold, 2 where no volume can be mounted."""
    held: dict[str, bool] = {}
    try:
        for apart in (True, False):
            held |= _round(apart=apart, orders=orders, seed=seed)
    except NoVolume as why:
        print(f"disk-full: not run: a small volume can't be mounted here, root can: {why}")
        return NOT_RUN
    lines = [f"{'passed' if good else 'failed'}  {words}" for words, good in held.items()]
    lines.append(f"disk-full: {sum(held.values())} passed, {len(held) - sum(held.values())} failed")
    keep("disk-full", lines)
    print("\n".join(lines), flush=True)
    return 0 if all(held.values()) else 1


def _round(*, apart: bool, orders: int, seed: int) -> dict[str, bool]:
    with scratch_folder() as data, small_volume(data / "volume", megabytes=VOLUME_MB) as volume:
        wal = data / "wal"
        wal.mkdir()
        hand_over(wal)
        make_cluster(volume.folder / "postgres", wal=wal if apart else None)
        (data / "postgres").symlink_to(volume.folder / "postgres")
        with under_fire(data, orders=orders, seed=seed) as run:
            seen = _filled(run, volume, apart=apart)
            drained = run.drain()
            verdict = judge(run.product, run.running, run.history)
    return _held("log apart" if apart else "log on the full volume", seen, verdict, drained, orders, apart=apart)


def _filled(run: UnderFire, volume: SmallVolume, *, apart: bool) -> Seen:
    run.start_buyers()
    while run.done() < run.orders // 4:
        time.sleep(0.2)
    pages = _pages(run)
    seen = Seen()
    volume.fill()
    until = time.monotonic() + FULL_S
    while time.monotonic() < until:
        volume.fill()  # what PostgreSQL lets go of
        if not apart:
            with contextlib.suppress(ServersFailed):  # hours of writing in a moment: the log needs its next segment
                run.running.sql("SELECT pg_switch_wal()")
        seen.restarts += _restarted(run)
        good = sum(map(_reads, pages))
        seen.read, seen.unread = seen.read + good, seen.unread + len(pages) - good
        time.sleep(0.5)
    seen.repeat = sum(each["answers"].count("HTTP 503: fail") for each in notices(run.product))
    volume.empty()
    _until_serving(run, seen)
    while run.some_buyer_lives():
        run.revive()
        time.sleep(0.5)
    return seen


def _until_serving(run: UnderFire, seen: Seen) -> None:
    started = time.monotonic()
    while not answers(f"{run.product.shop}/readyz", says="ready") and time.monotonic() - started < SERVE_S:
        seen.restarts += _restarted(run)
        run.revive()
        time.sleep(0.2)
    seen.serving_s = time.monotonic() - started


def _restarted(run: UnderFire) -> bool:
    """As a service manager does: PostgreSQL that ended by itself starts again, as often as it takes."""
    if run.running.processes["postgres"].poll() is None:
        return False
    run.running.processes["postgres"] = start_postgres(run.data / "postgres", run.running.sockets, durable=True)
    return True


def _pages(run: UnderFire) -> list[str]:
    """The shop's front, and the page of an order that was paid."""
    token = rows(run.running, "SELECT token FROM payments_order WHERE state = 'paid' LIMIT 1")[0][0]
    return [f"{run.product.shop}/", f"{run.product.shop}/pay/{token}/"]


def _reads(page: str) -> bool:
    request = urllib.request.Request(page, headers={"X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 200 and b"</html>" in answer.read()
    except OSError:
        return False


def _held(where: str, seen: Seen, verdict: Verdict, drained: float, orders: int, *, apart: bool) -> dict[str, bool]:
    read = f"{where}: {seen.read} of {seen.read + seen.unread} pages were read while it was full"
    back = f"{where}: serving again {seen.serving_s:.1f} s after space came back, PostgreSQL started again {seen.restarts} times"
    books = (
        f"{where}: {verdict.orders} orders, {verdict.paid} paid, {verdict.lost} fen lost, {verdict.doubled} fen doubled, "
        f"{len(verdict.violations)} violations {'; '.join(verdict.violations[:5])}"
    )
    return {
        f"{where}: {seen.repeat} times Alipay was told to repeat a notice": seen.repeat > 0,
        read: not apart or (seen.read > 0 and seen.unread == 0),
        back: seen.serving_s < SERVE_S and not (apart and seen.restarts),
        books.rstrip(): verdict.orders >= orders and not (verdict.lost or verdict.doubled or verdict.violations),
        f"{where}: nothing left to do {drained:.1f} s after the buyers went, by itself": not verdict.violations,
    }
