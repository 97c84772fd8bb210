"""What a cashier sees: the charge at hand in its one state, and what this till has sold today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import F, Sum

from payments.alipay.clock import BEIJING
from payments.models import Case, GatewayCall, Transaction
from payments.models.clock import database_now
from payments.models.transaction import TransactionQuerySet
from payments.money import Money

LAST = 12
# What Alipay's codes say to a cashier. Source: dossier 2.5.
REFUSALS = (
    ("AUTH_CODE_INVALID", "code"), ("BALANCE", "balance"), ("NO_PAYMENT_INSTRUMENTS", "balance"), ("HAS_RISK", "risk"),
    ("LIMIT", "limit"), ("EXCEED", "limit"), ("SWITCH_OFF", "switched_off"), ("PULL_MOBILE_CASHIER", "switched_off"),
    ("NOT_SENT", "unreachable"),
)  # fmt: skip


class ChargeState(StrEnum):
    ASKING = "asking"  # the call is on its way
    CONFIRMING = "confirming"  # the buyer is asked for a password
    DOUBT = "doubt"
    RECEIVED = "received"
    CAME_AND_WENT = "came_and_went"  # paid, and given back in full
    BEYOND = "beyond"  # the order had been paid by something else: this goes back
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge as of the database's `now`. refusal_code as journalled: "40004 BUYER_BALANCE_NOT_ENOUGH"."""

    attempt: Transaction
    refusal_code: str
    has_case: bool
    now: datetime

    @property
    def state(self) -> ChargeState:
        """Facts first, then clocks. Never "not received" while that is not certain."""
        attempt = self.attempt
        match attempt.state:
            case Transaction.State.PAID if attempt.refunded_fen == attempt.amount_fen:
                return ChargeState.CAME_AND_WENT
            case Transaction.State.PAID if attempt.order is None or attempt.order.paid_by_id != attempt.pk:
                return ChargeState.BEYOND
            case Transaction.State.PAID:
                return ChargeState.RECEIVED
            case Transaction.State.CLOSED:
                return ChargeState.REFUSED if attempt.refused else ChargeState.CANCELLED
        return self._of_open_one()

    def _of_open_one(self) -> ChargeState:
        if self.attempt.in_doubt or not self.seconds_left:
            return ChargeState.DOUBT
        if self.attempt.state == Transaction.State.PRESENTED:
            return ChargeState.CONFIRMING
        answered = timedelta(seconds=settings.PAYMENTS["page_deadline_s"] + 1)
        on_its_way = self.attempt.heard_at is None and self.now - self.attempt.created_at < answered
        return ChargeState.ASKING if on_its_way else ChargeState.DOUBT

    @property
    def is_open(self) -> bool:
        return self.attempt.state in Transaction.UNSETTLED

    @property
    def seconds_left(self) -> int:
        """Until we cancel; 0 when that time is over, or the cashier asked for it."""
        if self.attempt.wanted_at is not None:
            return 0
        until = self.attempt.created_at + timedelta(seconds=settings.PAYMENTS["counter_patience_s"])
        return max(0, -(-(until - self.now) // timedelta(seconds=1)))

    @property
    def ask_at(self) -> datetime:
        """When Alipay may be asked next for somebody who looks on."""
        pause = timedelta(seconds=settings.PAYMENTS["ask_again_s"])
        return max(self.now, (self.attempt.asked_at or self.attempt.created_at) + pause)

    @property
    def ends_by(self) -> datetime:
        """By then it is certain, or a case says that a person must look."""
        clocks = settings.PAYMENTS
        return self.attempt.time_expire + timedelta(seconds=clocks["grace_s"] + clocks["call_deadline_s"])

    @property
    def may_charge_again(self) -> bool:
        """Whether the same order takes another code: nothing came of this one, and there is time."""
        order, least = self.attempt.order, timedelta(seconds=settings.PAYMENTS["least_life_s"])
        over = self.state in (ChargeState.REFUSED, ChargeState.CANCELLED)
        return over and order is not None and order.state == "awaiting_payment" and order.expires_at - self.now >= least

    @property
    def refusal(self) -> str:
        """Why, where there is something to do about it; else empty. No guesses."""
        return next((why for sign, why in REFUSALS if sign in self.refusal_code), "")

    @property
    def version(self) -> str:
        """Changes exactly when what is shown does."""
        return f"{self.attempt.pk}-{self.state}-{int(self.has_case)}"


@dataclass(frozen=True, slots=True)
class Till:
    """One person's charges since midnight in Beijing, newest first, and what they brought without what went back."""

    charges: Sequence[Charge]
    count: int
    total: Money


def charge(cashier_id: int, attempt_id: int) -> Charge | None:
    """One charge of this person's."""
    return next(iter(_charges(Transaction.objects.filter(pk=attempt_id, cashier=cashier_id))), None)


def till(cashier_id: int) -> Till:
    midnight = database_now().astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    today = Transaction.objects.filter(cashier=cashier_id, created_at__gte=midnight)
    kept = today.filter(state=Transaction.State.PAID).aggregate(fen=Sum(F("amount_fen") - F("refunded_fen")))
    sold = today.filter(state=Transaction.State.PAID, refunded_fen__lt=F("amount_fen"))
    return Till(_charges(today.order_by("-created_at")[:LAST]), sold.count(), Money(kept["fen"] or 0))


def _charges(attempts: TransactionQuerySet) -> list[Charge]:
    found = list(attempts.select_related("order"))
    refused = GatewayCall.objects.filter(
        transaction__in=found, purpose="pay", outcome=GatewayCall.Outcome.CERTAINLY_NOT
    ).values_list("transaction_id", "code")
    cases = Case.objects.open().filter(subject__in=[f"transaction:{each.pk}" for each in found])
    codes, in_cases, now = dict(refused), set(cases.values_list("subject", flat=True)), database_now()
    return [Charge(each, codes.get(each.pk, ""), f"transaction:{each.pk}" in in_cases, now) for each in found]
