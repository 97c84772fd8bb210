"""What waits for people: the few figures that need action, each one count over a partial index."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum

from payments.models import Case, Refund, Transaction


@dataclass(frozen=True, slots=True)
class Waiting:
    """Counts, and what is at stake in fen."""

    approvals: int
    approvals_fen: int
    overdue: int
    overdue_fen: int
    open_cases: int
    doubtful: int
    doubtful_fen: int


def waiting(now: datetime) -> Waiting:
    """Three queries."""
    asked = Refund.objects.filter(state=Refund.State.REQUESTED).aggregate(n=Count("pk"), fen=Sum("amount_fen"))
    late = Q(due_at__lt=now)
    cases = Case.objects.open().aggregate(
        n=Count("pk"), late=Count("pk", filter=late), fen=Sum("amount_fen", filter=late)
    )
    doubt = Transaction.objects.unsettled().filter(in_doubt=True, next_check_at__isnull=False)
    doubtful = doubt.aggregate(n=Count("pk"), fen=Sum("amount_fen"))
    return Waiting(
        approvals=asked["n"], approvals_fen=asked["fen"] or 0, overdue=cases["late"], overdue_fen=cases["fen"] or 0,
        open_cases=cases["n"], doubtful=doubtful["n"], doubtful_fen=doubtful["fen"] or 0,
    )  # fmt: skip
