"""Every day in Shanghai since a merchant was connected has a row from its start, and a time from which its bills are due."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connection

from payments.alipay.clock import BEIJING
from payments.models import BillDay, MerchantAccount

# One row a merchant and day, whichever of its applications took the money: a bill is the merchant's, not an application's.
BEGIN = """
INSERT INTO payments_billday (account_id, day, state, content, due_at, version, tries, last_error, result_hash, closed_by)
SELECT a.id, d::date, 'expected', 'unknown', (d::date + 1 + %(ready)s * interval '1 second') AT TIME ZONE 'Asia/Shanghai',
       0, 0, '', '', ''
FROM (
    SELECT DISTINCT ON (seller_id) id, (created_at AT TIME ZONE 'Asia/Shanghai')::date AS since
    FROM payments_merchantaccount ORDER BY seller_id, id
) a, generate_series(greatest(a.since, %(today)s::date - 400), %(today)s::date, interval '1 day') d
ON CONFLICT (account_id, day) DO NOTHING
"""


def begin_days(now: datetime) -> int:
    """Give every day up to today its row. Returns how many are new."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, {"today": shanghai_day(now), "ready": settings.PAYMENTS["bill_ready_s"]})
        return int(cursor.rowcount)


def day_of(account: MerchantAccount, day: date) -> BillDay:
    """The row of a day, made now where it has none yet: a bill from before the merchant was connected."""
    first = MerchantAccount.objects.filter(seller_id=account.seller_id).order_by("pk").first()
    return BillDay.objects.get_or_create(account=first, day=day)[0]


def shanghai_day(moment: datetime) -> date:
    return moment.astimezone(BEIJING).date()


def start_of(day: date) -> datetime:
    """The first moment of a day in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING)


def ready_at(day: date) -> datetime:
    """When a day's bills can be asked for."""
    return start_of(day + timedelta(days=1)) + timedelta(seconds=settings.PAYMENTS["bill_ready_s"])
