"""Alipay's wall clock: Beijing time, whatever zone the process has."""

from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")  # no daylight saving since 1991
_LENGTHS = {len("2026-11-22 14:32:00"), len("2026-11-22 14:32:00.000")}


def to_beijing(moment: datetime) -> str:
    """An aware moment as Alipay reads it: "yyyy-MM-dd HH:mm:ss" in Beijing, fractions cut off."""
    assert moment.tzinfo is not None, "a moment without a zone is a different moment on every machine"
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def from_beijing(text: str) -> datetime:
    """Read one of Alipay's times, with or without milliseconds (gmt_refund has them). Raises ValueError."""
    if len(text) not in _LENGTHS or text[10] != " ":
        raise ValueError(f"not a time as Alipay writes it: {text!r}")
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)
