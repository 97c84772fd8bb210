"""Death at every point of every flow: before each statement, each commit, each call, and after Alipay has acted.

P1 to P5 of the reliability matrix (before the intent is committed, after it, after Alipay has acted, before and after the
outcome's commit) are among these points; so are all between them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, takewhile

from payments.models import Order, Refund, Transaction
from payments.money import Money
from payments.sandbox.book import Trade
from tests.simulation.far_side import Break
from tests.simulation.ground import Ground
from tests.simulation.verdict import AFTER_DRAINING, AT_ANY_INSTANT, Violation, broken, differences, unsettled
from tests.simulation.world import World

Scene = Transaction.Scene
PAYS, ASKS = "287654321098765432", "250000011234567890"  # payment codes, by what the pretend Alipay makes of them
PRICE = Money(12_800)


@dataclass(frozen=True, slots=True)
class Flow:
    """What is made ready, what the process is killed in, and whether it was to end with the order paid."""

    ready: Callable[[World], object]
    act: Callable[[World], object]
    breaks: tuple[Break, ...] = ()


def _order() -> Order:
    return Order.objects.get()


def _trade(world: World) -> Trade:
    return next(iter(world.alipay.book.trades.values()))


def _placed(world: World) -> None:
    world.place(2, 1)


def _shown(world: World) -> None:
    _placed(world)
    world.start(_order(), Scene.QR, fresh=False)


def _scanned(world: World) -> None:
    _shown(world)
    world.scan(_trade(world))


def _paid_untold(world: World) -> None:
    _shown(world)
    world.pay(_trade(world))
    world.ground.advance(timedelta(seconds=61))


def _paid(world: World) -> None:
    _paid_untold(world)
    world.deliver(world.letters()[0])


def _over(world: World) -> None:
    _scanned(world)
    world.ground.advance(timedelta(minutes=20))


def _paid_late(world: World) -> None:
    """Closed here, while Alipay's buyer was faster by a moment, and nobody told us."""
    _over(world)
    world.work("payments.tasks.close_due")
    world.alipay.book.trades[_trade(world).out_trade_no].status = "WAIT_BUYER_PAY"
    _trade(world).time_expire = None
    world.pay(_trade(world))


def _approved(world: World) -> None:
    _paid(world)
    world.work_all()
    world.ask_refund(Transaction.objects.get(), 5_000)
    world.approve(Refund.objects.get(), "staff:2")


def _refunds(world: World) -> None:
    world.work("payments.tasks.send_refunds")


def _asked_refund(world: World) -> None:
    _paid(world)
    world.ask_refund(Transaction.objects.get(), 12_800)


def _in_doubt(world: World) -> None:
    _approved(world)
    world.break_line([Break.SWALLOWED])
    _refunds(world)
    world.ground.advance(timedelta(seconds=30))


def _refunded_elsewhere(world: World) -> None:
    _paid(world)
    world.refund_in_console(_trade(world), 100, "console0")


def _asked_for_a_password(world: World) -> None:
    world.charge(ASKS, PRICE)
    world.ground.advance(timedelta(seconds=61))


FLOWS = {
    "place an order": Flow(lambda world: None, _placed),
    "start a QR code": Flow(_placed, lambda world: world.start(_order(), Scene.QR, fresh=False)),
    "start a QR code, its answer lost": Flow(
        _placed, lambda world: world.start(_order(), Scene.QR, fresh=False), (Break.SWALLOWED,)
    ),
    "start a page": Flow(_placed, lambda world: world.start(_order(), Scene.PAGE, fresh=False)),
    "a new code": Flow(_scanned, lambda world: world.start(_order(), Scene.QR, fresh=True)),
    "another way to pay": Flow(_shown, lambda world: world.start(_order(), Scene.PAGE, fresh=False)),
    "a notice": Flow(_paid_untold, lambda world: world.deliver(world.letters()[0])),
    "a notice that does not fit": Flow(
        _paid_untold, lambda world: world.deliver(world.letters()[0], total_amount="0.02")
    ),
    "the poller": Flow(_paid_untold, lambda world: world.work("payments.tasks.poll_unsettled")),
    "the poller, half an answer": Flow(
        _paid_untold, lambda world: world.work("payments.tasks.poll_unsettled"), (Break.CUT,)
    ),
    "the buyer asks": Flow(_paid_untold, lambda world: world.press_check(_order())),
    "follow-ups of a payment": Flow(_paid, lambda world: world.work("payments.tasks.relay_outbox_messages")),
    "the closer": Flow(_over, lambda world: world.work("payments.tasks.close_due")),
    "the buyer cancels": Flow(_scanned, lambda world: world.cancel(_order())),
    "charge a payment code": Flow(lambda world: None, lambda world: world.charge(PAYS, PRICE)),
    "charge a payment code, its answer lost": Flow(
        lambda world: None, lambda world: world.charge(PAYS, PRICE), (Break.SWALLOWED,)
    ),
    "cancel a charge, its answer lost": Flow(
        _asked_for_a_password, lambda world: world.work("payments.tasks.close_due"), (Break.LOST, Break.SWALLOWED)
    ),
    "late money": Flow(_paid_late, lambda world: world.deliver(world.letters()[0])),
    "ask for a refund": Flow(_paid, lambda world: world.ask_refund(Transaction.objects.get(), 5_000)),
    "approve a refund": Flow(_asked_refund, lambda world: world.approve(Refund.objects.get(), "staff:2")),
    "send a refund": Flow(_approved, _refunds),
    "send a refund, its answer lost": Flow(_approved, _refunds, (Break.SWALLOWED,)),
    "send a refund, lost on the way": Flow(_approved, _refunds, (Break.LOST,)),
    "ask about a refund in doubt": Flow(_in_doubt, _refunds),
    "a refund made elsewhere": Flow(_refunded_elsewhere, lambda world: world.deliver(world.letters()[-1])),
}


def try_points(ground: Ground, flow: Flow, *, every: int) -> int:
    """Die once at every (or every so-many-th) point of a flow, start again, let the work be done. Raises Violation.

    Returns how many deaths there were.
    """
    return sum(1 for _ in takewhile(lambda at: _dies_at(ground, flow, at), count(0, every)))


def _dies_at(ground: Ground, flow: Flow, at: int) -> bool:
    """False when the flow has ended before its at-th point."""
    world = World(ground, 1)
    with world.running():
        world.do("made ready", lambda: flow.ready(world))
        world.break_line(list(flow.breaks))
        world.death.arm(at)
        ended = world.do("the flow", lambda: flow.act(world))
        died = bool(world.story[-1].count("killed before"))
        if not ended and not died:
            raise Violation(world.story[-1])
        if died:
            world.do(
                "the flow again", lambda: flow.act(world)
            )  # a buyer reloads, Alipay repeats, the next worker comes
        world.drain(tells_all=True)
        wrong = [
            *unsettled(),
            *broken(AT_ANY_INSTANT),
            *broken(AFTER_DRAINING),
            *differences(world.alipay.book, told=True),
        ]
        if wrong:
            world.fail(f"death at point {at}", wrong)
    return died
