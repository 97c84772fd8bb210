"""The one door for every fact: whatever Alipay says about a trade, through whichever channel, is applied here."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from enum import StrEnum
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q

from payments.alipay.facts import TradeFacts, TradeStatus
from payments.models import Case, InboundMessage, Transaction
from payments.models.settling import Fact, HeardNotice, KeptNotice, Moved, Source, apply_facts
from payments.services.refund_hints import want_discovery
from payments.services.stray import keep_stray

logger = structlog.get_logger(__name__)
TRIES = 3  # for deadlocks and serialization failures, which the database resolves by refusing one of two
PAID = (TradeStatus.PAID, TradeStatus.FINISHED)
# In the words of settle.sql; the last two move nothing.
SAYS = {
    TradeStatus.PAID: "paid", TradeStatus.FINISHED: "paid", TradeStatus.CLOSED: "closed", TradeStatus.WAITING: "waiting",
    TradeStatus.ABSENT: "absent", TradeStatus.UNREADABLE: "unreadable",
}  # fmt: skip


class Settled(StrEnum):
    """What became of one fact."""

    PAYS_ORDER = "pays_order"
    SURPLUS = "surplus"  # genuine money that pays no order: late, or beyond it
    MOVED = "moved"  # scanned, or closed
    BEFORE = "duplicate"  # known already
    NOTHING = "nothing"  # no trade yet
    CASE = "case"  # it doesn't fit: a person looks
    ASKED = "asked"  # about a refund: Alipay is asked what became of it
    NOTED = "noted"  # the bank's word about a refund: it stands in the refund's story


def settle(facts: Sequence[TradeFacts], *, source: Source, actor: str) -> list[Settled]:
    """Apply verified facts, each about another number. One statement; outside a transaction it commits by itself.

    source  the notice or query that carried them, stored with its effect
    actor   which door: "notice", "poll", "buyer", "staff:7"

    Raises OperationalError when the database can't say; then nothing was applied.
    """
    rows = _applied(facts, source, actor)
    puzzling = [row.out_trade_no for row in rows if row.state is None and _is_unjudged(row)]
    attempts = _known([fact for fact in facts if fact.out_trade_no in puzzling]) if puzzling else {}
    return [
        _outcome(fact, row, attempts.get(fact.out_trade_no), source, actor)
        for fact, row in zip(facts, rows, strict=True)
    ]


def hear(number: str, *, app_id: str, seller_id: str, source: HeardNotice | KeptNotice) -> Moved:
    """Store a notice that is not about a payment, unjudged. Its verdict is the caller's, by `judged`."""
    nothing = TradeFacts(app_id, seller_id, number, TradeStatus.UNREADABLE)
    return _applied([nothing], source, actor="notice")[0]


def _known(facts: Sequence[TradeFacts]) -> dict[str, Transaction]:
    """Our attempts with these numbers, and stray payments with these trades, by out_trade_no."""
    ours = Q(origin=Transaction.Origin.OURS, out_trade_no__in=[fact.out_trade_no for fact in facts])
    strays = Q(origin=Transaction.Origin.STRAY, trade_no__in=[fact.trade_no for fact in facts if fact.trade_no])
    return {attempt.out_trade_no: attempt for attempt in Transaction.objects.filter(ours | strays)}


def _applied(facts: Sequence[TradeFacts], source: Source, actor: str) -> list[Moved]:
    """settle.sql, tried again where the database resolved a conflict by refusing us; rows in the order of the facts."""
    plain = [_plain(fact) for fact in facts]
    for attempt in range(1, TRIES + 1):
        try:
            # by itself it is one autocommitted statement; inside a caller's transaction a refusal must not spoil that
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                rows = {row.out_trade_no: row for row in apply_facts(plain, source=source, actor=actor)}
            return [rows[fact.out_trade_no] for fact in facts]
        except IntegrityError as error:
            if "trade_no_once" not in str(error):
                raise
            if len(facts) > 1:  # one fact is at fault: the others go through on their own
                return [row for fact in facts for row in _applied([fact], source.again(), actor)]
            plain = [plain[0]._replace(says="nothing")]  # one trade for two numbers moves nothing, and judge() says why
        except OperationalError as error:
            if connection.in_atomic_block or attempt == TRIES or not _is_conflict(error):
                raise
            time.sleep(0.01 * attempt)
    raise AssertionError("the last try either returned or raised")


def _plain(fact: TradeFacts) -> Fact:
    return Fact(
        out_trade_no=fact.out_trade_no, app_id=fact.app_id, seller_id=fact.seller_id, trade_no=fact.trade_no,
        says=SAYS[fact.status], finished=fact.status is TradeStatus.FINISHED,
        total_fen=fact.total.fen if fact.total else None, receipt_fen=fact.receipt.fen if fact.receipt else None,
        paid_at=fact.paid_at,
    )  # fmt: skip


