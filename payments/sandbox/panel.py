"""The operator's pages: notices with all that was sent and answered, faults, the clock, and bills."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import web
from django.utils.translation import gettext_lazy as _

from payments.sandbox.alipay import Refused
from payments.sandbox.bill_faults import CUTS, ENCODINGS, Plan
from payments.sandbox.bill_links import TYPES, period_of
from payments.sandbox.faults import Fault, Setting
from payments.sandbox.pages import SHOWN
from payments.sandbox.rendering import page
from payments.sandbox.wishes import NotUnderstood, plan_of, set_faults, text_of, values_of

if TYPE_CHECKING:
    from payments.sandbox.web import Site

_MEANING = {
    Fault.DELAY: _("Answers late, after so many seconds"),
    Fault.LOSE: _("Hangs before anything is done, and never answers"),
    Fault.HTTP_500: _("Answers with an error page and status 500; nothing is done"),
    Fault.RATE_LIMIT: _("Says that there were too many calls; nothing is done"),
    Fault.POOR_SELLER: _("A refund finds too little money in the merchant's account"),
    Fault.SWALLOW: _("Does it, then hangs and never answers"),
    Fault.ERROR_AFTER: _("Does it, and says that the system failed"),
    Fault.HTML: _("Does it, and answers with a page about maintenance"),
    Fault.CUT: _("Does it, and sends half of the JSON"),
    Fault.DRIP: _("Does it, and sends one byte after another, so many seconds apart"),
    Fault.UNSIGNED: _("Does it, and answers without a signature"),
    Fault.BAD_ANSWER_SIGNATURE: _("Does it, and the answer's signature is wrong"),
    Fault.WRONG_ANSWER_AMOUNT: _("Does it, and says one fen too much, validly signed"),
    Fault.STALE: _("A query is answered from before the last change"),
    Fault.MUTE: _("All notices are kept back while this is on"),
    Fault.NOTICE_LATE: _("A notice is sent so many seconds late"),
    Fault.NOTICE_LOST: _("A notice never arrives, and is tried again by the timetable"),
    Fault.NOTICE_TWICE: _("A notice arrives twice at the same moment"),
    Fault.NOTICE_SWAPPED: _("A notice waits for the next one and arrives after it"),
    Fault.WRONG_AMOUNT: _("A notice says one fen too much, validly signed"),
    Fault.WRONG_SELLER: _("A notice names another merchant, validly signed"),
    Fault.BAD_SIGNATURE: _("A notice's signature is wrong"),
}
_AT = {
    _("Before the gateway does anything"): list(Fault)[:5],
    _("After the gateway has done it"): list(Fault)[5:14],
    _("Notices"): list(Fault)[14:],
}


class Panel:
    """Operators' pages. What they change, the control door changes too."""

    def __init__(self, site: "Site") -> None:
        self._site = site

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.get("/notices", self.notices),
            web.get("/notices/{notify_id}", self.notice),
            web.post("/notices/{notify_id}/resend", self.resend),
            web.get("/faults", self.faults),
            web.post("/faults", self.set_faults),
            web.post("/clock", self.set_clock),
            web.get("/bills", self.bills),
            web.post("/bills", self.set_bill),
            web.get("/bills/{bill_type:trade|signcustomer}/{bill_date}.zip", self.download),
        ]

    async def notices(self, request: web.Request) -> web.StreamResponse:
        """Every delivery, newest first."""
        deliveries = list(self._site.alipay.book.deliveries.values())[::-1][:SHOWN]
        return page(request, "notices", deliveries=deliveries, muted=self._site.alipay.faults.is_on(Fault.MUTE))

    async def notice(self, request: web.Request) -> web.StreamResponse:
        """One delivery: what was sent, each answer, the next time."""
        delivery = self._site.alipay.book.deliveries.get(request.match_info["notify_id"])
        if delivery is None:
            raise web.HTTPNotFound
        tries = list(zip(delivery.tried_at, delivery.answers, strict=False))
        return page(request, "notice", delivery=delivery, tries=tries, form=delivery.sent or delivery.fields)

    async def resend(self, request: web.Request) -> web.StreamResponse:
        delivery = self._site.alipay.book.deliveries.get(request.match_info["notify_id"])
        if delivery is None:
            raise web.HTTPNotFound
        await self._site.post.send(delivery)
        raise web.HTTPSeeOther(f"/notices/{delivery.notify_id}")

    # --- faults --------------------------------------------------------------------------------------------------

    async def faults(self, request: web.Request, error: str = "") -> web.StreamResponse:
        faults = self._site.alipay.faults
        groups = [
            (title, [(each, _MEANING[each], faults.settings.get(each, Setting()), faults.struck.get(each, 0)) for each in kinds])
            for title, kinds in _AT.items()
        ]  # fmt: skip
        ahead = int(self._site.ahead.total_seconds())
        return page(
            request, "faults", groups=groups, error=error, ahead=ahead, now=self._site.now(), seed=faults.seed
        )  # fmt: skip

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        """One fault from its row of the page, or all off."""
        values = await values_of(request)
        fault, amount = text_of(values, "fault"), text_of(values, "amount")
        wished = {name: values[name] for name in ("method", "seconds", "clear", "seed") if values.get(name)}
        try:
            set_faults(self._site.alipay.faults, {**wished, **({fault: amount} if fault else {})})
        except NotUnderstood as not_understood:
            return await self.faults(request, str(not_understood))
        self._site.post.wake()
        raise web.HTTPSeeOther(f"/faults#{fault}")

    async def set_clock(self, request: web.Request) -> web.StreamResponse:
        try:
            self._site.ahead = timedelta(seconds=float(text_of(await values_of(request), "ahead_s") or 0))
            self._site.alipay.tick(self._site.now())
        except (ValueError, OverflowError):
            self._site.ahead = timedelta()
            return await self.faults(request, "ahead_s: a number of seconds")
        self._site.happened()
        raise web.HTTPSeeOther("/faults#clock")

    # --- bills ---------------------------------------------------------------------------------------------------

    async def bills(self, request: web.Request, error: str = "") -> web.StreamResponse:
        """The days on which money moved, with each of their bills and what is planned for it."""
        bills = self._site.alipay.bills
        planned = {bill_date for _, bill_date in bills.plans}
        rows = [
            (day, bill_type, len(bills.shown(bill_type, day)[0]), bills.plans.get((bill_type, day), Plan()))
            for day in sorted({*bills.days(), *planned}, reverse=True)
            for bill_type in TYPES
        ]
        return page(request, "bills", rows=rows[:SHOWN], error=error, cuts=CUTS, encodings=ENCODINGS)

    async def set_bill(self, request: web.Request) -> web.StreamResponse:
        values = await values_of(request)
        key = (text_of(values, "bill_type"), text_of(values, "bill_date"))
        try:
            period_of(key[1])
            plan = plan_of({"missing": "", "empty": "", **values}, Plan())
        except (NotUnderstood, Refused) as problem:
            return await self.bills(request, str(problem))
        if key[0] in TYPES:
            self._site.alipay.bills.plans[key] = plan
        raise web.HTTPSeeOther("/bills")

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A bill for people, whether its day is over or not."""
        bill_type, bill_date = request.match_info["bill_type"], request.match_info["bill_date"]
        try:
            bill = self._site.alipay.bills.bill(bill_type, bill_date, self._site.now())
        except Refused:
            raise web.HTTPNotFound from None
        headers = {"Content-Disposition": f'attachment; filename="{bill.name}"'}
        return web.Response(body=bill.packed(), content_type="application/zip", headers=headers)
