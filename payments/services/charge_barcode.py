"""Charge the payment code a buyer shows at the counter: once, whatever is pressed or scanned twice.

The code is used in one call and written down nowhere. What it led to is asked of Alipay; when patience is over, the
closer cancels what is open (payments.services.cancel_charge).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from payments import gateway
from payments.alipay import requests
from payments.alipay.answers import read_pay
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.errors import KeyReused, NotACode, NotPayable, TillBusy, TooLittleTime
from payments.models import AuditEvent, Case, IdempotencyRecord, Order, Transaction, User
from payments.models.clock import database_now
from payments.money import Money
from payments.services import ask, close
from payments.services.place_order import Line, place_order
from payments.services.start_payment import new_number, present

logger = structlog.get_logger(__name__)
Scene, State = Transaction.Scene, Transaction.State
Result = Done[str] | CertainlyNot | Unknown


@dataclass(frozen=True, slots=True)
class Sale:
    """Something sold at the counter that has no order yet: one line, no stock."""

    amount: Money
    title: str
    language: str


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a code is scanned: by a member of staff, one charge at a time, or by a program that has tills of its own.

    actor     in the trail: "staff:7", "api:3"
    terminal  the till's number as it stands in the bill, at most 32 characters; may be empty
    """

    actor: str
    terminal: str = ""
    cashier: User | None = None

    @classmethod
    def of(cls, cashier: User) -> "Counter":
        return cls(f"staff:{cashier.pk}", f"T{cashier.pk}", cashier)

    @property
    def caller(self) -> str:
        """Whose keys these are."""
        return f"counter:{self.cashier.pk if self.cashier else self.actor}"


def charge_barcode(what: Sale | Order, *, auth_code: str, counter: Counter, key: str) -> Transaction:
    """Take the money for a new sale, or for an order that awaits payment. Returns the attempt with what is known by then.

    key  of this one sale: the same key never charges twice, and gives the same attempt

    Raises NotACode, TillBusy (this cashier's last charge is still open), NotPayable, TooLittleTime, OrderRefused, KeyReused.
    """
    if not requests.is_payment_code(auth_code):
        raise NotACode("not a payment code of Alipay's")
    earlier = _earlier(what, counter, key)
    if earlier is not None:
        return earlier
    if counter.cashier and Transaction.objects.open_charge(counter.cashier.pk) is not None:
        raise TillBusy("the last charge is still open")
    if isinstance(what, Order):
        _end_other_ways(what, actor=counter.actor)
    try:
        attempt = _begin(what, counter, key)
    except IntegrityError as error:
        return _lost_the_race(error, what, counter, key)
    _charge(attempt, auth_code, counter)
    attempt.refresh_from_db()
    return attempt


def _begin(what: Sale | Order, counter: Counter, key: str) -> Transaction:
    """Key, order, attempt and its number in one commit, before anyone hears of it."""
    actor, now = counter.actor, database_now()
    with transaction.atomic(durable=True):
        record = IdempotencyRecord.objects.create(
            caller=counter.caller, key=key, request_hash=_hash(what), answer={}
        )  # fmt: skip
        if isinstance(what, Sale):
            lines = [Line(what.title, what.amount)]
            order = place_order(lines=lines, title=what.title, language=what.language, caller=actor, now=now)
        else:
            order = _still_payable(what, now)
        attempt = Transaction.objects.create(
            order=order, account=order.account, scene=Scene.COUNTER, cashier=counter.cashier, out_trade_no=new_number(now),
            app_id=order.account.app_id, seller_id=order.account.seller_id, amount_fen=order.total_fen, created_at=now,
            time_expire=(now + _span("counter_life_s")).replace(microsecond=0),
            next_check_at=now + 2 * _span("page_deadline_s"), close_due_at=now + _span("counter_patience_s"),
        )  # fmt: skip
        AuditEvent.objects.add(attempt, "created", actor=actor, state=attempt.state)
        record.answer = {"transaction_id": attempt.pk}
        record.save(update_fields=["answer"])
    return attempt


