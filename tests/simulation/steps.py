"""What every history has: its steps written down as they are taken, and what must hold after each and at the end."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from payments.models import Order, Transaction
from payments.sandbox.book import Trade
from tests.simulation.ground import Ground
from tests.simulation.verdict import AFTER_DRAINING, broken, differences, unsettled
from tests.simulation.world import World

Row = TypeVar("Row")
PICK = st.integers(0, 30)


def step(when: Callable[[Any], Any], **drawn: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule that is taken only when it can be, and noted, so that a kept history is taken again without a draw."""

    def made(act: Callable[..., None]) -> Any:
        @wraps(act)
        def noted(self: "Stage", **given: Any) -> None:
            if when(self):
                self.does().steps.append((act.__name__, given))
                act(self, **given)

        return precondition(when)(rule(**drawn)(noted))  # type: ignore[call-overload]  # none is named "target"

    return made


class Stage(RuleBasedStateMachine):
    """Set `ground` and `seed` before a run. Without a salt nothing is begun: Hypothesis's own first try is all zeros."""

    ground: ClassVar[Ground]
    seed: ClassVar[int] = 0
    played: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    @initialize(salt=st.integers(0, 2**16), tells_all=st.booleans())
    def begin(self, salt: int, tells_all: bool) -> None:
        if not salt:
            return
        self.world, self.tells_all = World(self.ground, type(self).seed), tells_all
        self.world.steps.append(("begin", {"salt": salt, "tells_all": tells_all}))
        self.around = self.world.running()
        self.around.__enter__()
        Stage.played += 1

    @precondition(lambda self: not self.world)
    @rule()
    def nothing(self) -> None:
        """Hypothesis's first try."""

    @invariant()
    def holds_at_any_instant(self) -> None:
        if self.world:
            self._must_be_empty("broken", broken())

    def teardown(self) -> None:
        if not self.world:
            return
        try:
            self.world.drain(tells_all=self.tells_all)
            self._must_be_empty("unsettled", unsettled())
            self._must_be_empty("broken", [*broken(), *broken(AFTER_DRAINING)])
            self._must_be_empty("books differ", differences(self.world.alipay.book, told=self.tells_all))
        finally:
            self.around.__exit__(None, None, None)

    def does(self) -> World:
        assert self.world is not None
        return self.world

    def orders(self) -> list[Order]:
        return list(Order.objects.order_by("pk")) if self.world else []

    def trades(self) -> list[Trade]:
        return list(self.world.alipay.book.trades.values()) if self.world else []

    def paid(self) -> list[Transaction]:
        return list(Transaction.objects.filter(state="paid").order_by("pk")) if self.world else []

    def _must_be_empty(self, what: str, found: list[str]) -> None:
        if found:
            self.does().fail(what, found)


def one(rows: list[Row], pick: int) -> Row:
    """Some row of what is there, the same for the same pick."""
    return rows[pick % len(rows)]
