"""What a paying page shows: one read, and the one state it is in."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import connection

from payments.alipay.clock import BEIJING
from payments.models import Order, Transaction
from payments.money import Money

PAYING = """
SELECT o.id, o.number, o.token, o.title, o.total_fen, o.state, o.created_at, o.expires_at, o.paid_at, o.closed_at,
       o.cancelled_at, o.extensions, a.name,
       t.id, t.scene, t.state, t.qr_code, t.in_doubt, t.refused, t.created_at, t.time_expire, t.scanned_at, t.asked_at,
       t.wanted_at, t.heard_at, t.heard_status, t.next_check_at,
       t.late, t.superseded, t.refunded_fen, s.fen, s.is_going, s.back_at,
       CASE WHEN t.refused OR t.state = 'created' THEN (
           SELECT c.code FROM payments_gatewaycall c
           WHERE c.transaction_id = t.id AND c.outcome = 'certainly_not' ORDER BY c.started_at DESC LIMIT 1
       ) END,
       clock_timestamp()
FROM payments_order o
JOIN payments_merchantaccount a ON a.id = o.account_id
LEFT JOIN LATERAL (
    SELECT * FROM payments_transaction t
    WHERE t.order_id = o.id AND (NOT t.superseded OR t.id = o.paid_by_id)
    ORDER BY (t.id = o.paid_by_id) DESC NULLS LAST, t.id DESC LIMIT 1
) t ON true
LEFT JOIN LATERAL (
    SELECT sum(x.amount_fen)::bigint AS fen, bool_and(x.refunded_fen + x.reserved_fen >= x.amount_fen) AS is_going,
           CASE WHEN bool_and(x.refunded_fen = x.amount_fen) THEN max(
               (SELECT max(r.ended_at) FROM payments_refund r WHERE r.transaction_id = x.id)
           ) END AS back_at
    FROM payments_transaction x
    WHERE x.order_id = o.id AND x.state = 'paid' AND x.id IS DISTINCT FROM o.paid_by_id
) s ON true
WHERE o.token = %(token)s
"""
# What Alipay's codes say to a buyer. Source: dossier 2, error codes of precreate and pay.
REFUSALS = (("BALANCE_NOT_ENOUGH", "balance"), ("LIMIT_ERROR", "limit"), ("HAS_RISK", "risk"))
SLOW = timedelta(seconds=4)
NEVER_SENT = "NOT_SENT"  # how the gateway journals a call that certainly did not reach Alipay
BY_HAND = (Transaction.Scene.CASH, Transaction.Scene.BANK)
ANSWER_WAIT = timedelta(seconds=10)  # so long "checking" may stand before it becomes "we don't know yet"


class PayState(StrEnum):
    """What a paying page says; the numbers are those of its states in the design."""

    PREPARING = "preparing"  # 5.1
    UNREACHABLE = "unreachable"  # 5.1, when Alipay can't be reached: no code was made, nothing can be charged
    CHOOSING = "choosing"  # no attempt yet
    WAITING = "waiting"  # 5.2
    SCANNED = "scanned"  # 5.3
    CHECKING = "checking"  # 5.4
    NOT_SEEN = "not_seen"  # 5.5
    PAID = "paid"  # 5.6
    PAID_TWICE = "paid_twice"  # 5.11
    EXPIRED = "expired"  # 5.7, the order still kept
    CLOSED = "closed"  # 5.7, the order over
    CANCELLED = "cancelled"  # 5.10, by the buyer
    PAID_LATE = "paid_late"  # 5.11
    REFUSED = "refused"  # 5.8
    IN_DOUBT = "in_doubt"  # 5.9


@dataclass(frozen=True, slots=True)
class Paying:
    """One order and the attempt that is shown for it, as of the database's `now`. Times are aware."""

    order_id: int
    number: str
    token: str
    title: str
    total_fen: int
    order_state: str
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    cancelled_at: datetime | None
    extensions: int
    merchant: str
    attempt_id: int | None
    scene: str | None
    attempt_state: str | None
    qr_code: str | None
    in_doubt: bool | None
    refused: bool | None
    attempt_created_at: datetime | None
    time_expire: datetime | None
    scanned_at: datetime | None
    asked_at: datetime | None
    wanted_at: datetime | None
    heard_at: datetime | None
    heard_status: str | None
    next_check_at: datetime | None
    late: bool | None
    superseded: bool | None
    refunded_fen: int | None
    surplus_fen: int | None
    surplus_is_going: bool | None
    surplus_back_at: datetime | None
    refusal_code: str | None
    now: datetime

    @property
    def total(self) -> Money:
        return Money(self.total_fen)

    @property
    def surplus(self) -> Money | None:
        """Money beyond the order: late, or paid a second time. None for none."""
        return Money(self.surplus_fen) if self.surplus_fen else None

    @property
    def number_tail(self) -> str:
        return self.number[-4:]

    @property
    def state(self) -> PayState:
        """The one state this page is in: facts first, then clocks, then what the buyer asked."""
        if self.order_state == Order.State.CLOSED:
            return PayState.PAID_LATE if self.surplus else self._over()
        if self.order_state != Order.State.AWAITING_PAYMENT:
            return PayState.PAID_TWICE if self.surplus else PayState.PAID
        if self.attempt_id is None:
            return PayState.EXPIRED if self.now >= self.expires_at else PayState.CHOOSING
        if self.attempt_state == Transaction.State.CLOSED:
            return PayState.REFUSED if self.refused else PayState.EXPIRED
        if self.in_doubt and self.attempt_state == Transaction.State.PRESENTED:
            return PayState.IN_DOUBT
        return self._of_live_attempt()

    def _over(self) -> PayState:
        return PayState.CANCELLED if self.cancelled_at else PayState.CLOSED

    def _of_live_attempt(self) -> PayState:
        if self.scene == Transaction.Scene.COUNTER:
            return self._at_counter()
        if self.now >= self.over_at:
            return self._once_answered(since=self.over_at, then=PayState.EXPIRED)
        if self.attempt_state == Transaction.State.CREATED:
            if self.refusal_code == NEVER_SENT and not self.in_doubt:
                return PayState.UNREACHABLE
            return PayState.IN_DOUBT if self.in_doubt and self.attempt_age >= ANSWER_WAIT else PayState.PREPARING
        if self.wanted_at is not None:
            return self._once_answered(
                since=self.wanted_at, then=PayState.SCANNED if self.scanned_at else PayState.NOT_SEEN
            )
        return PayState.SCANNED if self.scanned_at else PayState.WAITING

    def _at_counter(self) -> PayState:
        """The buyer's code was scanned by staff: what is left is to confirm it on the phone, where that is asked."""
        if self.scanned_at and not self.wanted_at:
            return PayState.SCANNED
        return PayState.CHECKING if self.attempt_age < ANSWER_WAIT else PayState.IN_DOUBT

    def _once_answered(self, *, since: datetime, then: PayState) -> PayState:
        """`then` when Alipay has answered since; until that "checking", and after a while "we don't know"."""
        if self.heard_at is not None and self.heard_at >= since:
            return then
        return PayState.CHECKING if self.now - since < ANSWER_WAIT else PayState.IN_DOUBT

    @property
    def is_paid_elsewhere(self) -> bool:
        """Whether it is on record that something else paid than what this page offered: cash, a bank transfer, or a
        code that had left the page before."""
        return self.state is PayState.PAID and (self.scene in BY_HAND or bool(self.superseded))

    @property
    def is_live(self) -> bool:
        """Whether the attempt could still become paid."""
        return self.attempt_state in Transaction.UNSETTLED

    @property
    def may_pay(self) -> bool:
        """Whether a way to pay may be offered: never beside an attempt whose end is uncertain."""
        least = timedelta(seconds=settings.PAYMENTS["least_life_s"])
        offered = {
            PayState.CHOOSING,
            PayState.UNREACHABLE,
            PayState.WAITING,
            PayState.NOT_SEEN,
            PayState.SCANNED,
            PayState.REFUSED,
            PayState.EXPIRED,
        }
        return (self.state in offered or (self.is_slow and not self.in_doubt)) and self.expires_at - self.now >= least

    @property
    def may_extend(self) -> bool:
        """Whether "need more time?" is asked: near the end, a limited number of times, never while a result is open."""
        left, clocks = self.expires_at - self.now, settings.PAYMENTS
        near = timedelta(0) < left <= timedelta(seconds=clocks["extension_offer_s"])
        asked = self.state in (PayState.CHOOSING, PayState.WAITING, PayState.SCANNED, PayState.NOT_SEEN)
        return asked and near and self.extensions < clocks["extensions"]

    @property
    def extension_min(self) -> int:
        return int(settings.PAYMENTS["extension_s"]) // 60

    @property
    def over_at(self) -> datetime:
        """When the shown attempt ends."""
        return min(self.expires_at, self.time_expire or self.expires_at)

    @property
    def seconds_left(self) -> int:
        """Until the shown attempt ends; 0 when it has."""
        return max(0, int((self.over_at - self.now).total_seconds()))

    @property
    def attempt_age(self) -> timedelta:
        return self.now - (self.attempt_created_at or self.placed_at)

    @property
    def is_slow(self) -> bool:
        """Whether the code takes longer than people expect."""
        return self.state is PayState.PREPARING and self.attempt_age >= SLOW

    @property
    def refusal(self) -> str:
        """Why Alipay refused, where the buyer can change it: "balance", "limit", "risk"; else empty. No guesses."""
        return next((why for sign, why in REFUSALS if sign in (self.refusal_code or "")), "")

    @property
    def doubt_until(self) -> datetime:
        """Until then we only ask Alipay; from then on a person looks, by a case."""
        clocks = settings.PAYMENTS
        return (self.time_expire or self.expires_at) + timedelta(seconds=clocks["grace_s"] + clocks["doubt_s"])

    @property
    def answer_by(self) -> datetime | None:
        """Once a person looks: when the buyer gets a letter at the latest, noon of the next day in Beijing."""
        if self.now < self.doubt_until:
            return None
        tomorrow = (self.doubt_until + timedelta(days=1)).astimezone(BEIJING)
        return tomorrow.replace(hour=12, minute=0, second=0, microsecond=0)

    @property
    def version(self) -> str:
        """Changes exactly when the shown block does."""
        state = self.state
        checked = self.heard_at if state in (PayState.NOT_SEEN, PayState.EXPIRED) else None
        shown = (
            state, self.order_state, self.attempt_id, self.qr_code, self.expires_at, self.may_pay, self.may_extend,
            self.is_slow, self.answer_by, checked, self.surplus_fen, self.surplus_is_going, self.surplus_back_at,
            self.refunded_fen,
        )  # fmt: skip
        return f"{zlib.crc32(repr(shown).encode()):08x}"

    @property
    def next_ms(self) -> int:
        """When the page should look again; 0 when nothing can change any more."""
        state, age = self.state, self.attempt_age
        if state is PayState.PAID or self.surplus_back_at is not None:
            return 0
        if self.surplus:
            return 5_000
        if state in (PayState.EXPIRED, PayState.CLOSED, PayState.CANCELLED):
            return 30_000
        if state is PayState.IN_DOUBT:
            return 5_000 if age < timedelta(minutes=30) else 30_000
        return 1_000 if age < timedelta(minutes=3) or state in (PayState.SCANNED, PayState.CHECKING) else 2_000


def paying(token: str) -> Paying | None:
    """What the paying page of this token shows now: one indexed read. None for an unknown token."""
    with connection.cursor() as cursor:
        cursor.execute(PAYING, {"token": token})
        row = cursor.fetchone()
    return Paying(*row) if row else None
