"""What happens at a counter in a history: codes that pay, ask for a password or are refused, and cashiers who won't wait."""

from hypothesis import strategies as st

from payments.models import Order, Transaction
from payments.money import Money
from payments.sandbox.barcodes import Outcome
from tests.simulation.people import MOST_ORDERS
from tests.simulation.shop import PRICES
from tests.simulation.steps import PICK, Stage, one, step

CODES = st.builds(
    lambda outcome, digit: f"{outcome}{digit:0{18 - len(outcome)}d}",  # few digits: a code comes twice
    st.sampled_from([Outcome.PAYS, Outcome.PAYS, Outcome.PASSWORD, Outcome.PASSWORD, *Outcome]),
    st.integers(0, 5),
)
TILLS = st.integers(1, 2)
PRESSED = st.sampled_from([1, 1, 2])


class Counter(Stage):
    """Rules of two tills."""

    @step(
        lambda self: self.world and Order.objects.count() < MOST_ORDERS,
        code=CODES,
        price=st.sampled_from(PRICES),
        till=TILLS,
        pressed=PRESSED,
    )
    def sell(self, code: str, price: int, till: int, pressed: int) -> None:
        self._press(pressed, f"till {till} sells for {price} fen", Money(price), code, till)

    @step(lambda self: self.orders(), pick=PICK, code=CODES, till=TILLS, pressed=PRESSED)
    def charge_order(self, pick: int, code: str, till: int, pressed: int) -> None:
        self._press(pressed, f"till {till} charges an order", one(self.orders(), pick), code, till)

    @step(lambda self: self.charges(), pick=PICK, waits=st.booleans())
    def go_on(self, pick: int, waits: bool) -> None:
        """The cashier ends what is open, or serves the next buyer meanwhile."""
        world, charge = self.does(), one(self.charges(), pick)
        act = world.put_aside if waits else world.end_charge
        world.do("put aside" if waits else "end the charge", lambda: act(charge))

    def _press(self, times: int, what: str, sold: Order | Money, code: str, till: int) -> None:
        """One key, so one attempt at most, however often it is pressed."""
        world, before = self.does(), Transaction.objects.count()
        key = f"{len(world.steps)}"
        for _ in range(times):
            world.do(what, lambda: world.charge(code, sold, key=key, till=till))
        if Transaction.objects.count() > before + 1:
            world.fail("one press, two attempts", [what])

    def charges(self) -> list[Transaction]:
        """Open ones, of all tills."""
        at_counter = Transaction.objects.unsettled().filter(scene=Transaction.Scene.COUNTER)
        return list(at_counter.order_by("pk")) if self.world else []
