"""One member of staff or one worker of `make refund-race`: reads a line, acts, answers with a line.

With RACE_WITHOUT_RESERVATION the guard of the reservation is taken out of this process, to show what it is for.
"""

import os
import urllib.parse
import urllib.request

import django

django.setup()

from django.db.models import F  # noqa: E402  # after the registry is filled

from config.local.proofs.answering import answer_lines  # noqa: E402
from payments.models import Refund, Transaction  # noqa: E402
from payments.models.clock import database_now  # noqa: E402
from payments.models.transaction import TransactionQuerySet  # noqa: E402
from payments.money import Money  # noqa: E402
from payments.services.ask import ask_about  # noqa: E402
from payments.services.place_order import Line, place_order  # noqa: E402
from payments.services.refund import approve_refund, request_refund  # noqa: E402
from payments.services.send_refunds import send_due  # noqa: E402
from payments.services.start_payment import start_payment  # noqa: E402


def make(sandbox: str) -> int:
    """A paid attempt over one yuan; its id."""
    order = place_order(
        lines=[Line("茶", Money(100))], title="茶", language="zh-hans", caller="race", now=database_now()
    )
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="race")
    form = urllib.parse.urlencode({"out_trade_no": attempt.out_trade_no}).encode()
    urllib.request.urlopen(f"{sandbox}/control/pay", data=form, timeout=5).read()
    ask_about([attempt], actor="race")
    return attempt.pk


def refund(attempt: int, fen: int, who: str) -> str:
    paid = Transaction.objects.get(pk=attempt)
    made = request_refund(paid, Money(fen), requester=who, origin=Refund.Origin.STAFF, reason="race")
    approve_refund(made, approver="staff:second")
    return made.out_request_no


def unguarded(self: TransactionQuerySet, transaction_id: int, fen: int) -> bool:
    """The reservation as it would be without its guard."""
    return self.filter(pk=transaction_id).update(reserved_fen=F("reserved_fen") + fen) == 1


def main() -> None:
    if "RACE_WITHOUT_RESERVATION" in os.environ:
        TransactionQuerySet.reserve = unguarded  # type: ignore[method-assign]  # the negative control
    answer_lines({"make": make, "refund": refund, "work": lambda: send_due(limit=3)})


if __name__ == "__main__":
    main()
