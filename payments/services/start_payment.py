"""Start an attempt to pay an order: its number is saved first, then Alipay is told, then the buyer sees it."""

import secrets
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from payments import gateway
from payments.alipay import requests
from payments.alipay.answers import read_precreate
from payments.alipay.clock import BEIJING
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.errors import NotPayable, TooLittleTime
from payments.models import AuditEvent, Case, Order, OutboxMessage, Transaction
from payments.models.clock import database_now
from payments.money import Money
from payments.services import close

logger = structlog.get_logger(__name__)
Scene = Transaction.Scene


def start_payment(order: Order, *, scene: Scene, actor: str, fresh: bool = False) -> Transaction:
    """The attempt a buyer pays by, in the wanted way. Asking again gives the same attempt as long as it can be paid.

    fresh  leave the present attempt even if it is of this way: a new code under a new number

    Raises NotPayable (paid, closed, or an attempt in doubt: never two ways to pay beside each other), TooLittleTime.
    """
    for present in (
        Transaction.objects.unsettled().filter(order=order, superseded=False).select_related("account", "order")
    ):
        if present.scene == scene and not fresh and _lives(present):
            return _shown(present)
        if not close.retire(present, actor=actor):
            raise NotPayable("Alipay has not said yet what became of the attempt before")
    return _shown(_create(order, scene, actor))


def resume(attempt: Transaction) -> None:
    """Finish an attempt that a dead process or a lost answer left unfinished, under the same number."""
    attempt.refresh_from_db()
    repeatable = attempt.scene in Transaction.BY_BUYER  # a payment code at the counter is gone with its one try
    if repeatable and attempt.state == Transaction.State.CREATED and not attempt.superseded and _lives(attempt):
        _shown(attempt)


def pay_address(attempt: Transaction) -> str:
    """Where the buyer's browser goes to pay: Alipay's page, for a desktop or a phone. Signed anew at each call.

    Opening it again resumes the same unpaid trade. Never logged: it carries our signature.
    """
    assert attempt.scene in (Scene.PAGE, Scene.WAP), "only pages have an address"
    merchant = gateway.merchant_of(attempt.account)
    signed = requests.signed(_request(attempt), who=merchant.who, at=database_now())
    return signed.browser_url(merchant.account.gateway_url)


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
    if scene == Scene.WAP:
        until = max(until, now + timedelta(seconds=clocks["wap_least_life_s"] + 1))
    return until.replace(microsecond=0)


def _lives(attempt: Transaction) -> bool:
    return attempt.time_expire - database_now() > timedelta(0)


def _shown(attempt: Transaction) -> Transaction:
    """See that the buyer can pay it: a QR code needs Alipay's answer, a page only its address."""
    if attempt.state == Transaction.State.CREATED:
        if attempt.scene == Scene.QR:
            _precreate(attempt)
        else:
            with transaction.atomic(durable=True):
                present(attempt, qr_code="")
        attempt.refresh_from_db()
    return attempt


def _precreate(attempt: Transaction) -> None:
    gateway.call(
        attempt,
        _request(attempt),
        purpose="precreate",
        read=lambda body, who: read_precreate(body, who=who, out_trade_no=attempt.out_trade_no),
        finish=lambda result: _after_precreate(attempt, result),
        deadline_s=settings.PAYMENTS["page_deadline_s"],
    )


def _after_precreate(attempt: Transaction, result: Done[str] | CertainlyNot | Unknown) -> None:
    soon = database_now() + timedelta(seconds=settings.PAYMENTS["ask_again_s"])
    match result:
        case Done(qr_code):
            present(attempt, qr_code=qr_code)
        case CertainlyNot(next=Next.REPEAT):
            Transaction.objects.check_by(attempt.pk, when=soon)
        case CertainlyNot(code, sub_code, following) if following in (Next.TELL_BUYER, Next.ALERT):
            _refused(attempt, f"{code} {sub_code}", alert=following is Next.ALERT)
        case CertainlyNot() | Unknown():
            Transaction.objects.mark_in_doubt(attempt.pk, next_check_at=soon)


def present(attempt: Transaction, *, qr_code: str) -> None:
    """Alipay has taken it: the buyer can pay it. In the caller's commit."""
    Order.objects.locked(attempt.order_id)
    now = database_now()
    watched = now + timedelta(seconds=settings.PAYMENTS["ladder_s"][0])
    if Transaction.objects.mark_presented(attempt.pk, qr_code=qr_code, next_check_at=watched, now=now):
        AuditEvent.objects.add(attempt, "presented", actor="gateway", state=Transaction.State.PRESENTED)


def _refused(attempt: Transaction, code: str, *, alert: bool) -> None:
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
            f"precreate:{code}",
            evidence=f"transaction:{attempt.pk}",
            number=attempt.out_trade_no,
        )


def _request(attempt: Transaction) -> requests.Request:
    """What Alipay is asked for this attempt; the same words every time, for a repeat with others is refused."""
    order = attempt.order
    assert order is not None, "attempts are made for orders"
    common = {
        "out_trade_no": attempt.out_trade_no,
        "total": Money(attempt.amount_fen),
        "title": order.title,
        "time_expire": attempt.time_expire,
        "notify_url": _absolute("payments:notify"),
    }
    back = _absolute("payments:return", order.token)
    if attempt.scene == Scene.QR:
        return requests.precreate(**common, product_code=settings.PAYMENTS["precreate_product_code"])
    if attempt.scene == Scene.WAP:
        return requests.wap_pay(**common, return_url=back, quit_url=back)
    return requests.page_pay(**common, return_url=back)


def _absolute(name: str, *args: str) -> str:
    return str(settings.SITE_URL) + reverse(name, args=args)


def new_number(now: datetime) -> str:
    """An out_trade_no: digits and capitals, the Beijing date in front so that people can sort them."""
    return f"{now.astimezone(BEIJING):%Y%m%d}{secrets.token_hex(8).upper()}"