def _is_conflict(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in ("40P01", "40001")


def _is_unjudged(row: Moved) -> bool:
    return row.verdict in (None, InboundMessage.Verdict.UNJUDGED)


def _outcome(fact: TradeFacts, row: Moved, attempt: Transaction | None, source: Source, actor: str) -> Settled:
    if row.state == Transaction.State.PAID:
        logger.info("settled", number=fact.out_trade_no, pays_order=row.pays_order, evidence=source.evidence)
        return Settled.PAYS_ORDER if row.pays_order else Settled.SURPLUS
    if row.state is not None:
        return Settled.MOVED
    if not _is_unjudged(row):
        return Settled.CASE if row.verdict == InboundMessage.Verdict.CASE else Settled.BEFORE
    kind = judge(attempt, fact)
    if kind is Case.Kind.UNKNOWN_NUMBER and fact.status in PAID:
        kept = keep_stray(_plain(fact), evidence=source.evidence, actor=actor)
        if kept is not None:
            judged(row, InboundMessage.Verdict.CASE, reason=kind)
            return Settled.CASE
    if kind is Case.Kind.CLOSED_AFTER_PAID and attempt is not None:
        return _fully_refunded(attempt, row, source)
    if kind is not None:
        subject = f"transaction:{attempt.pk}" if attempt else f"number:{fact.out_trade_no}"
        return open_case(
            kind, subject, row, source, amount_fen=fact.total.fen if fact.total else None,
            app_id=fact.app_id, seller_id=fact.seller_id, out_trade_no=fact.out_trade_no, trade_no=fact.trade_no or "",
            trade_status=fact.status.value, total_amount=fact.total_text,
        )  # fmt: skip
    if attempt is not None and fact.status is TradeStatus.FINISHED:
        Transaction.objects.mark_finished(attempt.pk)
    judged(row, InboundMessage.Verdict.DUPLICATE)
    return Settled.NOTHING if fact.status is TradeStatus.ABSENT else Settled.BEFORE


def judge(attempt: Transaction | None, fact: TradeFacts) -> Case.Kind | None:
    """Which case a fact that moved nothing is; None for what we knew already. The gates of settle.sql as a table."""
    if fact.status is TradeStatus.ABSENT:
        return None
    if attempt is None:
        return Case.Kind.UNKNOWN_NUMBER
    gates = [
        (fact.app_id == attempt.app_id, Case.Kind.OTHER_APP),
        (fact.seller_id == attempt.seller_id, Case.Kind.OTHER_SELLER),
        (fact.status is not TradeStatus.UNREADABLE and None not in (fact.total, fact.trade_no), Case.Kind.UNREADABLE),
        (fact.total == attempt.amount, Case.Kind.OTHER_AMOUNT),
        (attempt.trade_no in (None, fact.trade_no), Case.Kind.OTHER_TRADE),
        (attempt.state == Transaction.State.PAID or fact.status not in PAID, Case.Kind.OTHER_TRADE),
        (attempt.state != Transaction.State.PAID or fact.status is not TradeStatus.CLOSED, Case.Kind.CLOSED_AFTER_PAID),
    ]
    return next((kind for passed, kind in gates if not passed), None)


def _fully_refunded(attempt: Transaction, row: Moved, source: Source) -> Settled:
    """Closed after it was paid: all of it went back. Where we don't know of that, Alipay is asked which refund it was."""
    if attempt.refunded_fen == attempt.amount_fen:
        judged(row, InboundMessage.Verdict.DUPLICATE)
        return Settled.BEFORE
    want_discovery(attempt, attempt.out_trade_no, attempt.amount_fen, evidence=source.evidence)
    judged(row, InboundMessage.Verdict.ASKED)
    return Settled.ASKED


def open_case(kind: Case.Kind, subject: str, row: Moved, source: Source, **facts: Any) -> Settled:
    """Open the case first: should we die before the verdict is written, the repeat finds the case open already."""
    amount_fen = facts.pop("amount_fen")
    Case.objects.open_once(kind, subject[:100], evidence=source.evidence, amount_fen=amount_fen, **facts)
    judged(row, InboundMessage.Verdict.CASE, reason=kind)
    logger.warning("facts_do_not_fit", kind=kind, subject=subject, evidence=source.evidence)
    return Settled.CASE


def judged(row: Moved, verdict: InboundMessage.Verdict, reason: str = "") -> None:
    """Write down what a message turned out to be, once; queries carry none."""
    if row.message_id is not None:
        InboundMessage.objects.filter(pk=row.message_id, verdict=InboundMessage.Verdict.UNJUDGED).update(
            verdict=verdict, reason=reason
        )
