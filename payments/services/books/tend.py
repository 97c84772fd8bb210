"""The books' duty: begin days, fetch what is due, compare what is read, age what waits. Whoever rings, however often."""

from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from payments.models import BillDay, Case, Difference
from payments.models.clock import database_now
from payments.services.books.days import begin_days
from payments.services.books.fetch import fetch_day
from payments.services.books.reconcile import reconcile_day, settle_waiting

logger = structlog.get_logger(__name__)
LEASE = timedelta(hours=1)  # above the longest a day of ten million lines takes
FAILED = "broken off: see the log"
State = BillDay.State


def tend_books(*, limit: int = 10) -> int:
    """Go on with up to `limit` days whose time has come. Returns how many were taken up."""
    now = database_now()
    begin_days(now)
    taken = 0
    for day in BillDay.objects.filter(due_at__lte=now).select_related("account").order_by("due_at", "day")[:limit]:
        version = BillDay.objects.take(day.pk, now=now, lease=LEASE, only_due=True)
        if version is not None:
            taken += 1
            _go_on(day, version, now)
    waits = Difference.objects.filter(state=Difference.State.WAITING, waits_until__lte=now)
    for account_id in waits.values_list("day__account", flat=True).distinct():
        settle_waiting(account_id)
    return taken


def _go_on(day: BillDay, version: int, now: datetime) -> None:
    """One day's trouble is not the others': a person is told once, and the day is due again when its lease is over."""
    try:
        go_on(day, version=version, now=now)
    except Exception as error:  # the worker's outermost door: one day must not stop the others
        logger.exception("bill_day_failed", day=str(day))
        ours = Q(version=version) | Q(leased_until=None, state=State.IMPORTED)  # read meanwhile, then it broke
        BillDay.objects.filter(ours, pk=day.pk).update(last_error=FAILED, due_at=now + LEASE, leased_until=None)
        Case.objects.open_once(
            Case.Kind.BILL_BROKE,
            f"billday:{day.pk}",
            evidence=f"billday:{day.pk}",
            day=str(day),
            why=type(error).__name__,
        )
    else:
        Case.objects.resolve(Case.Kind.BILL_BROKE, f"billday:{day.pk}", actor="books", note="it works again")


def go_on(day: BillDay, *, version: int, now: datetime) -> BillDay:
    """Fetch what the day lacks and compare it, in the name of a `take`."""
    day.refresh_from_db()
    if day.state in (State.EXPECTED, State.FETCHING):
        fetch_day(day, version=version, now=now)
        day.refresh_from_db()
    return reconcile_day(day)
