"""`make chaos`: the real processes under load, killed at random instants, and then both books compared to the fen."""

import time

from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.underfire import UnderFire, under_fire
from config.local.proofs.verdict import Verdict, judge


def chaos(*, kills: int, orders: int, seed: int) -> int:
    """Run it; the exit code is 1 when a fen is lost or doubled, an invariant broken, or something never settles."""
    started = time.monotonic()
    with scratch_folder() as data, under_fire(data, orders=orders, seed=seed) as run:
        _rage(run, kills)
        drained = run.drain()
        verdict = judge(run.product, run.running, run.history)
    return _told(run, verdict, drained, time.monotonic() - started, seed)


def _rage(run: UnderFire, kills: int) -> None:
    """Kills spread over the orders, a disturbance beside every other one, a power cut after every tenth."""
    run.start_buyers()
    for at in range(kills):
        wanted = (at + 0.5) / kills * run.orders * 0.97
        while run.done() < wanted and run.some_buyer_lives():
            run.revive()
            time.sleep(0.2)
        run.kill()
        if at % 2:
            run.disturb()
        if at % 10 == 9:
            run.cut_power()
        print(f"  {run.kills} kills, {run.done()} of {run.orders} orders", flush=True)
    while run.some_buyer_lives():
        run.revive()
        time.sleep(0.5)


def _told(run: UnderFire, verdict: Verdict, drained: float, took: float, seed: int) -> int:
    line = (
        f"chaos: {run.kills} kills, {verdict.orders} orders, {verdict.lost} fen lost, {verdict.doubled} fen doubled, "
        f"{len(verdict.violations)} violations"
    )
    recovered = ", ".join(f"{each:.1f} s" for each in run.recoveries) or "none"
    lines = [
        f"seed {seed}, {took:.0f} s; nothing left to do {drained:.1f} s after the last fault",
        f"processes that ended by themselves and were started again, as by a service manager: {run.ended}",
        f"power cuts: {run.cuts}; serving again after {recovered}",
        f"at Alipay {verdict.paid} trades paid, {verdict.refunds} refunds; acknowledged to buyers: {verdict.acknowledged}",
        *verdict.violations[:20], line,
    ]  # fmt: skip
    keep("chaos", lines)
    print("\n".join(lines), flush=True)
    return 1 if verdict.lost or verdict.doubled or verdict.violations or verdict.orders < run.orders else 0
