"""Ask Alipay about attempts and settle what it says: for the poller, the closer, and for people who wait."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError

from payments import gateway
from payments.alipay.facts import TradeFacts, TradeStatus
from payments.alipay.outcomes import Done
from payments.models import GatewayCall, Transaction
from payments.models.clock import database_now
from payments.models.settling import AskedQuery
from payments.models.transaction import Heard
from payments.services import turns
from payments.services.settle import SAYS, Settled, settle

logger = structlog.get_logger(__name__)


def ask_now(attempt: Transaction, *, actor: str) -> bool:
    """One query for somebody who is waiting, unless Alipay was asked a moment ago. True when it was asked now."""
    now = database_now()
    lately = now - timedelta(seconds=settings.PAYMENTS["ask_again_s"])
    if not Transaction.objects.claim_one(attempt.pk, now=now, lease=lease(1), not_since=lately):
        return False
    ask_about([attempt], actor=actor, deadline_s=settings.PAYMENTS["page_deadline_s"])
    return True


def ask_about(
    attempts: Sequence[Transaction], *, actor: str, deadline_s: float | None = None
) -> dict[int, Settled | None]:
    """Query Alipay about claimed attempts and settle the answers. By transaction id; None where no certain answer came."""
    by_account: dict[int, list[Transaction]] = defaultdict(list)
    for attempt in attempts:
        by_account[attempt.account_id].append(attempt)
    outcomes: dict[int, Settled | None] = {}
    for group in by_account.values():
        outcomes |= _ask_group(group, actor, deadline_s or settings.PAYMENTS["call_deadline_s"])
    return outcomes


def _ask_group(attempts: list[Transaction], actor: str, deadline_s: float) -> dict[int, Settled | None]:
    merchant = gateway.able_to_sign(attempts[0].account)
    if merchant is None:  # as when nobody answers; other accounts are asked all the same
        _plan_next(attempts, {}, database_now())
        return {each.pk: None for each in attempts}
    source, answers = gateway.ask(merchant, [each.out_trade_no for each in attempts], deadline_s=deadline_s)
    facts = [answer.answer for answer in answers if isinstance(answer, Done)]
    settled = _settle(facts, source, actor)
    unanswered = [str(answer) for answer in answers if not isinstance(answer, Done)]
    if unanswered:
        _journal_unanswered(merchant, source, unanswered, asked=len(attempts))
    _plan_next(attempts, {fact.out_trade_no: fact for fact in facts if fact.out_trade_no in settled}, source.started_at)
    return {each.pk: settled.get(each.out_trade_no) for each in attempts}


def _settle(facts: list[TradeFacts], source: AskedQuery, actor: str) -> dict[str, Settled]:
    """By out_trade_no, all at once. Where that breaks, each alone: one whose order is held must not hold up the others."""
    found: dict[str, Settled] = {}

    def settle_some(some: list[TradeFacts]) -> None:
        outcomes = settle(some, source=source if some is facts else source.again(), actor=actor)
        found.update(zip((fact.out_trade_no for fact in some), outcomes, strict=True))

    try:
        if facts:
            settle_some(facts)
    except DatabaseError:
        logger.warning("facts_settled_one_by_one", count=len(facts), actor=actor)
        turns.take_turns(([fact] for fact in facts), settle_some, what="settle")
    return found


def _journal_unanswered(merchant: gateway.Merchant, source: AskedQuery, unanswered: list[str], *, asked: int) -> None:
    """A batch that got no certain answer for some numbers leaves a row too, for the next reader's question "why"."""
    GatewayCall.objects.create(
        account=merchant.account, method="alipay.trade.query", purpose="query", outcome=GatewayCall.Outcome.UNKNOWN,
        why=f"{len(unanswered)} of {asked}: {unanswered[0]}"[:200], started_at=source.started_at, ended_at=database_now(),
    )  # fmt: skip
    logger.warning("queries_unanswered", count=len(unanswered), asked=asked, first=unanswered[0])


def _plan_next(attempts: list[Transaction], facts: dict[str, TradeFacts], asked_at: datetime) -> None:
    """Note what was heard and when to ask again. Attempts that were settled just now are left alone by the statement."""
    Transaction.objects.note_heard(
        [
            Heard(
                transaction_id=each.pk,
                status=SAYS[facts[each.out_trade_no].status] if each.out_trade_no in facts else "",
                at=asked_at,
                next_check_at=_next_check(each, facts.get(each.out_trade_no), asked_at),
                was_closed=each.state == Transaction.State.CLOSED,
            )
            for each in attempts
        ]
    )


def _next_check(attempt: Transaction, fact: TradeFacts | None, asked_at: datetime) -> datetime | None:
    """By the ladder while it may come to something; what is closed here is looked back at some times more."""
    if attempt.closed_at is None or fact is None or fact.status is TradeStatus.WAITING:
        return asked_at + rung(attempt.checks)
    return look_back_at(attempt.closed_at, after=asked_at)


def rung(checks: int) -> timedelta:
    """How long to wait after the n-th question. A page that is open brings the next one forward."""
    ladder = settings.PAYMENTS["ladder_s"]
    return timedelta(seconds=ladder[min(checks, len(ladder) - 1)])


def look_back_at(closed_at: datetime, *, after: datetime) -> datetime | None:
    """When to ask next about an attempt that Alipay knew nothing of when it was closed: that answer may have been an old one."""
    looks = (closed_at + timedelta(seconds=each) for each in settings.PAYMENTS["look_back_s"])
    return min((look for look in looks if look > after), default=None)


def lease(limit: int) -> timedelta:
    """How long a claim of `limit` rows may take at worst: every call to its deadline, and half a minute."""
    rounds = -(-limit // settings.PAYMENTS["batch_connections"])
    return timedelta(seconds=rounds * settings.PAYMENTS["call_deadline_s"] + 30)
