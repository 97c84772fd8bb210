"""When an unpaid trade ends: time_expire and timeout_express, whose clock starts elsewhere for each product.

Source: dossier 2.0.
"""

import re
from datetime import datetime, timedelta

from payments.alipay.clock import BEIJING
from payments.alipay.facts import time_of
from payments.alipay.requests import APP_PAY, CARRIED_BY_BUYERS, WAP_PAY
from payments.sandbox.envelope import Call
from payments.sandbox.refusals import Refused, invalid

LONGEST_LIFE = timedelta(days=15)
LONGEST_CODE = timedelta(hours=2)
LEAST_AFTER_LOGIN = timedelta(minutes=5)
_STARTS_AT_LOGIN = {WAP_PAY, APP_PAY}
_RELATIVE = re.compile(r"([1-9]\d{0,5})([mhd])|1c", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def end_of(call: Call, now: datetime, *, least_life: timedelta, is_new: bool) -> tuple[datetime | None, str]:
    """The end of the trade a creating call asks for, or None and the relative text that starts to run at login.

    time_expire wins over timeout_express. Raises Refused. least_life holds for new offers only.
    """
    if call.text("time_expire"):
        return _absolute(call.text("time_expire"), now, least_life if is_new else timedelta()), ""
    relative = call.text("timeout_express") or ("15d" if call.method in CARRIED_BY_BUYERS else "3h")
    if call.method in _STARTS_AT_LOGIN:
        after(relative, now)  # refuses what can't be read
        return None, relative
    return after(relative, now), ""


def after(relative: str, start: datetime, *, least: timedelta = timedelta()) -> datetime:
    """When a relative time ("90m", "1c": the end of the day in Beijing) is over. Raises Refused."""
    match = _RELATIVE.fullmatch(relative)
    if match is None:
        raise invalid("timeout_express")
    if relative == "1c":
        midnight = start.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=1)
    life = int(match[1]) * _UNITS[match[2]]
    if life > LONGEST_LIFE:
        raise invalid("timeout_express")
    return start + max(life, least)


def code_end(call: Call, now: datetime) -> datetime:
    """Until when a QR code can be scanned: two hours at most, whatever the trade's own time is."""
    asked = call.text("qr_code_timeout_express")
    return min(after(asked, now), now + LONGEST_CODE) if asked else now + LONGEST_CODE


def _absolute(text: str, now: datetime, least_life: timedelta) -> datetime:
    end = time_of(text)
    if end is None or end > now + LONGEST_LIFE:
        raise invalid("time_expire")
    if end <= now:
        raise Refused("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已经大于允许支付的时间")
    if end < now + least_life:
        raise Refused("ACQ.INVALID_PARAMETER", "time_expire 太近")
    return end
