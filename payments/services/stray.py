"""Genuine money under a number we never made: booked as a payment of no order, so that staff can give it back."""

from django.db import IntegrityError, transaction

from payments.models import Account, AuditEvent, Case, MerchantAccount, Transaction, Transfer
from payments.models.clock import database_now
from payments.models.settling import Fact

LONGEST_NUMBER = 64


def keep_stray(fact: Fact, *, evidence: str, actor: str) -> bool | None:
    """Book a paid trade that is none of our attempts, once per trade_no, with a case about it. True when booked now.

    evidence  reference of the message that said so
    None where it can't be ours to book: another application or seller, no amount, no trade, or the trade of an attempt.
    """
    account = MerchantAccount.objects.filter(app_id=fact.app_id, seller_id=fact.seller_id).first()
    if account is None or not fact.total_fen or not fact.trade_no or len(fact.out_trade_no) > LONGEST_NUMBER:
        return None
    try:
        with transaction.atomic():
            stray = _create(fact, account, fact.total_fen, evidence)
            AuditEvent.objects.add(stray, "paid", actor=actor, cause=evidence, state=stray.state)
            _post(stray, evidence)
            Case.objects.open_once(
                Case.Kind.UNKNOWN_NUMBER, f"transaction:{stray.pk}", evidence=evidence, amount_fen=stray.amount_fen,
                out_trade_no=stray.out_trade_no, trade_no=fact.trade_no,
            )  # fmt: skip
    except IntegrityError as error:
        if "trade_no_once" not in str(error):
            raise
        known = Transaction.objects.get(trade_no=fact.trade_no)
        return False if known.origin == Transaction.Origin.STRAY else None
    return True


def _create(fact: Fact, account: MerchantAccount, total_fen: int, evidence: str) -> Transaction:
    now = database_now()
    fits = fact.receipt_fen is not None and fact.receipt_fen <= total_fen
    return Transaction.objects.create(
        order=None, account=account, origin=Transaction.Origin.STRAY, scene=Transaction.Scene.OTHER,
        out_trade_no=fact.out_trade_no, trade_no=fact.trade_no, app_id=fact.app_id, seller_id=fact.seller_id,
        amount_fen=total_fen, receipt_fen=fact.receipt_fen if fits else total_fen, state=Transaction.State.PAID,
        finished=fact.finished, evidence=evidence, time_expire=now, settled_at=now, paid_at=fact.paid_at or now,
    )  # fmt: skip


def _post(stray: Transaction, evidence: str) -> None:
    """It lies at Alipay and belongs to nobody yet."""
    assert stray.receipt_fen is not None, "made so above"
    legs = {
        Account.ALIPAY_RECEIVABLE: stray.receipt_fen,
        Account.MERCHANT_DISCOUNT: stray.amount_fen - stray.receipt_fen,
    }
    Transfer.objects.bulk_create(
        Transfer(
            transaction=stray, cause=Transfer.Cause.CAPTURE, debit=debit, credit=Account.MONEY_IN_CASES, fen=fen,
            evidence=evidence,
        )
        for debit, fen in legs.items() if fen
    )  # fmt: skip
