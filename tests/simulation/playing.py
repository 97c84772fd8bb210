"""Play histories by seed: the same seed is the same history, on any machine."""

from collections.abc import Iterable

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky, FlakyStrategyDefinition
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.ground import Ground
from tests.simulation.machine import History
from tests.simulation.verdict import Violation
from tests.simulation.world import World

STEPS = 30


def play(ground: Ground, seeds: Iterable[int], *, shrinking: bool = False) -> int:
    """Play one history per seed; how many were played. Raises Violation with seed and steps.

    shrinking  look for the shortest history that still fails, before raising
    """
    phases = [Phase.generate, *([Phase.shrink] if shrinking else [])]
    rules = settings(
        max_examples=2, stateful_step_count=STEPS, database=None, deadline=None, phases=phases, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    History.ground, played = ground, 0
    for each in seeds:
        before, History.seed, World.first_failure = History.played, each, ""
        try:
            run_state_machine_as_test(seed(each)(_of_seed()), settings=rules)
        except (Flaky, FlakyStrategyDefinition) as flaky:  # the replay went another way: the first failure is the news
            raise Violation(World.first_failure or f"seed {each}: not the same twice") from flaky
        played += History.played > before
    return played


def _of_seed() -> type[History]:
    return type("History", (History,), {})
