"""A notice about a refund. It is only a hint: Alipay is asked about that number, and its answer to that is booked."""

from payments.alipay.facts import RefundFacts
from payments.models import Case, InboundMessage, Refund, Transaction
from payments.models.settling import HeardNotice, KeptNotice
from payments.money import Money
from payments.services.external_refund import compare_total
from payments.services.refund_hints import hint, want_discovery
from payments.services.settle import Settled, hear, judged, open_case

LONGEST_NUMBER = 64  # of a refund; no other can be asked about


def hear_refund(facts: RefundFacts, *, source: HeardNotice | KeptNotice) -> Settled:
    """Take in a message that carries refund fields. It never settles a payment, whatever its trade_status says.

    A refund of ours under way is asked about now. An unknown number is a refund made elsewhere: a follow-up asks Alipay
    about it. What contradicts our records opens a case.
    """
    row = hear(facts.out_trade_no, app_id=facts.app_id, seller_id=facts.seller_id, source=source)
    if row.verdict != InboundMessage.Verdict.UNJUDGED:
        return Settled.BEFORE
    attempt, number = attempt_of(facts.out_trade_no, facts.trade_no), facts.out_request_no or facts.out_trade_no
    refund = attempt.refunds.known_as(number).first() if attempt else None
    kind = _misfit(facts, attempt, refund) if len(number) <= LONGEST_NUMBER else Case.Kind.REFUND_NOTICE
    if kind is not None:
        refunded = facts.refunded_total
        return open_case(
            kind, f"number:{facts.out_trade_no}:{number}", row, source, amount_fen=refunded.fen if refunded else None,
            trade_no=facts.trade_no or "", out_request_no=number[:200],
        )  # fmt: skip
    assert attempt is not None, "a refund of no attempt is a misfit"
    outcome = _follow(attempt, refund, number, facts.refunded_total, source.evidence)
    known = outcome is Settled.BEFORE
    judged(row, InboundMessage.Verdict.DUPLICATE if known else InboundMessage.Verdict.ASKED)
    return outcome


def _follow(attempt: Transaction, refund: Refund | None, number: str, total: Money | None, evidence: str) -> Settled:
    if refund is None:
        want_discovery(attempt, number, total.fen if total else None, evidence=evidence)
        return Settled.ASKED
    if total is not None:
        compare_total(attempt, total.fen, evidence=evidence)
    if refund.state == Refund.State.SUCCEEDED:
        return Settled.BEFORE
    hint(attempt)
    return Settled.ASKED


def attempt_of(out_trade_no: str, trade_no: str | None) -> Transaction | None:
    """Ours by its number; a stray payment by its trade."""
    ours = Transaction.objects.filter(origin=Transaction.Origin.OURS, out_trade_no=out_trade_no).first()
    return ours or Transaction.objects.filter(origin=Transaction.Origin.STRAY, trade_no=trade_no).first()


def _misfit(facts: RefundFacts, attempt: Transaction | None, refund: Refund | None) -> Case.Kind | None:
    """Which case a message is that can't be followed; None for one that can."""
    if attempt is None:
        return Case.Kind.REFUND_NOTICE
    is_open = refund is None or refund.state in (Refund.State.SENT, Refund.State.SUCCEEDED)
    gates = [
        (facts.app_id == attempt.app_id, Case.Kind.OTHER_APP),
        (facts.seller_id == attempt.seller_id, Case.Kind.OTHER_SELLER),
        (facts.total == attempt.amount, Case.Kind.OTHER_AMOUNT),
        (attempt.trade_no in (None, facts.trade_no), Case.Kind.OTHER_TRADE),
        (is_open, Case.Kind.REFUND_NOTICE),  # we never sent it, or it counts as failed, and Alipay speaks of it
    ]
    return next((kind for passed, kind in gates if not passed), None)
