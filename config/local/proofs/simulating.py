"""`make simulate`: histories of every fault at once, played by seed on real PostgreSQL under a clock that is moved."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from config.local.places import ROOT
from config.local.proofs.figures import keep
from config.local.testing import template

PLAYERS = 2


def simulate(*, histories: int, first: int) -> int:
    """Play `histories` seeds from `first` on; the exit code is 1 when one broke a rule. Prints each that did, with steps."""
    last, started = first + histories - 1, time.monotonic()
    played, violations = 0, []
    with template() as environment:
        shares = [[str(first + at), str(last), str(PLAYERS)] for at in range(min(PLAYERS, histories))]
        for found in _played(environment, shares):
            played += found["played"]
            if found["violation"]:
                violations.append(found["seed"])
                print(found["violation"], flush=True)
            if played % 50 == 0 and found["played"]:
                print(f"  {played} of {histories} after {time.monotonic() - started:.0f} s", flush=True)
    line = f"simulate: {played} histories, {len(violations)} violations, seeds {first}-{last}"
    bound = f"With 0 violations in {played}, fewer than {3 / max(played, 1):.2%} of histories break a rule (95 %: 3/n)."
    keep("simulate", [*(f"violation at seed {seed}" for seed in violations), *([] if violations else [bound]), line])
    print(line)
    return 0 if played == histories and not violations else 1


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
            env={**os.environ, **environment, "LOG_LEVEL": "CRITICAL"},
        )
        for share in shares
    ]  # fmt: skip
    while players:
        for player in list(players):
            line = player.stdout.readline() if player.stdout else ""
            if line:
                yield json.loads(line)
            else:
                player.wait()
                players.remove(player)
