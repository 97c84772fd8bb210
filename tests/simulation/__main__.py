"""`python -m tests.simulation FIRST LAST STEP` plays seeds, `… crashes AT STEP` flows; one JSON line each, on given servers."""

import contextlib
import json
import os
import sys
import traceback

import django

django.setup()

from tests.simulation.crashes import FLOWS, try_points  # noqa: E402
from tests.simulation.ground import ground  # noqa: E402  # after the registry is filled
from tests.simulation.playing import play  # noqa: E402
from tests.simulation.verdict import Violation  # noqa: E402


def main(first: int, last: int, step: int) -> int:
    """Every step-th seed from first to last. The exit code says whether all of them held."""
    failed = 0
    with ground(os.environ["TEST_SOCKETS"], f"histories_{first}") as under_us:
        for seed in range(first, last + 1, step):
            violation = ""
            try:
                with contextlib.redirect_stdout(sys.stderr):  # Hypothesis prints a failing history's draws
                    played = play(under_us, [seed], shrinking="SHRINK" in os.environ)
            except Exception as found:  # whatever it is, it is told, and the other seeds are played
                told = str(found) if isinstance(found, Violation) else "".join(traceback.format_exception(found)[-6:])
                played, violation, failed = 1, f"seed {seed}: {told}", failed + 1
            print(json.dumps({"seed": seed, "played": played, "violation": violation}), flush=True)
    return 1 if failed else 0


def crashes(at: int, step: int) -> int:
    """Every step-th flow from the at-th on, killed at each of its points."""
    failed = 0
    with ground(os.environ["TEST_SOCKETS"], f"crashes_{at}") as under_us:
        for name in list(FLOWS)[at::step]:
            points, violation = 0, ""
            try:
                points = try_points(under_us, FLOWS[name], every=1)
            except Violation as found:
                violation, failed = str(found), failed + 1
            print(json.dumps({"flow": name, "points": points, "violation": violation}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(crashes(*map(int, words[1:])) if words[0] == "crashes" else main(*map(int, words)))
