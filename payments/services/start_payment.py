"""Start an attempt to pay an order: its number is saved first, then Alipay is told, then the buyer sees it."""

import secrets
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from payments import gateway
from payments.alipay.answers import read_create, read_precreate
from payments.alipay.clock import BEIJING
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.errors import NotPayable, TooLittleTime
from payments.models import AuditEvent, Case, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.services import close
from payments.services.attempt_requests import Buyer, is_for, request_of

logger = structlog.get_logger(__name__)
Scene = Transaction.Scene
MADE_BY_ALIPAY = (Scene.QR, Scene.JSAPI)  # the others need only our signature


def start_payment(
    order: Order, *, scene: Scene, actor: str, fresh: bool = False, buyer: Buyer | None = None
) -> Transaction:
    """The attempt a buyer pays by, in the wanted way. Asking again gives the same attempt as long as it can be paid.

    fresh  leave the present attempt even if it is of this way: a new code under a new number
    buyer  who pays, where the page runs inside Alipay; another buyer gets another attempt

    Raises NotPayable (paid, closed, an attempt in doubt, or another started at this moment: never two ways to pay beside
    each other; or nothing to sign with), TooLittleTime.
    """
    if scene not in MADE_BY_ALIPAY and gateway.able_to_sign(order.account) is None:
        raise NotPayable("the account has no valid keys to sign with")
    for present in (
        Transaction.objects.unsettled().filter(order=order, superseded=False).select_related("account", "order")
    ):
        if present.scene == scene and not fresh and _lives(present) and is_for(present, buyer):
            return _for_one(_shown(present, buyer), actor)
        if not close.retire(present, actor=actor):
            raise NotPayable("Alipay has not said yet what became of the attempt before")
    return _for_one(_shown(_create(order, scene, actor), buyer), actor)


def _for_one(attempt: Transaction, actor: str) -> Transaction:
    """A trade that was left for another while Alipay made it is ended there, and told to nobody."""
    if attempt.scene in Transaction.BY_ONE_BUYER and attempt.superseded:
        close.retire(attempt, actor=actor)
        raise NotPayable("another way to pay it was started meanwhile")
    return attempt


def resume(attempt: Transaction) -> None:
    """Finish an attempt that a dead process or a lost answer left unfinished, under the same number."""
    attempt.refresh_from_db()
    repeatable = attempt.scene not in Transaction.BY_ONE_BUYER  # who pays is written down nowhere
    if repeatable and attempt.state == Transaction.State.CREATED and not attempt.superseded and _lives(attempt):
        _shown(attempt)


def _create(order: Order, scene: Scene, actor: str) -> Transaction:
    """Save the attempt and its number before anyone hears of it."""
    clocks = settings.PAYMENTS
    now = database_now()
    with transaction.atomic(durable=True):
        order = Order.objects.select_related("account").locked(order.pk)
        if order.state != Order.State.AWAITING_PAYMENT:
            raise NotPayable(f"the order is {order.get_state_display()}")
        if order.expires_at - now < timedelta(seconds=clocks["least_life_s"]):
            raise TooLittleTime("too little time is left on the order")
        beside = Transaction.objects.unsettled().filter(order=order, superseded=False).select_related("account").first()
        if beside is not None and {scene, beside.scene} & set(Transaction.BY_ONE_BUYER):
            raise NotPayable("another way to pay it was started meanwhile")
        if beside is not None:  # another tab was faster; its attempt serves both
            return beside
        until = _payable_until(scene, order.expires_at, now)
        attempt = Transaction.objects.create(
            order=order, account=order.account, scene=scene, out_trade_no=new_number(now), app_id=order.account.app_id,
            seller_id=order.account.seller_id, amount_fen=order.total_fen, created_at=now, time_expire=until,
            next_check_at=now + timedelta(seconds=2 * clocks["page_deadline_s"]),
            close_due_at=until + timedelta(seconds=clocks["grace_s"]),
        )  # fmt: skip
        AuditEvent.objects.add(attempt, "created", actor=actor, state=attempt.state)
    return attempt


