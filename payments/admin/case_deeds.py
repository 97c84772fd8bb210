"""The deeds on one case: what each reads, does and says; who may do it, and when it makes sense."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from payments.admin.case_forms import NoteForm, OwnerForm, RefundPartForm
from payments.errors import BillGap, CaseRefused, MoneyLeft, RefundableMoved, RefundRefused, SamePerson
from payments.models import Case, User
from payments.money import Money
from payments.queries.case_story import CaseStory, story
from payments.services import case_acts, work_cases
from payments.services.case_acts import Asked

Said = str
WORK, WRITE_OFF = "work_case", "write_off_case"
ANSWERS = {
    Asked.ANSWERED: _("Alipay was asked. What it said stands in the payment's state."),
    Asked.CONFIRMED: _("Alipay was asked: it has it just as it is booked here."),
    Asked.ABSENT: _("Alipay was asked: it knows of no such thing."),
    Asked.DIFFERS: _("Alipay was asked: it says something else than our books; that is a case of its own now."),
    Asked.UNSURE: _("Alipay was asked and gave no certain answer. Please try again later."),
    Asked.SOON: _("Alipay is asked within seconds; what it says stands in the refund's state then."),
    Asked.LATELY: _("Alipay was asked a moment ago; please wait a few seconds."),
    Asked.NOTHING: _("Nothing about it is undecided at Alipay."),
}


class Unclear(Exception):
    """A form that makes no sense: shown again with what is wrong beside the field."""

    def __init__(self, form: forms.Form) -> None:
        super().__init__()
        self.form = form


def _read(form: forms.Form) -> dict[str, Any]:
    if not form.is_valid():
        raise Unclear(form)
    return form.cleaned_data


def _take(request: HttpRequest, case: Case) -> Said:
    work_cases.assign([case], person(request), person=person(request))
    return gettext("It is yours now.")


def _release(request: HttpRequest, case: Case) -> Said:
    work_cases.assign([case], None, person=person(request))
    return gettext("It is back in the queue.")


def _hand_over(request: HttpRequest, case: Case) -> Said:
    owner = _read(OwnerForm(request.POST))["owner"]
    work_cases.assign([case], owner, person=person(request))
    return gettext("It is with {name} now.").format(name=owner)


def _note(request: HttpRequest, case: Case) -> Said:
    work_cases.note(case, _read(NoteForm(request.POST))["text"], person=person(request))
    return gettext("Noted.")


def _resolve(request: HttpRequest, case: Case) -> Said:
    work_cases.resolve(case, _read(NoteForm(request.POST))["text"], person=person(request))
    return gettext("Resolved.")


def _ask(request: HttpRequest, case: Case) -> Said:
    return str(ANSWERS[case_acts.ask(case, person=person(request))])


def _book(request: HttpRequest, case: Case) -> Said:
    case_acts.book(case, person=person(request))
    return gettext("Booked: the money pays its order now.")


def _refund(request: HttpRequest, case: Case) -> Said:
    values = _read(RefundPartForm(story(case).refundable, request.POST))
    asked = case_acts.refund(
        case, values["amount"], person=person(request), why=values["text"], seen=Money(values["seen_fen"])
    )
    if asked.approver:
        return gettext("The refund of %(amount)s is on its way to Alipay.") % {"amount": asked.amount}
    return gettext("The refund of %(amount)s is asked for. A colleague must approve it.") % {"amount": asked.amount}


def _ask_write_off(request: HttpRequest, case: Case) -> Said:
    work_cases.ask_write_off(case, _read(NoteForm(request.POST))["text"], person=person(request))
    return gettext("Asked for. A colleague must approve it.")


def _refuse_write_off(request: HttpRequest, case: Case) -> Said:
    work_cases.refuse_write_off(case, _read(NoteForm(request.POST))["text"], person=person(request))
    return gettext("It is not written off; the case goes on.")


def _write_off(request: HttpRequest, case: Case) -> Said:
    fen = work_cases.write_off(case, person=person(request), session=request.session)
    return gettext("Written off: {amount}.").format(amount=Money(fen))


DEEDS: dict[str, Callable[[HttpRequest, Case], Said]] = {
    "take": _take, "release": _release, "assign": _hand_over, "note": _note, "resolve": _resolve, "ask": _ask, "book": _book,
    "refund": _refund, "ask-write-off": _ask_write_off, "refuse-write-off": _refuse_write_off, "write-off": _write_off,
}  # fmt: skip
RIGHTS = {
    "ask": "ask_alipay", "book": "record_payment", "refund": "request_refund", "write-off": WRITE_OFF,
    "refuse-write-off": WRITE_OFF,
}  # fmt: skip


def may(request: HttpRequest, case: Case, what: str) -> bool:
    """Whether this person has the right to it; a wish to write off can also be taken back by who had it."""
    own_wish = what == "refuse-write-off" and case.write_off_requester_id == request.user.pk
    return own_wish or request.user.has_perm(f"payments.{RIGHTS.get(what, WORK)}")


def offered(request: HttpRequest, case: Case, what: str, seen: CaseStory) -> bool:
    """Whether the page shows the button: the right is there, and it would do something."""
    is_open, asked = case.state in Case.UNENDED, case.write_off_requester_id is not None
    sense = {
        "take": is_open and case.owner_id != request.user.pk, "release": is_open and case.owner_id is not None,
        "assign": is_open, "note": True, "resolve": is_open and not seen.to_write_off.fen,
        "ask": is_open and (seen.can_be_asked or (bool(case.facts.get("out_request_no")) and seen.attempt is not None)),
        "book": is_open and seen.can_pay_its_order, "refund": is_open and bool(seen.refundable.fen),
        "ask-write-off": is_open and not asked, "refuse-write-off": is_open and asked,
        "write-off": is_open and asked and case.write_off_requester_id != request.user.pk,
    }  # fmt: skip
    return sense[what] and may(request, case, what)


def why_not(refused: Exception) -> str:
    match refused:
        case MoneyLeft(fen=fen):
            return gettext(
                "{amount} of it belongs to nobody yet: refund it, book it or have it written off; then resolve the case."
            ).format(amount=Money(fen))
        case BillGap(fen=fen):
            return gettext(
                "The bill differs from our books by {amount}: have it booked or written off; a note alone ends nothing."
            ).format(amount=Money(abs(fen)))
        case RefundableMoved(now_fen=fen):
            return gettext("Somebody refunded meanwhile: now {amount} is refundable. Nothing was done.").format(
                amount=Money(fen)
            )
        case SamePerson():
            return gettext("Who asks for a write-off can't approve it: another colleague must.")
        case RefundRefused():
            return gettext("Nothing was refunded: it is more than is left, or Alipay takes no more refunds of it.")
        case CaseRefused():
            return gettext(
                "Nothing was changed: it is decided already, or the money is on its way elsewhere. Please look again."
            )
    return str(refused)


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the front door let nobody else in"
    return request.user
