"""What buyers and staff do in a history."""

from hypothesis import strategies as st

from payments.models import Order, Refund, Transaction
from tests.simulation.shop import PRICES
from tests.simulation.steps import PICK, Stage, one, step

MOST_ORDERS = 3
SCENES = st.sampled_from([Transaction.Scene.QR, Transaction.Scene.PAGE, Transaction.Scene.WAP])


class People(Stage):
    """Rules of people."""

    # --- buyers --------------------------------------------------------------------------------------------------

    @step(
        lambda self: self.world and Order.objects.count() < MOST_ORDERS,
        variant=st.integers(0, len(PRICES) - 1),
        pieces=st.integers(1, 2),
        scene=SCENES,
    )
    def order(self, variant: int, pieces: int, scene: Transaction.Scene) -> None:
        world = self.does()
        if world.do(f"place {pieces} of {PRICES[variant]} fen", lambda: world.place(variant, pieces)):
            newest = Order.objects.order_by("pk").last()
            if newest is not None and newest.state == Order.State.AWAITING_PAYMENT:
                world.do(f"start {scene}", lambda: world.start(newest, scene, fresh=False))

    @step(lambda self: self.orders(), pick=PICK, scene=SCENES, fresh=st.booleans())
    def start(self, pick: int, scene: Transaction.Scene, fresh: bool) -> None:
        world, order = self.does(), one(self.orders(), pick)
        world.do(f"start {scene} {fresh=}", lambda: world.start(order, scene, fresh=fresh))

    @step(lambda self: self.orders(), pick=PICK, how=st.sampled_from(["look", "press_check", "cancel", "extend"]))
    def at_the_page(self, pick: int, how: str) -> None:
        world, order = self.does(), one(self.orders(), pick)
        world.do(how, lambda: getattr(world, how)(order))

    @step(lambda self: self.trades(), pick=PICK, scan_first=st.booleans())
    def pay(self, pick: int, scan_first: bool) -> None:
        world, trade = self.does(), one(self.trades(), pick)
        world.do("scan" if scan_first else "pay", lambda: (world.scan if scan_first else world.pay)(trade))

    @step(lambda self: self.trades(), pick=PICK, tell=st.booleans())
    def pay_and_tell(self, pick: int, tell: bool) -> None:
        world, trade = self.does(), one(self.trades(), pick)
        if world.do("pay", lambda: world.pay(trade)) and tell:
            world.do("notice", lambda: world.deliver(world.letters()[-1]))

    @step(lambda self: self.orders(), pick=PICK, genuine=st.booleans())
    def come_back(self, pick: int, genuine: bool) -> None:
        world, order = self.does(), one(self.orders(), pick)
        numbers = order.transactions.values_list("out_trade_no", flat=True)
        paid = [trade for trade in self.trades() if trade.paid_at and trade.out_trade_no in numbers]
        world.do("return", lambda: world.come_back(order, paid[0] if paid and genuine else None))

    # --- staff ------------------------------------------------------------------------------------------------------

    @step(
        lambda self: self.paid(),
        pick=PICK,
        share=st.sampled_from([1, 2, 3, 10]),
        approver=st.sampled_from(["staff:1", "staff:2", "staff:2"]),
    )
    def refund(self, pick: int, share: int, approver: str) -> None:
        world, attempt = self.does(), one(self.paid(), pick)
        fen = max(1, attempt.amount_fen // share)
        if world.do(f"ask refund {fen}", lambda: world.ask_refund(attempt, fen)):
            newest = Refund.objects.order_by("pk").last()
            assert newest is not None
            world.do(f"approve as {approver}", lambda: world.approve(newest, approver))

    @step(lambda self: self.world and Refund.objects.filter(state=Refund.State.REQUESTED).exists(), yes=st.booleans())
    def decide(self, yes: bool) -> None:
        world = self.does()
        refund = Refund.objects.filter(state=Refund.State.REQUESTED).order_by("pk").first()
        assert refund is not None
        world.do(
            "approve" if yes else "reject", lambda: world.approve(refund, "staff:3") if yes else world.reject(refund)
        )

    @step(lambda self: self.orders(), pick=PICK, way=st.sampled_from([Transaction.Scene.CASH, Transaction.Scene.BANK]))
    def take_money(self, pick: int, way: Transaction.Scene) -> None:
        """The buyer pays at the counter, whatever else is under way."""
        world, order = self.does(), one(self.orders(), pick)
        world.do(f"take {way}", lambda: world.take_money(order, way))
