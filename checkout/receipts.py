"""The receipt as PDF: the same figures as the page, in a font that has Chinese."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.template.defaultfilters import date
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from payments.models import Order
from payments.money import Money
from payments.queries.refunds_told import Says, refunds_told
from payments.templatetags.words import grouped

INK, SOFT, LINE = (35, 32, 28), (101, 94, 85), (200, 192, 180)
MARGIN_MM, AMOUNT_MM, FOOT_MM = 20, 36, 14


def receipt_pdf(order: Order) -> bytes:
    """One receipt, A4, in the order's language. Raises ImproperlyConfigured where no Chinese font is to be found."""
    with translation.override(order.language):
        return _draw(order)


@lru_cache(maxsize=1)
def font_file() -> Path:
    """The setting's font, else the first of those that Debian and its relatives install."""
    for name in filter(None, (settings.RECEIPT_FONT, *settings.RECEIPT_FONTS_TRIED)):
        if Path(name).is_file():
            return Path(name)
    raise ImproperlyConfigured(
        "RECEIPT_FONT names no font with Chinese letters; on Debian: apt-get install fonts-wqy-microhei"
    )


class _Sheets(FPDF):
    """Each sheet names the order and says which of how many it is: sheets get parted."""

    foot = ""

    def footer(self) -> None:
        self.set_y(-FOOT_MM)
        self.set_font("text", size=9)
        self.set_text_color(*SOFT)
        self.cell(self.epw, 5, f"{self.foot}  {self.page_no()}/{{nb}}", align="R")


def _draw(order: Order) -> bytes:
    pdf = _Sheets(format="A4")
    pdf.set_title(f"{_('Receipt')} {order.number}")
    pdf.foot = f"{_('Order')} {grouped(order.number)}"
    pdf.set_lang("zh-Hans" if order.language == "zh-hans" else "en")
    pdf.add_font("text", fname=str(font_file()))
    pdf.set_margin(MARGIN_MM)
    pdf.set_auto_page_break(True, margin=MARGIN_MM)
    pdf.add_page()
    wide = pdf.epw

    def say(text: str, size: int = 11, colour: tuple[int, int, int] = INK, *, gap: float = 0) -> None:
        pdf.set_font("text", size=size)
        pdf.set_text_color(*colour)
        pdf.multi_cell(wide, size * 0.55, text, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(gap)

    def row(text: str, amount: str, *, strong: bool = False) -> None:
        pdf.set_font("text", size=13 if strong else 11)
        pdf.set_text_color(*INK)
        height = pdf.multi_cell(wide - AMOUNT_MM, 7, text, dry_run=True, output=MethodReturnValue.HEIGHT)
        assert isinstance(height, float | int), "asked for the height alone"
        if pdf.will_page_break(height):
            pdf.add_page()  # name and amount stay on one sheet
        top = pdf.get_y()
        pdf.multi_cell(wide - AMOUNT_MM, 7, text, new_x="LMARGIN", new_y="NEXT")
        bottom = pdf.get_y()
        pdf.set_xy(MARGIN_MM + wide - AMOUNT_MM, top)
        pdf.cell(AMOUNT_MM, 7, amount, align="R")
        pdf.set_xy(MARGIN_MM, bottom)

    def rule() -> None:
        pdf.ln(2)
        pdf.set_draw_color(*LINE)
        pdf.line(MARGIN_MM, pdf.get_y(), MARGIN_MM + wide, pdf.get_y())
        pdf.ln(3)

    say(order.account.name, 11, SOFT, gap=2)
    say(_("Receipt"), 20, gap=4)
    for name, value in facts(order):
        say(f"{name}  {value}", 10, SOFT)
    rule()
    for line in order.lines.order_by("position"):
        row(f"{line.title}  × {line.quantity}", str(Money(line.unit_price_fen * line.quantity)))
    rule()
    for name, amount in sums(order):
        row(name, str(amount))
    row(_("Paid"), str(order.total), strong=True)
    for name, amount in returned(order):
        row(name, str(amount))
    rule()
    say(_("This is not a tax invoice (fapiao)."), 10, SOFT)
    return bytes(pdf.output())


def facts(order: Order) -> list[tuple[str, str]]:
    """What a receipt names beside its sums: (label, value) pairs, in the active language."""
    paid = order.paid_by
    known = [(_("Order"), grouped(order.number))]
    if order.paid_at:
        known.append((_("Paid at"), date(timezone.localtime(order.paid_at), "Y-m-d H:i")))
    if paid is not None:
        known.append((_("Way to pay"), str(paid.get_scene_display())))
        if paid.trade_no:
            known.append((_("Alipay trade number"), paid.trade_no))
    return known


def sums(order: Order) -> list[tuple[str, Money]]:
    """The steps from goods to total, those that are not nothing."""
    steps = [
        (_("Goods"), Money(order.goods_fen)),
        (_("Delivery"), Money(order.shipping_fen)),
        (_("Discount"), Money(-order.discount_fen)),
    ]
    return [(name, amount) for name, amount in steps if amount.fen]


def returned(order: Order) -> list[tuple[str, Money]]:
    """Refunds so far, each with its time and what is left after them; nothing where nothing is back for certain."""
    back = [each for each in refunds_told(order) if each.says is Says.BACK]
    if not back:
        return []
    moments = [date(timezone.localtime(each.at), "Y-m-d H:i") for each in back]
    rows = [
        (_("Refunded %(at)s") % {"at": at}, Money(-each.amount.fen)) for at, each in zip(moments, back, strict=True)
    ]
    return [*rows, (_("Paid after refunds"), Money(order.total_fen - sum(each.amount.fen for each in back)))]
