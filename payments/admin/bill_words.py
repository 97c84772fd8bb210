"""A bill day's state in words and a sign, so that missing, empty and not yet are never taken for each other."""

from datetime import date
from typing import Any, NamedTuple

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from payments.models import BillDay
from payments.money import Money
from payments.queries.bill_days import Cell
from payments.queries.bill_reasons import reason_words

State, Content = BillDay.State, BillDay.Content


class Said(NamedTuple):
    """`tone` is a class of the style sheet; the sign stands before the words."""

    sign: str
    words: Any
    tone: str


def say(cell: Cell, *, today: date) -> Said:
    """What a month's page says of one date. `today` in Shanghai."""
    day = cell.found
    if day is None:
        return Said("", _("still to come") if cell.date > today else _("no bill is expected"), "none")
    if day.state in (State.EXPECTED, State.FETCHING):
        return _before(day)
    if day.state == State.IMPORTED:
        return Said("·", _("read, not compared yet"), "wait")
    if day.state == State.CLOSED and day.content == Content.EMPTY:
        return Said("○", _("empty: no business; closed"), "good")
    if day.state == State.CLOSED and not cell.differences:
        return Said("✓", _("closed, to the fen"), "good")
    return _compared(cell, day)


def _before(day: BillDay) -> Said:
    if day.content == Content.MISSING:
        return Said("▲", _("missing: Alipay has no bill yet"), "bad")
    if day.state == State.FETCHING:
        return Said("·", _("being fetched"), "wait")
    if day.tries:
        return Said("▲", _("did not come: {why}").format(why=reason_words(day.last_error) or "—"), "bad")
    return Said("…", _("not out yet"), "wait")


def _compared(cell: Cell, day: BillDay) -> Said:
    count = ngettext("{n} difference", "{n} differences", cell.differences).format(n=cell.differences)
    amount = signed(day.difference_fen or 0).replace(
        "−", "−\N{WORD JOINER}"
    )  # a narrow cell breaks no line behind the sign
    words = f"{count}{gettext(', ')}{amount}" if day.difference_fen else count
    if day.state == State.CLOSED:
        closed = gettext("closed with {what}").format(what=words)
        return Said("✓" if not cell.unsolved else "≠", closed, "good" if not cell.unsolved else "bad")
    if not cell.differences:
        return Said("·", _("compared, nothing differs"), "wait")
    return Said("≠", words, "bad")


def signed_count(n: int | None) -> str:
    """A difference of counts: "+1", "−1", "0"; a dash where it is not known yet."""
    return "—" if n is None else f"{n:+d}".replace("-", "−") if n else "0"


def signed(fen: int) -> str:
    """A difference as people read it: "+¥1.00", "−¥1.00", "¥0.00"."""
    return f"{'+' if fen > 0 else '−' if fen < 0 else ''}{Money(abs(fen))}"
