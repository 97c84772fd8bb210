"""Look whether the books hold together: nightly, and whenever somebody asks. Every run is kept; a red one is a case."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from payments.alipay.clock import BEIJING
from payments.models import BooksCheck, Case
from payments.models.clock import database_now
from payments.queries.invariants import Broken, snapshot
from payments.queries.touched import TABLES, Mark
from payments.services import duties

logger = structlog.get_logger(__name__)
NAME = "check_books"
HOUR = 3  # in Shanghai: after the day's end, before Alipay's bills
Hear = Callable[[Broken], None]


def check_books(*, since_last_green: bool = False, hear: Hear | None = None) -> BooksCheck:
    """Run every invariant over one snapshot and keep the result, in the caller's transaction if there is one.

    since_last_green  look only at what was written since the last run without a finding; without one, at everything
    hear              is told each result as it comes
    """
    started = database_now()
    last = BooksCheck.objects.last_green() if since_last_green else None
    since = Mark(last.xid, *(getattr(last, f"last_{name}_id") for name in TABLES)) if last else None
    found = []
    with snapshot() as books:
        for each in books.check(since=since, at=last.started_at if last else None):
            found.append(each)
            if hear is not None:
                hear(each)
    red = [each for each in found if each.hits]
    kept = BooksCheck.objects.create(
        reach=BooksCheck.Reach.SINCE if since else BooksCheck.Reach.FULL, started_at=started, ended_at=database_now(),
        checked=len(found), broken=len(red), xid=books.mark.xid,
        **{f"last_{name}_id": getattr(books.mark, name) for name in TABLES},
        results={each.name: {"count": each.hits, "ids": each.ids, "ms": each.ms} for each in found},
    )  # fmt: skip
    for each in red:
        _alarm(each, kept)
    return kept


def check_nightly() -> bool:
    """The full check, once a day, whoever rings. True for the one who did it."""
    now = database_now()
    duty = duties.take(NAME, now=now, lease=timedelta(minutes=30))
    if duty is None:
        return False
    tonight = now.astimezone(BEIJING).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    due = tonight if tonight > now else tonight + timedelta(days=1)
    check_books()
    try:
        with duties.finishing(duty, period=f"{now.astimezone(BEIJING):%Y-%m-%d}", next_due_at=due):
            pass
    except duties.Replaced:
        return False
    return True


def _alarm(each: Broken, kept: BooksCheck) -> None:
    logger.error("books_contradict_themselves", invariant=each.name, count=each.hits, ids=each.ids)
    Case.objects.open_once(
        Case.Kind.BOOKS, f"invariant:{each.name}", evidence=f"books_check:{kept.pk}", count=each.hits, ids=each.ids
    )
