"""Once an hour: say early which certificates run out."""

from datetime import datetime, timedelta

import structlog

from payments import alarms, gateway
from payments.alipay.clock import to_beijing
from payments.credentials import certificates_of
from payments.models import MerchantAccount
from payments.models.clock import database_now
from payments.services import duties

logger = structlog.get_logger(__name__)
NAME = "watch_certificates"
MARKS = (
    (timedelta(0), "ended"),
    (timedelta(days=1), "1 day"),
    (timedelta(days=7), "7 days"),
    (timedelta(days=30), "30 days"),
)


def watch_certificates() -> bool:
    """Open a case at 30, 7 and 1 days before the newest certificate of its kind ends, and when it has. True when done now.

    An older certificate beside a newer one may end in peace.
    """
    now = database_now()
    duty = duties.take(NAME, now=now, lease=timedelta(minutes=5))
    if duty is None:
        return False
    try:
        with duties.finishing(duty, period=f"{now:%Y-%m-%d %H}", next_due_at=now + timedelta(hours=1)):
            for account in MerchantAccount.objects.filter(is_active=True, mode=MerchantAccount.Mode.CERTIFICATE):
                _look_at(account, now)
    except duties.Replaced:
        return False
    gateway.merchants(refresh=True)
    return True


def _look_at(account: MerchantAccount, now: datetime) -> None:
    for kind, certificates in certificates_of(account, now).items():
        newest = max(certificates, key=lambda each: each.not_after)
        mark = mark_of(newest.not_after, now)
        if mark:
            alarms.certificate_ends(account, whose=kind, sn=newest.sn, mark=mark, ends=to_beijing(newest.not_after))


def mark_of(ends: datetime, now: datetime) -> str:
    """The nearest mark that is reached; empty while more than thirty days are left."""
    return next((words for before, words in MARKS if ends - now <= before), "")
