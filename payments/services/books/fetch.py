"""Ask Alipay for the bills of days that are over: from ten in the morning, every hour again, with an alarm at a set time."""

import hashlib
from datetime import datetime, timedelta
from tempfile import TemporaryFile

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from payments import gateway
from payments.alipay.outcomes import CertainlyNot, Done, Next
from payments.models import AuditEvent, BillDay, BillFile, Case, Refund, Transaction
from payments.services.books.days import start_of
from payments.services.books.imported import note_imported, wanted_kinds
from payments.services.books.keep import keep_file
from payments.services.books.read import read_file

logger = structlog.get_logger(__name__)
State = BillDay.State
ACTOR = "fetch"
NOTHING = hashlib.sha256(b"").hexdigest()


def fetch_day(day: BillDay, *, version: int, now: datetime) -> bool:
    """Fetch and read what the day still lacks. True when all of it is read; else it is due again in an hour.

    version  of `BillDay.objects.take`: whoever was replaced meanwhile moves nothing
    """
    if day.state == State.EXPECTED:
        BillDay.objects.move(day, State.FETCHING, version=version, tries=F("tries") + 1)
    problems = [problem for kind in wanted_kinds(day) if (problem := _fetch(day, kind, now))]
    if not problems and note_imported(day):
        _resolve(day)
        return True
    day.refresh_from_db()
    if day.state == State.FETCHING:
        content, why = problems[0] if problems else (day.content, "")
        later = now + timedelta(seconds=settings.PAYMENTS["bill_again_s"])
        BillDay.objects.move(
            day, State.EXPECTED, version=version, due_at=later, leased_until=None, content=content, last_error=why[:200]
        )
        _alarm(day, why, now)
    return False


def _fetch(day: BillDay, kind: BillFile.Kind, now: datetime) -> tuple[BillDay.Content, str] | None:
    """One kind of bill. None when it is read; else what is known of the day's content, and why it did not come."""
    waiting = day.files.filter(kind=kind, state=BillFile.State.KEPT).first()  # a reader died over it
    if waiting is not None:
        return _read(waiting)
    merchant = gateway.merchants().get(day.account.app_id)
    if merchant is None:
        return BillDay.Content.UNKNOWN, "the account has no keys in use"
    with TemporaryFile() as into:
        result = gateway.fetch_bill(merchant, bill_type=kind, day=day.day, into=into)
        if isinstance(result, Done) and into.seek(0, 2) == 0:
            _note_empty(day, kind, "Alipay has no file for a day without business")
            return None
        if isinstance(result, Done):
            return _read(keep_file(day, into, kind=kind, source=BillFile.Source.FETCHED, actor=ACTOR))
    if isinstance(result, CertainlyNot) and result.next is Next.WAIT:
        if _is_given_up(day, now) and not _had_business(day):
            _note_empty(day, kind, "Alipay has no bill after days, and we had no business either")
            return None
        return BillDay.Content.MISSING, "Alipay has no bill yet"
    why = result.why if not isinstance(result, CertainlyNot) else f"{result.code} {result.sub_code}".strip()
    return BillDay.Content.UNKNOWN, why or "no answer"


def _read(kept: BillFile) -> tuple[BillDay.Content, str] | None:
    read = read_file(kept)
    return None if read.state == BillFile.State.IMPORTED else (BillDay.Content.UNKNOWN, read.reason)


def _note_empty(day: BillDay, kind: BillFile.Kind, why: str) -> None:
    with transaction.atomic():
        empty, is_new = BillFile.objects.get_or_create(
            day=day, kind=kind, sha256=NOTHING,
            defaults={
                "source": BillFile.Source.FETCHED, "actor": ACTOR, "size": 0, "state": BillFile.State.IMPORTED,
                "ended_at": Now(), "lines": 0, "in_count": 0, "out_count": 0, "in_fen": 0, "out_fen": 0,
                "fee_fen": 0, "lines_sha256": NOTHING,
            },
        )  # fmt: skip
        if is_new:
            AuditEvent.objects.add(empty, "empty", actor=ACTOR, cause=empty.evidence, state=empty.state, why=why)


def _is_given_up(day: BillDay, now: datetime) -> bool:
    return now >= start_of(day.day) + timedelta(days=1 + settings.PAYMENTS["bill_give_up_days"])


def _had_business(day: BillDay) -> bool:
    """Whether we took or gave back money through Alipay that day."""
    since = start_of(day.day)
    within = (since, since + timedelta(days=1))
    ours = Transaction.objects.filter(seller_id=day.account.seller_id, trade_no__isnull=False)
    return (
        ours.filter(paid_at__range=within).exists()
        or Refund.objects.filter(transaction__in=ours, state=Refund.State.SUCCEEDED, ended_at__range=within).exists()
    )


def _alarm(day: BillDay, why: str, now: datetime) -> None:
    """A bill that has not come by the set time needs a person; never is a day without one taken for a day that agrees."""
    if now < start_of(day.day) + timedelta(days=1, seconds=settings.PAYMENTS["bill_alarm_s"]):
        return
    logger.error("bill_missing", day=str(day), why=why)
    Case.objects.open_once(
        Case.Kind.BILL_MISSING, f"billday:{day.pk}", evidence=f"billday:{day.pk}", day=str(day), reason=why, field="bill",
        ours="", theirs=why,
    )  # fmt: skip


def _resolve(day: BillDay) -> None:
    for kind in (Case.Kind.BILL_MISSING, Case.Kind.BILL_REFUSED):
        Case.objects.resolve(kind, f"billday:{day.pk}", actor=ACTOR, note="the bill has come and was read")
