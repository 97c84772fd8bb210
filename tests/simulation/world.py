"""A shop and a pretend Alipay under one virtual clock, and all that buyers, staff, workers and accidents do there."""

import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, NoReturn
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.test import RequestFactory
from django.utils.module_loading import import_string

from checkout.models import Stock
from checkout.queries.carts import contents
from checkout.services import carts
from checkout.services.place_purchase import keep_draft, place_purchase
from config.celery import app
from payments import gateway
from payments.errors import OrderRefused, RefundRefused
from payments.models import AlipayKey, Order, Refund, Transaction, User
from payments.money import Money
from payments.sandbox.alipay import Alipay, Refused
from payments.sandbox.book import Book, Delivery, Trade
from payments.sandbox.notices import announce, notice_of, signed_notice, signed_return
from payments.services import receive_notice as receiving
from payments.services import turns
from payments.services.attempt_requests import pay_address
from payments.services.cancel_order import cancel_order
from payments.services.charge_barcode import Counter, Sale, charge_barcode
from payments.services.check_payment import check_payment
from payments.services.close import set_aside
from payments.services.extend_order import extend_order
from payments.services.receive_return import receive_return
from payments.services.record_payment import record_payment
from payments.services.refund import approve_refund, reject_refund, request_refund
from payments.services.start_payment import start_payment
from payments.services.watch import watch
from payments.views.alipay import notify
from tests.simulation.dying import Death, survive
from tests.simulation.far_side import Break, FarSide
from tests.simulation.ground import Ground
from tests.simulation.shop import goods, identity, merchant, next_key
from tests.simulation.verdict import AFTER_DRAINING, Step, Violation, broken, unsettled

DRAIN_ROUNDS = [12] * 8 + [120] * 12 + [700] * 20 + [4_000] * 12
TASKS = sorted(str(entry["task"]) for entry in app.conf.beat_schedule.values())
ADDRESS = {"name": "林小满", "mobile": "13800000000", "region": "浙江省杭州市", "address": "龙井路 1 号"}