def _still_payable(order: Order, now: datetime) -> Order:
    order = Order.objects.select_related("account").locked(order.pk)
    if order.state != Order.State.AWAITING_PAYMENT:
        raise NotPayable(f"the order is {order.get_state_display()}")
    if order.expires_at - now < _span("least_life_s"):
        raise TooLittleTime("too little time is left on the order")
    if Transaction.objects.unsettled().filter(order=order, superseded=False).exists():
        raise NotPayable("another way to pay it was started meanwhile")
    if Transaction.objects.unsettled().filter(order=order, scene=Scene.COUNTER).exists():
        raise NotPayable("what became of an earlier charge is not known yet")
    return order


def _end_other_ways(order: Order, *, actor: str) -> None:
    """A code or page of the buyer's ends first, as for any change of method; another till's charge is left alone."""
    open_here = Transaction.objects.unsettled().filter(order=order, superseded=False).exclude(scene=Scene.COUNTER)
    for present_one in open_here.select_related("account", "order"):
        if not close.retire(present_one, actor=actor):
            raise NotPayable("Alipay has not said yet what became of the attempt before")


def _charge(attempt: Transaction, auth_code: str, counter: Counter) -> None:
    assert isinstance(attempt.order, Order), "a charge is made for an order"
    request = requests.pay(
        out_trade_no=attempt.out_trade_no, total=attempt.amount, title=attempt.order.title,
        time_expire=attempt.time_expire, notify_url=str(settings.SITE_URL) + reverse("payments:notify"),
        auth_code=auth_code, terminal=counter.terminal,
    )  # fmt: skip
    result = gateway.call(
        attempt,
        request,
        purpose="pay",
        read=lambda body, who: read_pay(body, who=who, out_trade_no=attempt.out_trade_no, total=attempt.amount),
        finish=lambda result: _after(attempt, result),
        deadline_s=settings.PAYMENTS["page_deadline_s"],
    )
    if isinstance(result, Done):  # a debit may still be taken back: the query makes it a fact
        ask.ask_about([attempt], actor=counter.actor, deadline_s=settings.PAYMENTS["page_deadline_s"])


def _after(attempt: Transaction, result: Result) -> Result:
    match result:
        case Done() | Unknown(next=Next.WAIT):  # taken, or the buyer is asked for a password
            present(attempt)
        case CertainlyNot(code, sub_code, following) if following in (Next.TELL_BUYER, Next.ALERT, Next.REPEAT):
            _refused(attempt, f"{code} {sub_code}".strip(), alert=following is Next.ALERT)
        case CertainlyNot() | Unknown():
            Transaction.objects.mark_in_doubt(attempt.pk, next_check_at=database_now() + _span("ask_again_s"))
    return result


def _refused(attempt: Transaction, code: str, *, alert: bool) -> None:
    """Alipay took nothing, or was not reached: the code is used up, another one makes another attempt."""
    Order.objects.locked(attempt.order_id)
    if Transaction.objects.mark_refused(attempt.pk, now=database_now()):
        AuditEvent.objects.add(attempt, "refused", actor="gateway", state=State.CLOSED, code=code)
    if alert:
        Case.objects.open_once(
            Case.Kind.REFUSED_CALL, f"pay:{code}", evidence=f"transaction:{attempt.pk}", number=attempt.out_trade_no
        )


def _lost_the_race(error: IntegrityError, what: Sale | Order, counter: Counter, key: str) -> Transaction:
    """Another request was faster: with this key, or with another charge at this till."""
    earlier = _earlier(what, counter, key)
    if earlier is not None:
        return earlier
    if "one_open_charge_per_cashier" not in str(error):
        raise error
    raise TillBusy("the last charge is still open") from None


def _earlier(what: Sale | Order, counter: Counter, key: str) -> Transaction | None:
    """The attempt this key has made already."""
    record = IdempotencyRecord.objects.filter(caller=counter.caller, key=key).first()
    if record is None:
        return None
    if record.request_hash != _hash(what):
        raise KeyReused(f"the key {key!r} was used for another sale")
    return Transaction.objects.select_related("order").get(pk=record.answer["transaction_id"])


def _hash(what: Sale | Order) -> str:
    said = f"order {what.number}" if isinstance(what, Order) else f"{what.amount.fen} {what.title}"
    return hashlib.sha256(said.encode()).hexdigest()


def _span(name: str) -> timedelta:
    return timedelta(seconds=settings.PAYMENTS[name])
