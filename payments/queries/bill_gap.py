"""What Alipay's bill has more or less than our books, as far as a case is about that."""

from payments.models import Case, Difference, Refund, Transaction

# That a line stands twice is a fault of the bill, and what stands on another day is booked: no money moved.
SAYS_NOTHING_OF_MONEY = (Case.Kind.BILL_DUPLICATE, Case.Kind.BILL_DAY)


def in_bill_fen(case: Case) -> int:
    """How many fen the bill has more than we have booked, still; below zero: less. 0 for a case that no bill opened."""
    differing = (
        case.differences.filter(state=Difference.State.CASE).exclude(fen=0).exclude(kind__in=SAYS_NOTHING_OF_MONEY)
    )
    return sum(each.fen for each in differing if not _is_booked_by_now(each))


def _is_booked_by_now(each: Difference) -> bool:
    """Whether what was not here has come since."""
    match each.kind:
        case Case.Kind.PAYMENT_NOT_HERE:
            return Transaction.objects.filter(trade_no=each.trade_no, state=Transaction.State.PAID).exists()
        case Case.Kind.REFUND_NOT_HERE | Case.Kind.UNKNOWN_REFUND:
            known = Refund.objects.known_as(each.out_request_no or f"bill-{each.file_id}-{each.line_no}")
            return known.filter(transaction__trade_no=each.trade_no, state=Refund.State.SUCCEEDED).exists()
    return False
