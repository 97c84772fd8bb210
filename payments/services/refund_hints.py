"""What Alipay let fall about refunds of a trade: a reason to ask it now, written down where a sweep finds it."""

from datetime import timedelta

from django.conf import settings

from payments.models import OutboxMessage, Refund, Transaction
from payments.models.clock import database_now


def want_discovery(attempt: Transaction, out_request_no: str, total_fen: int | None, *, evidence: str) -> None:
    """Have Alipay asked about a refund we did not make, once per message that speaks of it.

    total_fen  all that went back on the trade so far, by that message
    """
    OutboxMessage.objects.get_or_create(
        dedupe_key=f"refund.heard:{evidence}",
        defaults={
            "topic": "refund.heard",
            "payload": {
                "transaction_id": attempt.pk, "out_request_no": out_request_no, "total_fen": total_fen, "evidence": evidence
            },
        },
    )  # fmt: skip
    hint(attempt)


def hint(attempt: Transaction) -> None:
    """Alipay has spoken of refunds of this trade: those of ours under way are looked at now."""
    longest = timedelta(seconds=settings.PAYMENTS["call_deadline_s"])
    Refund.objects.filter(transaction=attempt).bring_forward(now=database_now(), longest_call=longest)
