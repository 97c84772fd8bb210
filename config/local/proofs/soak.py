"""`make soak`: mixed load for as long as is wanted, a fault every 30 s, all invariants each minute, and our memory watched.

Faults are those of `make chaos` but for kills of web, worker and beat: these live on, or their memory would say nothing.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field

from config.local.places import scratch_folder
from config.local.proofs.figures import keep
from config.local.proofs.memory import growth, memory_mb
from config.local.proofs.underfire import UnderFire, under_fire
from config.local.proofs.verdict import Verdict, broken_invariants, judge

FAULT_S, SAMPLE_S = 30.0, 5.0
MOST_GROWTH = 0.10
JUDGED_MINUTES = 15  # before that, processes are loading still what they use
OURS = ("web", "worker", "beat")
ENDLESS = 10**7  # orders; the time ends first
PAUSE_S = 0.2
WHEN_DRAINED = ("I-27", "I-28", "I-29")  # of what is left to do: a fault may delay it, and at the next look it is done


@dataclass(slots=True)
class Watched:
    """What was seen on the way."""

    faults: int = 0
    checks: int = 0
    broken: list[str] = field(default_factory=list)
    delayed: list[str] = field(default_factory=list)
    _late_before: tuple[str, ...] = ()
    memory: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))  # by name and process

    def look(self, found: list[str]) -> None:
        """Note which rules do not hold. What a fault merely delays counts where it is delayed twice running."""
        late = [each for each in found if each.startswith(WHEN_DRAINED)]
        self.checks += 1
        self.broken += [each for each in found if each not in late or each.startswith(self._late_before)]
        self.delayed += [each for each in late if not each.startswith(self._late_before)]
        self._late_before = tuple(each.split(":")[0] for each in late)

    def longest_life(self, name: str) -> list[float]:
        """What ends by itself is started again, and its memory begins anew."""
        return max((samples for (whose, _), samples in self.memory.items() if whose == name), key=len)


def soak(*, minutes: int, seed: int) -> int:
    """Run it; the exit code is 1 when an invariant broke, a fen is lost or doubled, something never settles, or memory grows."""
    with scratch_folder() as data, under_fire(data, orders=ENDLESS, seed=seed, pause_s=PAUSE_S) as run:
        watched = _soaked(run, minutes * 60)
        run.stop_buyers()
        drained = run.drain()
        verdict = judge(run.product, run.running, run.history)
    return _told(run, watched, verdict, drained, minutes=minutes, seed=seed)


def _soaked(run: UnderFire, seconds: float) -> Watched:
    """Faults and looks take turns: what a fault broke has had half a minute, and money never needs that."""
    watched = Watched()
    run.start_buyers()
    started = time.monotonic()
    for at in range(1, int(seconds // FAULT_S) + 1):
        until = started + at * FAULT_S
        while time.monotonic() < until:
            run.revive()
            for name in OURS:
                process = run.product.processes[name].pid
                watched.memory[name, process].append(memory_mb(process))
            time.sleep(max(0.0, min(SAMPLE_S, until - time.monotonic())))
        if at % 2 == 0:
            watched.look(broken_invariants(run.product))
            print(
                f"  {at // 2} minutes, {run.done()} orders, {watched.faults} faults, {len(watched.broken)} broken",
                flush=True,
            )
        watched.faults += 1
        if run.chance.random() < 0.3:
            run.kill(among=("sandbox", "buyers"))
        else:
            run.disturb()
    return watched


def _told(run: UnderFire, watched: Watched, verdict: Verdict, drained: float, *, minutes: int, seed: int) -> int:
    held = {
        f"all invariants held at each of {watched.checks} looks": not watched.broken,
        f"{verdict.orders} orders, {verdict.paid} trades paid: {verdict.lost} fen lost, {verdict.doubled} fen doubled": (
            verdict.paid > 0 and verdict.lost + verdict.doubled == 0
        ),
        f"nothing left to do {drained:.1f} s after the last fault, {len(verdict.violations)} violations": (
            not verdict.violations
        ),
    }
    ended = f"{run.ended} processes ended by themselves and were started again, as by a service manager"
    lines = [f"{minutes} minutes, seed {seed}: {watched.faults} faults, {run.kills} of them kills; {ended}"]
    lines += [*watched.broken[:20], *verdict.violations[:20]]
    lines += [f"late at one look: {each}" for each in watched.delayed[:20]]
    for name in OURS:
        before, after = growth(watched.longest_life(name))
        words = f"{name} took {before:.0f} MB, at last {after:.0f} MB ({after / before - 1:+.1%})"
        if minutes < JUDGED_MINUTES:
            lines.append(f"not judged before {JUDGED_MINUTES} minutes: {words}")
        else:
            held[words] = after <= before * (1 + MOST_GROWTH)
    lines += [f"{'passed' if good else 'failed'}  {words}" for words, good in held.items()]
    lines.append(f"soak: {minutes} minutes, {sum(held.values())} passed, {len(held) - sum(held.values())} failed")
    keep("soak", lines)
    print("\n".join(lines), flush=True)
    return 0 if all(held.values()) else 1
