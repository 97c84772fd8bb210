"""Money beyond the order: late, or a second time. It is booked already; here a person is asked to return it."""

from typing import Any

from payments.models import Case, Transaction


def open_case(message: dict[str, Any]) -> None:
    """For "money.surplus": one case about the transaction, however often the message comes.

    Until it has run, the message itself is the written intent: it stands in the commit that booked the money.
    """
    attempt = Transaction.objects.get(pk=message["transaction_id"])
    Case.objects.open_once(
        Case.Kind.SURPLUS, f"transaction:{attempt.pk}", evidence=attempt.evidence, amount_fen=attempt.amount_fen,
        late=attempt.late, out_trade_no=attempt.out_trade_no,
    )  # fmt: skip
