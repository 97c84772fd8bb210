"""Doubt that lasts: the buyer hears from us before they wonder, once, whichever door met it."""

from datetime import timedelta

from payments.models import OutboxMessage, Transaction
from payments.models.clock import database_now

WRITE_AFTER = timedelta(minutes=10)


def note_doubt(attempt: Transaction) -> None:
    """Have the buyer written to in ten minutes, unless it is known by then what became of this attempt."""
    message = OutboxMessage(
        topic="attempt.in_doubt", dedupe_key=f"in_doubt:{attempt.pk}",
        payload={"order_id": attempt.order_id, "transaction_id": attempt.pk},
        due_at=database_now() + WRITE_AFTER,
    )  # fmt: skip
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)
