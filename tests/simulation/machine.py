"""One history: rules that a machine draws in any order. People's are in people.py and counter.py, what must hold in steps.py."""

from datetime import timedelta
from functools import partial

from hypothesis import strategies as st

from payments.models import Refund, Transaction
from payments.sandbox.book import Delivery
from tests.simulation.counter import Counter
from tests.simulation.far_side import ANOTHER_TRADE, Break
from tests.simulation.people import People
from tests.simulation.steps import PICK, one, step
from tests.simulation.verdict import is_doubted
from tests.simulation.world import TASKS

STEPS = st.sampled_from([1, 5, 20, 61, 300, 700, 1_100, 4_000])


class History(People, Counter):
    """Rules of Alipay, of workers, of time and of accidents, beside those of people and tills."""

    def __init__(self) -> None:
        super().__init__()
        self.rotated = self.is_old = False

    # --- Alipay ---------------------------------------------------------------------------------------------------

    @step(lambda self: self.world and self.world.letters(), pick=PICK, times=st.sampled_from([1, 1, 2]))
    def deliver(self, pick: int, times: int) -> None:
        world = self.does()
        letter = one(world.letters(), pick)
        for _ in range(times):
            world.do(f"notice {letter.fields['trade_status']}", lambda: world.deliver(letter))

    @step(lambda self: self.world and self.world.letters(), pick=PICK, lie=st.sampled_from([
        {"total_amount": "0.02"}, {"total_amount": "1e2"}, {"seller_id": "2088000000000000"},
        {"trade_status": "WAIT_BUYER_PAY"}, {"trade_status": "TRADE_OPEN"},
    ]))  # fmt: skip
    def tell_a_lie(self, pick: int, lie: dict[str, str]) -> None:
        world = self.does()
        letter = one(world.letters(), pick)
        world.do(f"notice with {lie}", lambda: world.deliver(letter, **lie))

    @step(lambda self: self.world and self.world.letters(), pick=PICK)
    def forge(self, pick: int) -> None:
        world = self.does()
        letter = one(world.letters(), pick)
        world.do("forged notice", lambda: world.forge(letter, total_amount="9.99", trade_status="TRADE_SUCCESS"))

    @step(lambda self: self.trades(), pick=PICK, fen=st.sampled_from([1, 100, 12_800]))
    def refund_in_console(self, pick: int, fen: int) -> None:
        world, trade = self.does(), one(self.trades(), pick)
        number = f"console{len(trade.refunds)}"
        world.do(f"console refunds {fen}", lambda: world.refund_in_console(trade, fen, number))

    @step(lambda self: self.world and len(self.world.story) > 12 and not self.rotated)
    def rotate_keys(self) -> None:
        world, self.rotated = self.does(), True
        world.do("rotate keys", world.rotate_keys)

    @step(lambda self: self.world and self._of_known_trades(), pick=PICK)
    def tell_of_a_second_trade(self, pick: int) -> None:
        """Two trades for one number: a person must look, and the one we knew stays."""
        world = self.does()
        letter = one(self._of_known_trades(), pick)
        attempt = Transaction.objects.get(out_trade_no=letter.fields["out_trade_no"])
        heard = world.do("notice of a second trade", lambda: world.deliver(letter, trade_no=ANOTHER_TRADE))
        if heard and not is_doubted(attempt):
            world.fail("nobody is told", [f"{attempt} has two trades"])

    @step(lambda self: self.trades(), pick=PICK)
    def close_in_console(self, pick: int) -> None:
        world, trade = self.does(), one(self.trades(), pick)
        world.do("console closes", lambda: world.close_in_console(trade))

    @step(lambda self: self.paid() and len(self.does().story) > 20 and not self.is_old, told=st.booleans())
    def a_year_passes(self, told: bool) -> None:
        """What was paid can no longer be refunded; Alipay says so in notices, or only when it is asked to."""
        world, self.is_old = self.does(), True
        self.ground.advance(timedelta(days=366))
        world.story.append("a year later")
        for trade in [each for each in self.trades() if told and each.is_paid]:
            world.do("notice of the end", partial(world.finish, trade))
        for attempt in self.paid():
            if world.do("ask refund, too late", partial(world.ask_refund, attempt, 1)):
                world.do("approve", lambda: world.approve(Refund.objects.latest("pk"), "staff:2"))

    # --- workers, time, accidents -------------------------------------------------------------------------------------

    @step(lambda self: self.world, task=st.sampled_from(TASKS), times=st.sampled_from([1, 1, 2]))
    def work(self, task: str, times: int) -> None:
        world = self.does()
        for _ in range(times):
            world.do(task.rsplit(".", 1)[-1], lambda: world.work(task))

    @step(lambda self: self.world, seconds=STEPS, works=st.booleans())
    def time_passes(self, seconds: int, works: bool) -> None:
        """Tasks may be lost: nothing runs then, however much is due."""
        world = self.does()
        self.ground.advance(timedelta(seconds=seconds))
        world.story.append(f"{seconds} s later")
        if works:
            world.do("all tasks", world.work_all)

    @step(lambda self: self.world, breaks=st.lists(st.sampled_from(list(Break)), min_size=1, max_size=3))
    def line_breaks(self, breaks: list[Break]) -> None:
        world = self.does()
        world.break_line([Break(each) for each in breaks])
        world.story.append(f"next calls: {', '.join(breaks)}")

    @step(lambda self: self.world, at=st.integers(0, 25))
    def die_soon(self, at: int) -> None:
        world = self.does()
        world.death.arm(at)
        world.story.append(f"dies {at} points later")

    @step(
        lambda self: self.world, what=st.sampled_from(["pay", "tell", "freeze", "work"]), acted=st.booleans(), pick=PICK
    )
    def while_we_wait(self, what: str, acted: bool, pick: int) -> None:
        """Somebody else acts while our next call is under way; by then nothing of ours is locked."""
        world = self.does()
        world.while_calling(lambda: self._of_others(what, pick), acted=acted)
        world.story.append(f"during the next call, {'after' if acted else 'before'} Alipay acts: {what}")

    def _of_others(self, what: str, pick: int) -> None:
        world = self.does()
        match what:
            case "freeze":
                world.freeze()
            case "work":
                world.work_all()
            case "pay" if self.trades():
                world.pay(one(self.trades(), pick))
            case "tell" if world.letters():
                world.deliver(one(world.letters(), pick))

    def _of_known_trades(self) -> list[Delivery]:
        """Notices of payments whose trade we know."""
        letters = self.does().letters() if self.world else []
        about = [each for each in letters if "out_biz_no" not in each.fields]
        return [each for each in about if self.ground.has_trade(each.fields["out_trade_no"])]
