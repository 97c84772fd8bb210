"""Payments and refunds that we know only from the bill go through the same door as all others."""

from collections.abc import Sequence

import structlog

from payments.alipay.facts import TradeFacts, TradeStatus
from payments.errors import BooksDisagree
from payments.models import BillFile, Refund, Transaction
from payments.models.matching import ToBook
from payments.models.settling import ReadBill
from payments.money import Money
from payments.services.refund import settle_refund
from payments.services.refund_in_bill import ACTOR, record_from_bill
from payments.services.settle import settle

logger = structlog.get_logger(__name__)
BATCH = 500


def book(found: Sequence[ToBook], file: BillFile, *, seller_id: str) -> None:
    """Book what the bill tells us first: payments, then refunds, which may be of those. Each commits by itself."""
    payments = [each for each in found if each.kind == "payment_not_here"]
    for start in range(0, len(payments), BATCH):
        facts = [_facts(each, seller_id) for each in payments[start : start + BATCH]]
        outcomes = settle(facts, source=ReadBill(file.evidence), actor=ACTOR)
        logger.info("booked_from_bill", file=file.pk, payments=len(facts), outcomes=sorted(map(str, outcomes)))
    for each in found:
        if each.kind != "payment_not_here":
            _book_refund(each, file)


def _facts(each: ToBook, seller_id: str) -> TradeFacts:
    return TradeFacts(
        app_id=each.app_id, seller_id=seller_id, out_trade_no=each.out_trade_no, status=TradeStatus.PAID,
        trade_no=each.trade_no, total=Money(each.fen), receipt=Money(each.receipt_fen) if each.receipt_fen is not None else None,
        paid_at=each.happened_at,
    )  # fmt: skip


def _book_refund(each: ToBook, file: BillFile) -> None:
    if each.refund_id is not None:
        refund = Refund.objects.select_related("transaction").get(pk=each.refund_id)
        try:
            settle_refund(refund, actor=ACTOR, evidence=file.evidence)
        except BooksDisagree:  # the line stays a difference, and a person looks
            logger.exception("refund_in_bill_does_not_fit", number=refund.out_request_no, evidence=file.evidence)
        return
    attempt = Transaction.objects.filter(trade_no=each.trade_no, state=Transaction.State.PAID).first()
    if attempt is not None:
        record_from_bill(attempt, each.out_request_no, Money(each.fen), line=each.line, file=file)
