"""Histories that once broke a rule, kept as their steps: they are played again whatever becomes of the rules' order."""

import json
from pathlib import Path

from tests.simulation.ground import Ground
from tests.simulation.machine import History
from tests.simulation.steps import Stage
from tests.simulation.verdict import Violation

KEPT = Path(__file__).with_name("examples")


def keep(violation: Violation, *, under: Path = KEPT) -> Path:
    """Write a broken history down: seed, what broke, and every step with what was drawn for it."""
    broke = str(violation).splitlines()[0]
    steps = ",\n".join(f"    {json.dumps(step, ensure_ascii=False)}" for step in violation.steps)
    path = under / f"{violation.seed}.json"
    path.write_text(
        f'{{\n  "seed": {violation.seed},\n  "broke": {json.dumps(broke, ensure_ascii=False)},\n  "steps": [\n{steps}\n  ]\n}}\n'
    )
    return path


def replay(ground: Ground, path: Path) -> int:
    """Take the kept steps again; how many could be taken. Raises Violation where the history breaks a rule still.

    A step that can't be taken any more (there is nothing it could be about) is left out, as a draw would leave it out.
    """
    kept = json.loads(path.read_text())
    Stage.ground, Stage.seed = ground, kept["seed"]
    history = History()
    try:
        for name, given in kept["steps"]:
            getattr(history, name)(**given)
            history.holds_at_any_instant()
        taken = len(history.does().steps)
    finally:
        history.teardown()
    return taken
