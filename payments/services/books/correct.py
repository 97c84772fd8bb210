"""What a bill has more or less than our books is written off: the ledger then says what Alipay's bill says."""

from django.db import transaction

from payments.models import Account, Case, CaseEvent, Transaction, Transfer
from payments.queries.bill_gap import in_bill_fen


def correct(case: Case, attempt: Transaction | None) -> int:
    """Bring the ledger to the bill, in the commit that ends the case. Returns how many fen more are at Alipay; below zero: less.

    attempt  the payment it is about, locked; None where we have none, then the bill stands in
    """
    fen = in_bill_fen(case)
    if fen:
        file = None if attempt else case.differences.exclude(file=None).values_list("file", flat=True).first()
        _post(fen, transaction=attempt, bill_file_id=file, evidence=f"case:{case.pk}")
    return fen


def take_back(case: Case, *, actor: str, found_in: str) -> None:
    """What was written off stands in another bill after all: the ledger has it again. Safe to run twice."""
    posted = Transfer.objects.filter(cause=Transfer.Cause.CORRECT, evidence=f"case:{case.pk}")
    legs = list(posted)
    if len(legs) != 1:  # none was posted, or it is taken back already
        return
    fen = legs[0].fen if legs[0].credit == Account.ALIPAY_RECEIVABLE else -legs[0].fen
    with transaction.atomic():
        _post(
            fen, transaction=legs[0].transaction, bill_file_id=legs[0].bill_file_id, evidence=legs[0].evidence
        )  # fmt: skip
        CaseEvent.objects.add(case, "write_off_taken_back", actor=actor, note=found_in, state=case.state)


def _post(fen: int, *, transaction: Transaction | None, bill_file_id: int | None, evidence: str) -> None:
    """fen  above zero: more lies at Alipay than was booked"""
    debit, credit = Account.ALIPAY_RECEIVABLE, Account.WRITTEN_OFF
    if fen < 0:
        debit, credit = credit, debit
    Transfer.objects.create(
        transaction=transaction, bill_file_id=bill_file_id, cause=Transfer.Cause.CORRECT, debit=debit, credit=credit,
        fen=abs(fen), evidence=evidence,
    )  # fmt: skip
