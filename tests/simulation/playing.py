"""Play histories by seed: the same seed is the same history, on any machine."""

from collections.abc import Iterable
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky, FlakyStrategyDefinition
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.examples import KEPT, keep
from tests.simulation.ground import Ground
from tests.simulation.machine import History
from tests.simulation.steps import Stage
from tests.simulation.verdict import Violation
from tests.simulation.world import World

STEPS = 30


def play(ground: Ground, seeds: Iterable[int], *, shrinking: bool = False, kept: Path = KEPT) -> int:
    """Play one history per seed; how many were played. Raises Violation with seed and steps, when it has kept them.

    shrinking  look for the shortest history that still fails, before raising
    kept       where a history that breaks a rule is written down
    """
    phases = [Phase.generate, *([Phase.shrink] if shrinking else [])]
    rules = settings(
        max_examples=2, stateful_step_count=STEPS, database=None, deadline=None, phases=phases, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    Stage.ground, played = ground, 0
    for each in seeds:
        before, Stage.seed, World.first_failure = Stage.played, each, None
        try:
            run_state_machine_as_test(seed(each)(_of_seed()), settings=rules)
        except (Violation, Flaky, FlakyStrategyDefinition) as found:
            violation = _news(found, each)
            keep(violation, under=kept)
            raise violation from found
        played += Stage.played > before
    return played


def _news(found: Exception, each: int) -> Violation:
    """What to tell of it: where the replay went another way, the first failure is the news."""
    if isinstance(found, Violation) and found.steps:
        return found
    return World.first_failure or Violation(f"seed {each}: not the same twice", each)


def _of_seed() -> type[History]:
    return type("History", (History,), {})
