"""What became of a refund between Alipay and the buyer's bank card. Told to the application's gateway, or in an answer."""

import structlog
from django.db import transaction

from payments.alipay.facts import BankStatus, DepositBack
from payments.alipay.messages import read_deposit_back
from payments.alipay.notices import Notice
from payments.errors import MalformedNotice
from payments.models import AuditEvent, Case, InboundMessage, Refund, Transaction
from payments.models.settling import HeardNotice, KeptNotice
from payments.services.hear_refund import attempt_of
from payments.services.refund import lock
from payments.services.settle import Settled, hear, judged, open_case

logger = structlog.get_logger(__name__)
ACTION = {BankStatus.ARRIVED: "at_bank", BankStatus.FAILED: "bank_returned_it"}
MAY_BE_AT_BANK = (Refund.State.SENT, Refund.State.SUCCEEDED)


def hear_message(message: Notice, *, source: HeardNotice | KeptNotice) -> Settled:
    """Take in a verified message to the application. It moves no money: what we can't read or place opens a case."""
    news, why = _read(message)
    row = hear(news.out_trade_no if news else "", app_id=message.get("app_id"), seller_id="", source=source)
    if row.verdict != InboundMessage.Verdict.UNJUDGED:
        return Settled.BEFORE
    if news is None:
        subject = f"message:{message.get('msg_method')}"
        return open_case(Case.Kind.UNREADABLE, subject, row, source, amount_fen=None, why=why)
    attempt = attempt_of(news.out_trade_no, news.trade_no)
    refund = attempt.refunds.known_as(news.out_request_no).first() if attempt else None
    kind = _misfit(message.get("app_id"), news, attempt, refund)
    if kind is not None or refund is None:
        return open_case(
            kind or Case.Kind.REFUND_NOTICE, f"number:{news.out_trade_no}:{news.out_request_no}", row, source,
            amount_fen=news.amount.fen if news.amount else None, trade_no=news.trade_no,
            out_request_no=news.out_request_no, bank=news.status.value,
        )  # fmt: skip
    is_new = note_deposit_back(refund, news, actor="notice", evidence=source.evidence)
    judged(row, InboundMessage.Verdict.NOTED if is_new else InboundMessage.Verdict.DUPLICATE)
    return Settled.NOTED if is_new else Settled.BEFORE


def note_deposit_back(refund: Refund, news: DepositBack, *, actor: str, evidence: str) -> bool:
    """Write the bank's word into the refund's story, once; money that came back opens a case. True when it was new.

    evidence  reference of the message or call that said so
    """
    action = ACTION.get(news.status)
    if action is None:  # under way, or nothing we know
        return False
    when = news.acknowledged_at.isoformat() if news.acknowledged_at else ""
    with transaction.atomic():
        lock(refund.transaction)
        if AuditEvent.objects.about(refund).filter(action=action, detail__bank_time=when).exists():
            return False
        AuditEvent.objects.add(refund, action, actor=actor, cause=evidence, bank_time=when)
        if news.status is BankStatus.FAILED:
            _open_case(refund, news, evidence)
    logger.info("deposit_back", number=refund.out_request_no, bank=news.status.value, evidence=evidence)
    return True


def _open_case(refund: Refund, news: DepositBack, evidence: str) -> None:
    amount = news.amount or refund.amount
    Case.objects.open_once(
        Case.Kind.DEPOSIT_BACK, f"refund:{refund.pk}", evidence=evidence, amount_fen=amount.fen,
        out_trade_no=news.out_trade_no, out_request_no=news.out_request_no,
    )  # fmt: skip


def _read(message: Notice) -> tuple[DepositBack | None, str]:
    """The news, or why there is none that we can read."""
    try:
        news = read_deposit_back(message)
    except MalformedNotice as fault:
        return None, str(fault)
    return (None, "a status that Alipay does not document") if news.status is BankStatus.UNREADABLE else (news, "")


def _misfit(app_id: str, news: DepositBack, attempt: Transaction | None, refund: Refund | None) -> Case.Kind | None:
    """Which case news is that can't be about a refund of ours; None for news that can."""
    if attempt is None or refund is None or refund.state not in MAY_BE_AT_BANK:
        return Case.Kind.REFUND_NOTICE
    gates = [
        (app_id == attempt.app_id, Case.Kind.OTHER_APP),
        (news.trade_no in ("", attempt.trade_no), Case.Kind.OTHER_TRADE),
        (news.amount is None or news.amount.fen <= refund.amount_fen, Case.Kind.OTHER_AMOUNT),
    ]
    return next((kind for passed, kind in gates if not passed), None)
