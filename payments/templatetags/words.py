"""How amounts, times and numbers are written for people."""

from datetime import datetime, timedelta

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from payments.money import Money

register = template.Library()


@register.filter
def clock(moment: datetime | None) -> str:
    """ "14:32" today, "23 Nov, 14:32" on another day; Beijing time."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    time_of_day = f"{local:%H:%M}"
    if local.date() == timezone.localdate():
        return time_of_day
    if (get_language() or "").startswith("zh"):
        return f"{local.month} 月 {local.day} 日 {time_of_day}"
    return f"{local.day} {formats.date_format(local, 'M')}, {time_of_day}"


@register.simple_tag
def timer(seconds: int) -> SafeString:
    """The time left, rounded down, in words: never a ticking clock. The page's script counts on with the same texts."""
    many, one, less = gettext("{n} minutes left."), gettext("1 minute left."), gettext("Less than a minute left.")
    minutes = seconds // 60
    text = less if minutes < 1 else one if minutes == 1 else many.format(n=minutes)
    return format_html(
        '<span class="timer" role="timer" data-left="{}" data-many="{}" data-one="{}" data-less="{}">{}</span>',
        seconds, many, one, less, text,
    )  # fmt: skip


@register.filter
def grouped(number: str) -> str:
    """An order number in groups of four, with spaces that don't break."""
    return "\u00a0".join(number[at : at + 4] for at in range(0, len(number), 4))


@register.filter
def mobile(digits: str | None) -> str:
    """ "138 0000 0000", with spaces that don't break; another kind of number as it is."""
    if not digits or len(digits) != 11:
        return digits or ""
    return "\u00a0".join((digits[:3], digits[3:7], digits[7:]))


@register.filter
def masked(address: str | None) -> str:
    """ "a***@b.cn": enough to recognise one's own."""
    name, _, host = (address or "").partition("@")
    return f"{name[:1]}***@{host}" if host else ""


@register.filter
def yuan(fen: int) -> str:
    return str(Money(fen))


@register.filter
def later(moment: datetime, seconds: int) -> datetime:
    return moment + timedelta(seconds=seconds)