def _payable_until(scene: Scene, order_expires_at: datetime, now: datetime) -> datetime:
    """The trade's own end, in whole seconds: the order's, within what Alipay allows for this way to pay."""
    clocks = settings.PAYMENTS
    until = order_expires_at
    if scene == Scene.QR:
        until = min(until, now + timedelta(seconds=clocks["qr_life_s"]))
    if scene in (Scene.WAP, Scene.APP):
        until = max(until, now + timedelta(seconds=clocks["wap_least_life_s"] + 1))
    return until.replace(microsecond=0)


def _lives(attempt: Transaction) -> bool:
    return attempt.time_expire - database_now() > timedelta(0)


def _shown(attempt: Transaction, buyer: Buyer | None = None) -> Transaction:
    """See that the buyer can pay it: a code or a trade needs Alipay's answer, a page or an app only our signature."""
    if attempt.state == Transaction.State.CREATED:
        if attempt.scene in MADE_BY_ALIPAY:
            _have_it_made(attempt, buyer)
        else:
            with transaction.atomic(durable=True):
                present(attempt)
        attempt.refresh_from_db()
    return attempt


def _have_it_made(attempt: Transaction, buyer: Buyer | None) -> None:
    """A code that anybody may scan, or a trade for this buyer."""
    purpose, read = ("create", read_create) if attempt.scene == Scene.JSAPI else ("precreate", read_precreate)
    gateway.call(
        attempt,
        request_of(attempt, buyer),
        purpose=purpose,
        read=lambda body, who: read(body, who=who, out_trade_no=attempt.out_trade_no),
        finish=lambda result: _after(attempt, purpose, result),
        deadline_s=settings.PAYMENTS["page_deadline_s"],
    )


def _after(attempt: Transaction, purpose: str, result: Done[str] | CertainlyNot | Unknown) -> None:
    soon = database_now() + timedelta(seconds=settings.PAYMENTS["ask_again_s"])
    match result:
        case Done(qr_code) if purpose == "precreate":
            present(attempt, qr_code=qr_code)
        case Done(trade_no) if not Transaction.objects.filter(trade_no=trade_no).exclude(pk=attempt.pk).exists():
            present(attempt, trade_no=trade_no)
        case CertainlyNot(next=Next.REPEAT):
            Transaction.objects.check_by(attempt.pk, when=soon)
        case CertainlyNot(code, sub_code, following) if following in (Next.TELL_BUYER, Next.ALERT):
            _refused(attempt, purpose, f"{code} {sub_code}", alert=following is Next.ALERT)
        case Done() | CertainlyNot() | Unknown():
            Transaction.objects.mark_in_doubt(attempt.pk, next_check_at=soon)


def present(attempt: Transaction, *, qr_code: str = "", trade_no: str | None = None) -> None:
    """Alipay has taken it: the buyer can pay it. In the caller's commit."""
    Order.objects.locked(attempt.order_id)
    now = database_now()
    watched = now + timedelta(seconds=settings.PAYMENTS["ladder_s"][0])
    if Transaction.objects.mark_presented(
        attempt.pk, qr_code=qr_code, trade_no=trade_no, next_check_at=watched, now=now
    ):
        AuditEvent.objects.add(attempt, "presented", actor="gateway", state=Transaction.State.PRESENTED)


def _refused(attempt: Transaction, purpose: str, code: str, *, alert: bool) -> None:
    """Alipay would not take it, so no trade can come of this number."""
    Order.objects.locked(attempt.order_id)
    if Transaction.objects.mark_refused(attempt.pk, now=database_now()):
        AuditEvent.objects.add(attempt, "refused", actor="gateway", state=Transaction.State.CLOSED, code=code)
        OutboxMessage.objects.create(
            topic="attempt.refused", dedupe_key=f"refused:{attempt.pk}", payload={"order_id": attempt.order_id}
        )
    if alert:
        Case.objects.open_once(
            Case.Kind.REFUSED_CALL,
            f"{purpose}:{code}",
            evidence=f"transaction:{attempt.pk}",
            number=attempt.out_trade_no,
        )


def new_number(now: datetime) -> str:
    """An out_trade_no: digits and capitals, the Beijing date in front so that people can sort them."""
    return f"{now.astimezone(BEIJING):%Y%m%d}{secrets.token_hex(8).upper()}"
