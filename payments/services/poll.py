"""The poller: the answer to every lost notice, and to an old answer on which an attempt was closed."""

from payments.models import Transaction
from payments.models.clock import database_now
from payments.services import ask, start_payment, turns


def ask_about_due(*, limit: int) -> int:
    """Claim attempts whose next check has come, ask Alipay about all of them at once, settle what it says.

    Safe to run twice or never: the due time is a column, and claiming moves it on. Returns how many were asked about.
    """
    claimed = Transaction.objects.claim_due("next_check_at", now=database_now(), lease=ask.lease(limit), limit=limit)
    ask.ask_about(claimed, actor="poll")
    unfinished = [each for each in claimed if each.state == Transaction.State.CREATED]
    turns.take_turns(unfinished, start_payment.resume, what="resume")
    return len(claimed)
