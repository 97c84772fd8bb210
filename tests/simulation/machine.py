"""One history: rules that a machine draws in any order, and what must hold after each of them and at the end."""

from datetime import timedelta
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from payments.models import Order, Refund, Transaction
from payments.sandbox.book import Trade
from tests.simulation.far_side import Break
from tests.simulation.ground import Ground
from tests.simulation.verdict import AFTER_DRAINING, broken, differences, unsettled
from tests.simulation.world import PRICES, TASKS, World

Row = TypeVar("Row")
MOST_ORDERS = 3
PICK = st.integers(0, 30)
SCENES = st.sampled_from([Transaction.Scene.QR, Transaction.Scene.PAGE, Transaction.Scene.WAP])
STEPS = st.sampled_from([1, 5, 20, 61, 300, 700, 1_100, 4_000])


class History(RuleBasedStateMachine):
    """Set `ground` and `seed` before a run. `only_warming` marks Hypothesis's own first try, which is all zeros."""

    ground: ClassVar[Ground]
    seed: ClassVar[int] = 0
    played: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.rotated = False

    @initialize(salt=st.integers(0, 2**16), tells_all=st.booleans())
    def begin(self, salt: int, tells_all: bool) -> None:
        if not salt:
            return
        self.world, self.tells_all = World(self.ground, type(self).seed), tells_all
        self.around = self.world.running()
        self.around.__enter__()
        History.played += 1

    def _does(self) -> World:
        assert self.world is not None
        return self.world

    # --- buyers --------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.world)
    @rule()
    def nothing(self) -> None:
        """Hypothesis's first try."""

    @precondition(lambda self: self.world and Order.objects.count() < MOST_ORDERS)
    @rule(variant=st.integers(0, len(PRICES) - 1), pieces=st.integers(1, 2), scene=SCENES)
    def order(self, variant: int, pieces: int, scene: Transaction.Scene) -> None:
        world = self._does()
        if world.do(f"place {pieces} of {PRICES[variant]} fen", lambda: world.place(variant, pieces)):
            newest = Order.objects.order_by("pk").last()
            if newest is not None and newest.state == Order.State.AWAITING_PAYMENT:
                world.do(f"start {scene}", lambda: world.start(newest, scene, fresh=False))

    @precondition(lambda self: self._orders())
    @rule(pick=PICK, scene=SCENES, fresh=st.booleans())
    def start(self, pick: int, scene: Transaction.Scene, fresh: bool) -> None:
        world, order = self._does(), _one(self._orders(), pick)
        world.do(f"start {scene} {fresh=}", lambda: world.start(order, scene, fresh=fresh))

    @precondition(lambda self: self._orders())
    @rule(pick=PICK, how=st.sampled_from(["look", "press_check", "cancel", "extend"]))
    def at_the_page(self, pick: int, how: str) -> None:
        world, order = self._does(), _one(self._orders(), pick)
        world.do(how, lambda: getattr(world, how)(order))

    @precondition(lambda self: self._trades())
    @rule(pick=PICK, scan_first=st.booleans())
    def pay(self, pick: int, scan_first: bool) -> None:
        world, trade = self._does(), _one(self._trades(), pick)
        world.do("scan" if scan_first else "pay", lambda: (world.scan if scan_first else world.pay)(trade))

    @precondition(lambda self: self._trades())
    @rule(pick=PICK, tell=st.booleans())
    def pay_and_tell(self, pick: int, tell: bool) -> None:
        world, trade = self._does(), _one(self._trades(), pick)
        if world.do("pay", lambda: world.pay(trade)) and tell:
            world.do("notice", lambda: world.deliver(world.letters()[-1]))

    @precondition(lambda self: self._orders())
    @rule(pick=PICK, genuine=st.booleans())
    def come_back(self, pick: int, genuine: bool) -> None:
        world, order = self._does(), _one(self._orders(), pick)
        numbers = order.transactions.values_list("out_trade_no", flat=True)
        paid = [trade for trade in self._trades() if trade.paid_at and trade.out_trade_no in numbers]
        world.do("return", lambda: world.come_back(order, paid[0] if paid and genuine else None))

    # --- Alipay ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world and self.world.letters())
    @rule(pick=PICK, times=st.sampled_from([1, 1, 2]))
    def deliver(self, pick: int, times: int) -> None:
        world = self._does()
        letter = _one(world.letters(), pick)
        for _ in range(times):
            world.do(f"notice {letter.fields['trade_status']}", lambda: world.deliver(letter))

    @precondition(lambda self: self.world and self.world.letters())
    @rule(pick=PICK, lie=st.sampled_from([
        {"total_amount": "0.02"}, {"total_amount": "1e2"}, {"seller_id": "2088000000000000"},
        {"trade_status": "WAIT_BUYER_PAY"}, {"trade_status": "TRADE_OPEN"},
    ]))  # fmt: skip
    def tell_a_lie(self, pick: int, lie: dict[str, str]) -> None:
        world = self._does()
        letter = _one(world.letters(), pick)
        world.do(f"notice with {lie}", lambda: world.deliver(letter, **lie))

    @precondition(lambda self: self.world and self.world.letters())
    @rule(pick=PICK)
    def forge(self, pick: int) -> None:
        world = self._does()
        letter = _one(world.letters(), pick)
        world.do("forged notice", lambda: world.forge(letter, total_amount="9.99", trade_status="TRADE_SUCCESS"))

    @precondition(lambda self: self._trades())
    @rule(pick=PICK, fen=st.sampled_from([1, 100, 12_800]))
    def refund_in_console(self, pick: int, fen: int) -> None:
        world, trade = self._does(), _one(self._trades(), pick)
        number = f"console{len(trade.refunds)}"
        world.do(f"console refunds {fen}", lambda: world.refund_in_console(trade, fen, number))

    @precondition(lambda self: self.world and len(self.world.story) > 12 and not self.rotated)
    @rule()
    def rotate_keys(self) -> None:
        world, self.rotated = self._does(), True
        world.do("rotate keys", world.rotate_keys)

    # --- staff ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self._paid())
    @rule(pick=PICK, share=st.sampled_from([1, 2, 3, 10]), approver=st.sampled_from(["staff:1", "staff:2", "staff:2"]))
    def refund(self, pick: int, share: int, approver: str) -> None:
        world, attempt = self._does(), _one(self._paid(), pick)
        fen = max(1, attempt.amount_fen // share)
        if world.do(f"ask refund {fen}", lambda: world.ask_refund(attempt, fen)):
            newest = Refund.objects.order_by("pk").last()
            assert newest is not None
            world.do(f"approve as {approver}", lambda: world.approve(newest, approver))

    @precondition(lambda self: self.world and Refund.objects.filter(state=Refund.State.REQUESTED).exists())
    @rule(yes=st.booleans())
    def decide(self, yes: bool) -> None:
        world = self._does()
        refund = Refund.objects.filter(state=Refund.State.REQUESTED).order_by("pk").first()
        assert refund is not None
        world.do(
            "approve" if yes else "reject", lambda: world.approve(refund, "staff:3") if yes else world.reject(refund)
        )

    # --- workers, time, accidents -------------------------------------------------------------------------------------

    @precondition(lambda self: self.world)
    @rule(task=st.sampled_from(TASKS), times=st.sampled_from([1, 1, 2]))
    def work(self, task: str, times: int) -> None:
        world = self._does()
        for _ in range(times):
            world.do(task.rsplit(".", 1)[-1], lambda: world.work(task))

    @precondition(lambda self: self.world)
    @rule(seconds=STEPS, works=st.booleans())
    def time_passes(self, seconds: int, works: bool) -> None:
        """Tasks may be lost: nothing runs then, however much is due."""
        world = self._does()
        self.ground.advance(timedelta(seconds=seconds))
        world.story.append(f"{seconds} s later")
        if works:
            world.do("all tasks", world.work_all)

    @precondition(lambda self: self.world)
    @rule(breaks=st.lists(st.sampled_from(list(Break)), min_size=1, max_size=3))
    def line_breaks(self, breaks: list[Break]) -> None:
        world = self._does()
        world.break_line(breaks)
        world.story.append(f"next calls: {', '.join(breaks)}")

    @precondition(lambda self: self.world)
    @rule(at=st.integers(0, 25))
    def die_soon(self, at: int) -> None:
        world = self._does()
        world.death.arm(at)
        world.story.append(f"dies {at} points later")

    # --- what must hold -----------------------------------------------------------------------------------------------

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

    def _must_be_empty(self, what: str, found: list[str]) -> None:
        if found:
            self._does().fail(what, found)

    def _orders(self) -> list[Order]:
        return list(Order.objects.order_by("pk")) if self.world else []

    def _trades(self) -> list[Trade]:
        return list(self.world.alipay.book.trades.values()) if self.world else []

    def _paid(self) -> list[Transaction]:
        return list(Transaction.objects.filter(state="paid").order_by("pk")) if self.world else []


def _one(rows: list[Row], pick: int) -> Row:
    return rows[pick % len(rows)]