class World:
    """One history's actors. Every action may be cut short by a planned death, and is then simply not repeated."""

    first_failure: ClassVar[Violation | None] = None  # of the present seed, should a replay go another way

    def __init__(self, ground: Ground, seed: int) -> None:
        self.ground, self.seed, self.story, self.steps = ground, seed, list[str](), list[Step]()
        self.unheard: list[dict[str, str]] = []
        self.uncaught: list[str] = []
        self.death = Death()
        self.alipay = Alipay(
            identity()[0], Book(), chance=random.Random(seed), address="https://qr.example",
            least_life=timedelta(seconds=60), apart=timedelta(seconds=3),
        )  # fmt: skip
        self.line = FarSide(
            self.alipay, now=lambda: self.ground.now, passed=self.death.point, has_trade=ground.has_trade
        )  # fmt: skip
        self.account, self.variants = merchant(), goods()
        ground.empty()
        Stock.objects.bulk_create(Stock(variant=each, on_hand=3) for each in self.variants)
        self._forget()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Our process speaks to this world's Alipay, and can die."""
        with (
            patch.object(gateway, "transport", lambda: self.line),
            patch.object(turns, "broke", self._broke),
            self.death.watching(),
        ):
            yield

    def do(self, what: str, act: Callable[[], object]) -> bool:
        """One action, told in the story. False when it ended in a refusal or in the process's death."""
        try:
            with self.death.possible():
                outcome = act()
        except (OrderRefused, RefundRefused, Refused) as refusal:
            self.story.append(f"{what}: refused, {refusal}")
            return False
        except BaseException as error:
            if not self.death.struck:
                self.story.append(f"{what}: {type(error).__name__}: {error}")
                self.story += traceback.format_exception(error)[-3:]
                self.fail("an error nobody expects", [repr(error).splitlines()[0]])
            self.story.append(f"{what}: killed before {self.death.struck}")  # whatever unwinding made of it
            survive(self.death)
            self._forget()
            return False
        self.story.append(f"{what}: {outcome}")
        if self.uncaught:
            self.fail("an error nobody expects", self.uncaught)
        return True

    def fail(self, what: str, found: list[str]) -> NoReturn:
        """Raise Violation, with the seed and every step so far."""
        told = "\n".join(f"  {at:3}. {line}" for at, line in enumerate(self.story, start=1))
        failure = Violation(f"{what}, seed {self.seed}: {'; '.join(found)}\n{told}", self.seed, self.steps)
        World.first_failure = World.first_failure or failure
        raise failure

    # --- buyers --------------------------------------------------------------------------------------------------

    def place(self, variant: int, pieces: int) -> str:
        cart = carts.new_cart(None)
        carts.add(cart, self.variants[variant], pieces)
        keep_draft(cart, ADDRESS)
        if not self.variants[variant].stock.free or contents(cart).problems:
            return "nothing left"
        order = place_purchase(
            cart, key=cart.token, seen_total=contents(cart).total, language="zh-hans", user=None
        )  # fmt: skip
        return f"{order.total_fen} fen"

    def start(self, order: Order, scene: Transaction.Scene, *, fresh: bool) -> str:
        attempt = start_payment(order, scene=scene, actor="buyer", fresh=fresh)
        if scene != Transaction.Scene.QR and attempt.scene == scene:
            self._open_page(pay_address(attempt))
        return attempt.state

    def charge(self, code: str, what: Order | Money, *, key: str = "till", till: int = 1) -> str:
        """Staff scan a code at the counter, for an order or a new sale; one key however often it is pressed."""
        cashier, _ = User.objects.get_or_create(email=f"till{till}@shop.example", is_staff=True)
        sold = what if isinstance(what, Order) else Sale(what, "茶", "zh-hans")
        return charge_barcode(sold, auth_code=code, counter=Counter.of(cashier), key=key).state

    def end_charge(self, attempt: Transaction) -> bool:
        """The cashier doesn't want to wait."""
        return Transaction.objects.end_by(attempt.pk, when=self.ground.now)

    def put_aside(self, attempt: Transaction) -> bool:
        """The next buyer is served, whatever became of this charge."""
        return set_aside(attempt, actor="staff:1")

    def look(self, order: Order) -> object:
        seen = watch(order.token)
        return seen and seen.state

    def press_check(self, order: Order) -> object:
        seen = check_payment(order.token)
        return seen and seen.state

    def come_back(self, order: Order, trade: Trade | None) -> None:
        genuine = urlencode(signed_return(self.alipay, trade, self.ground.now)).encode() if trade else b"sign=forged"
        receive_return(order, genuine)

    def cancel(self, order: Order) -> str:
        return cancel_order(order, actor="buyer").state

    def extend(self, order: Order) -> bool:
        return extend_order(order, actor="buyer")

    def scan(self, trade: Trade) -> str:
        return self.alipay.enter(trade, self.ground.now).status

    def pay(self, trade: Trade) -> str:
        self.alipay.pay(trade, self.ground.now)
        return trade.status

    # --- Alipay and its console -----------------------------------------------------------------------------------

    def letters(self) -> list[Delivery]:
        announce(self.alipay, self.ground.now)
        return list(self.alipay.book.deliveries.values())

    def deliver(self, letter: Delivery, **lies: str) -> str:
        """Alipay's notice reaches the shop's door; signed now, with the key Alipay uses now. Lies are signed too."""
        return self._tell({**letter.fields, **lies})

    def repeat_unheard(self) -> None:
        """Alipay repeats what was not answered: the process died over it."""
        for fields in self.unheard[:]:
            self._tell(fields)

    def _tell(self, fields: dict[str, str]) -> str:
        self.unheard.append(fields)
        answer = self._post(urlencode(signed_notice(self.alipay, fields, self.ground.now)).encode())
        if answer != "200 success":
            raise Violation(f"a genuine notice was answered {answer}")
        self.unheard = [each for each in self.unheard if each != fields]
        return answer

    def forge(self, letter: Delivery, **changes: str) -> str:
        fields = {**signed_notice(self.alipay, letter.fields, self.ground.now), **changes}
        answer = self._post(urlencode(fields).encode())
        if answer != "400 fail":
            raise Violation(f"a forged notice was answered {answer}")
        return answer

    def refund_in_console(self, trade: Trade, fen: int, number: str) -> str:
        return str(self.alipay.refund(trade, Money(fen), number, self.ground.now).fen)

    def close_in_console(self, trade: Trade) -> str:
        self.alipay.trades.close(trade, self.ground.now)
        return trade.status

    def finish(self, trade: Trade) -> str:
        """Alipay's last word about a trade that can no longer be refunded."""
        self.alipay.tick(self.ground.now, trade)
        return self._tell(notice_of(self.alipay, trade, self.ground.now))

    def rotate_keys(self) -> None:
        """Alipay signs with its new key from now on; the merchant has uploaded and copied it a moment before."""
        if AlipayKey.objects.filter(account=self.account, valid_from=self.ground.now).exists():
            return
        public = next_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        key = AlipayKey(account=self.account, kind=AlipayKey.Kind.ALIPAY_PUBLIC, key=public, valid_from=self.ground.now)
        key.save()
        self.alipay.identity = replace(self.alipay.identity, alipay_key=next_key())
        self._forget()

    # --- staff ----------------------------------------------------------------------------------------------------

    def ask_refund(self, attempt: Transaction, fen: int) -> str:
        refund = request_refund(attempt, Money(fen), requester="staff:1", origin=Refund.Origin.STAFF, reason="sim")
        return refund.state

    def approve(self, refund: Refund, approver: str) -> None:
        approve_refund(refund, approver=approver)

    def reject(self, refund: Refund) -> bool:
        return reject_refund(refund, actor="staff:2", why="sim")

    def take_money(self, order: Order, way: Transaction.Scene) -> str:
        return record_payment(order, way=way, reference="slip 7", actor="staff:1").state

    # --- workers and accidents --------------------------------------------------------------------------------------

    def work(self, task: str) -> None:
        import_string(task)()

    def work_all(self) -> None:
        for task in TASKS:
            self.work(task)

    def drain(self, *, tells_all: bool) -> None:
        """All faults are over; what is due is done until every clock has run out.

        tells_all  Alipay's notices all come now; else only those that killed a process are repeated
        """
        self.death.arm(None)
        self.line.heal()
        for seconds in DRAIN_ROUNDS:
            self.do("drain", lambda: self._drain_once(tells_all=tells_all))
            if not unsettled() and not broken(AFTER_DRAINING):
                break
            self.ground.advance(timedelta(seconds=seconds))
        for seconds in settings.PAYMENTS["look_back_s"]:
            if Transaction.objects.filter(state="closed", next_check_at__isnull=False).exists():
                self.ground.advance(timedelta(seconds=seconds))
                self.do("look back", lambda: self._drain_once(tells_all=tells_all))

    def _drain_once(self, *, tells_all: bool) -> None:
        self.work_all()
        self.repeat_unheard()
        for letter in self.letters() if tells_all else ():
            self.deliver(letter)

    def break_line(self, breaks: list[Break]) -> None:
        self.line.breaks = breaks

    def while_calling(self, act: Callable[[], object], *, acted: bool) -> None:
        """Another does this while our next call is under way: before Alipay acts on it, or when it has acted."""

        def meanwhile() -> None:
            try:
                act()
            except (OrderRefused, RefundRefused, Refused):
                pass
            except Exception as error:  # the door of the worker that waits would swallow it
                if not self.death.struck:  # else it is what unwinding made of our death
                    self.uncaught.append(f"meanwhile: {type(error).__name__}: {error}")
                raise

        self.line.interrupt(meanwhile, acted=acted)

    def freeze(self) -> None:
        """Our process stands still past every lease, and others take its work over."""
        self.ground.advance(timedelta(seconds=90))
        self.work_all()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _open_page(self, url: str) -> None:
        self.alipay.open_page(dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)), self.ground.now)

    def _post(self, body: bytes) -> str:
        request = RequestFactory().post(
            "/alipay/notify", data=body, content_type="application/x-www-form-urlencoded"
        )  # fmt: skip
        response = notify(request)
        return f"{response.status_code} {response.content.decode()}"

    def _broke(self, what: str, record: object, error: Exception) -> None:
        """A worker's door takes an error that nobody expects for one record's alone; of a dead process nothing goes on."""
        if self.death.struck:
            raise error
        self.uncaught.append(f"{what} {record}: {error!r}".splitlines()[0])

    def _forget(self) -> None:
        """What a process that starts knows: nothing."""
        gateway._merchants = (0.0, {})
        receiving._kept.minute = receiving._refreshes.minute = -1
