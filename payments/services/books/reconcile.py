"""Compare a day's bills with our books, as often as you like: the result is the same, and what differs gets a person."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from payments.models import AuditEvent, BillDay, BillFile, Case, Difference
from payments.models.matching import Comparison, explain_waiting, find, keep, result_hash, totals
from payments.services.books.book import book
from payments.services.books.correct import take_back
from payments.services.books.days import ready_at, start_of

logger = structlog.get_logger(__name__)
State = BillDay.State
ACTOR = "reconcile"


def reconcile_day(day: BillDay) -> BillDay:
    """Compare a day whose bills are read, book what only the bill knows, and keep what differs. Safe to run again.

    A day on which nothing differs, or everything is explained, is closed at once; the others wait for a person.
    Days that are not read yet, or closed, are left as they are.
    """
    day.refresh_from_db()
    if day.state not in (State.IMPORTED, State.MATCHED):
        return day
    about = _comparison(day)
    with transaction.atomic(durable=True):
        to_book = find(about)
        if not to_book:
            _keep(about)
    if to_book and about.file:
        book(to_book, about.file, seller_id=day.account.seller_id)
        with transaction.atomic(durable=True):
            find(about)
            _keep(about)
    settle_waiting(day.account_id)
    day.refresh_from_db()
    logger.info(
        "bill_day_compared", day=str(day), ours=day.ours_fen, theirs=day.theirs_fen, differences=day.differences.count()
    )
    return day


def settle_waiting(account_id: int) -> None:
    """Explain what another day's bill shows by now; what has waited too long becomes a case. Closes days left without either."""
    with transaction.atomic():
        for case_id, explanation in explain_waiting(account_id):
            case = Case.objects.filter(pk=case_id).first() if case_id else None
            if case is not None and not Case.objects.mark_resolved(case, actor=ACTOR, note=f"found in {explanation}"):
                take_back(case, actor=ACTOR, found_in=f"found in {explanation}")
        for each in Difference.objects.filter(
            day__account=account_id, state=Difference.State.WAITING, waits_until__lte=Now()
        ).select_related("day"):
            _open_case(each)
    for day in BillDay.objects.filter(account=account_id, state=State.MATCHED, closed_at=None):
        _close_if_nothing_is_left(day)


def _comparison(day: BillDay) -> Comparison:
    files = {file.kind: file for file in day.files.filter(state=BillFile.State.IMPORTED)}
    since, clocks = start_of(day.day), settings.PAYMENTS
    return Comparison(
        day=day, file=files.get(BillFile.Kind.TRADE), account_file=files.get(BillFile.Kind.ACCOUNT), since=since,
        until=since + timedelta(days=1), waits_until=ready_at(day.day) + timedelta(seconds=clocks["bill_wait_s"]),
        midnight_s=clocks["bill_midnight_s"], rate=clocks["fee_rate"] or None,
    )  # fmt: skip


def _keep(about: Comparison) -> None:
    """In the comparison's transaction, under the day's lock: two at once keep one result."""
    day = BillDay.objects.select_for_update(no_key=True).get(pk=about.day.pk)
    if day.state not in (State.IMPORTED, State.MATCHED):
        return
    keep(about)
    count, ours = totals(about)
    file = about.file
    theirs = ((file.in_fen or 0) + (file.out_fen or 0)) if file else 0
    theirs_count = ((file.in_count or 0) + (file.out_count or 0)) if file else 0
    values = {"ours_count": count, "ours_fen": ours, "theirs_count": theirs_count, "theirs_fen": theirs}
    digest = result_hash(about, totals="|".join(str(value) for value in values.values()))
    is_new = (day.state, day.result_hash) != (State.MATCHED, digest)
    if is_new:
        fee_fen = file.fee_fen if file else 0
        BillDay.objects.filter(pk=day.pk).update(
            state=State.MATCHED,
            matched_at=Now(),
            due_at=None,
            leased_until=None,
            result_hash=digest,
            fee_fen=fee_fen,
            **values,
        )
        AuditEvent.objects.add(
            day, "matched", actor=ACTOR, cause=f"result:{digest[:16]}", state=State.MATCHED, **values
        )


def _open_case(each: Difference) -> None:
    """It has waited long enough."""
    subject = f"refund:{each.refund_id}" if each.refund_id else f"transaction:{each.transaction_id}"
    Case.objects.open_once(
        Case.Kind(each.kind), subject, evidence=f"billday:{each.day_id}", amount_fen=each.fen or None, day=str(each.day),
        field=each.field, ours=each.ours, theirs=each.theirs, trade_no=each.trade_no, out_trade_no=each.out_trade_no,
        out_request_no=each.out_request_no,
    )  # fmt: skip
    case = Case.objects.open().get(kind=each.kind, subject=subject)
    Difference.objects.filter(pk=each.pk, state=Difference.State.WAITING).update(
        state=Difference.State.CASE, waits_until=None, case=case
    )


def _close_if_nothing_is_left(day: BillDay) -> None:
    if not day.differences.exclude(state=Difference.State.EXPLAINED).exists():
        close_day(day, actor=ACTOR)


def close_day(day: BillDay, *, actor: str) -> bool:
    """Close a compared day: nothing differs, or each difference is explained or has its case. True for the one who did it.

    actor  "staff:7", or the comparison itself
    """
    with transaction.atomic():
        locked = BillDay.objects.select_for_update(no_key=True).get(pk=day.pk)
        waits = locked.differences.filter(state=Difference.State.WAITING).exists()
        if locked.state != State.MATCHED or waits:
            return False
        BillDay.objects.filter(pk=day.pk).update(state=State.CLOSED, closed_at=Now(), closed_by=actor, due_at=None)
        AuditEvent.objects.add(
            locked, "closed", actor=actor, cause=f"result:{locked.result_hash[:16]}", state=State.CLOSED
        )
    return True
