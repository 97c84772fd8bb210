"""`make simulate`: histories of every fault at once, played by seed on real PostgreSQL under a clock that is moved."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from config.local.places import ROOT
from config.local.proofs.figures import keep
from config.local.proofs.seeds import tally
from config.local.testing import template
from config.local.watcher import dies_with_us

PLAYERS = 2
KEPT_EVERY = 50


def simulate(*, histories: int, seed: int) -> int:
    """Play `histories` seeds from `seed` on; the exit code is 1 when one broke a rule or not all were played.

    Prints each that broke one, with steps. What was found is kept as the run goes; stopped (Ctrl-C), it ends with what
    it has, and a later run from the next seed carries it on.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found, started = tally(seed, seed + histories - 1), time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), template() as environment:
        shares = [[str(seed + at), str(found.last), str(PLAYERS)] for at in range(min(PLAYERS, histories))]
        for each in _played(environment, shares):
            found.note(each["seed"], each["played"], each["violation"])
            if each["violation"]:
                print(each["violation"], flush=True)
            if len(found.played) % KEPT_EVERY == 0:
                found.keep()
                print(f"  {len(found.played)} of {histories} after {time.monotonic() - started:.0f} s", flush=True)
    found.keep()
    print(found.lines()[-1])
    return 0 if found.is_clean else 1


def crash_points() -> int:
    """Kill the process at every point of every flow; the exit code is 1 when one left something lost or doubled."""
    rows, failed = [], 0
    with template() as environment:
        for found in _played(environment, [["crashes", str(at), str(PLAYERS)] for at in range(PLAYERS)]):
            rows.append(f"{found['points']:5}  {found['flow']}")
            failed += bool(found["violation"])
            print(rows[-1], found["violation"], flush=True)
    tried = sum(int(row.split()[0]) for row in rows)
    line = f"crash-points: {tried} passed, {failed} failed"
    keep("crash-points", ["Deaths tried, by flow:", *sorted(rows, reverse=True), line])
    print(line)
    return 0 if tried and not failed else 1


def _played(environment: dict[str, str], shares: list[list[str]]) -> Iterator[dict[str, Any]]:
    """What the players find, as it comes; each has a database and a share of its own."""
    players = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", *share], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment, "LOG_LEVEL": "CRITICAL"}, start_new_session=True,
            preexec_fn=dies_with_us(signal.SIGTERM),
        )
        for share in shares
    ]  # fmt: skip
    try:
        yield from _lines(players)
    finally:
        for player in players:
            player.terminate()


def _lines(players: list["subprocess.Popen[str]"]) -> Iterator[dict[str, Any]]:
    left = list(players)
    while left:
        for player in list(left):
            line = player.stdout.readline() if player.stdout else ""
            if line:
                yield json.loads(line)
            else:
                player.wait()
                left.remove(player)
