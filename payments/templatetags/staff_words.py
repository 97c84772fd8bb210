"""What records say in their own words, said for staff."""

from collections.abc import Mapping

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from payments.queries.people import said

register = template.Library()
ACTIONS = {
    "placed": _("placed"), "created": _("attempt begun"), "presented": _("shown to the buyer"), "scanned": _("scanned"),
    "paid": _("paid"), "paid_late": _("paid after closing"), "recorded": _("recorded by hand"), "closed": _("closed"),
    "closed_unused": _("closed, never used"), "superseded": _("replaced, still watched"), "refused": _("refused by Alipay"),
    "cancelled": _("cancelled"), "requested": _("refund requested"), "approved": _("refund approved"),
    "rejected": _("refund not agreed"), "lapsed": _("request lapsed"), "sent": _("refund sent to Alipay"),
    "succeeded": _("refunded"), "failed": _("refund refused by Alipay"), "partly_refunded": _("partly refunded"),
    "refunded": _("wholly refunded"), "reopened": _("open again for late money"), "discovered": _("found at Alipay"),
    "planned": _("planned"), "confirmed": _("confirmed by its total"), "all_asked": _("all asked for"),
    "approval_given": _("approved as a whole"), "all_approved": _("all approvals done"),
    "approval_ended": _("approval stopped: this person may no longer approve"),
    "api_client_added": _("connected"), "api_client_changed": _("changed what it may do"),
    "api_key_made": _("key made"), "api_key_revoked": _("key revoked"),
    "at_bank": _("at the buyer's bank"), "bank_returned_it": _("sent back by the buyer's bank"),
}  # fmt: skip
CASE_ACTIONS = {
    "assigned": _("now with"), "released": _("back in the queue"), "noted": _("noted"), "resolved": _("resolved"),
    "write_off_asked": _("asked to write it off"), "write_off_refused": _("write-off not agreed"),
    "written_off": _("written off"), "escalated": _("overdue: said aloud"), "asked_alipay": _("Alipay asked"),
    "booked": _("booked to its order"), "refund_asked": _("refund asked for"), "asked": _("the buyer asks"),
}  # fmt: skip
CASE_NOTES = {
    "answered": _("it answered"), "soon": _("within seconds"), "lately": _("it was asked a moment before"),
    "nothing": _("nothing is undecided"),
}  # fmt: skip
FIELDS = {
    "amount": _("amount (yuan)"), "receipt": _("received (yuan)"), "fee": _("fee (yuan)"), "flow": _("moved (yuan)"),
    "balance": _("balance (yuan)"), "status": _("state"), "day": _("day"), "origin": _("where it comes from"),
    "times": _("how often"), "kind": _("kind"), "bill": _("bill"),
}  # fmt: skip
BILL_ACTIONS = {
    "imported": _("bills read"), "matched": _("compared"), "closed": _("closed"), "fetch_wanted": _("to be fetched now"),
    "compare_wanted": _("to be compared once more"), "compare_due": _("to be compared now"),
}  # fmt: skip
PAGES = {
    "call": "payments_gatewaycall", "transaction": "payments_transaction", "refund": "payments_refund",
    "order": "payments_order", "books_check": "payments_bookscheck", "case": "payments_case", "question": "checkout_question",
    "follow_up": "payments_outboxmessage", "billday": "payments_billday",
    "webhook": "payments_webhookendpoint", "webhook_delivery": "payments_webhookdelivery",
}  # fmt: skip


@register.filter
def action_words(action: str) -> object:
    return ACTIONS.get(action, action)


@register.filter
def door_words(actor: str, people: Mapping[str, str] | None = None) -> object:
    """A door in words; a member of staff by name, where `people` (payments.queries.people.names) knows it."""
    return said(actor, people or {})


@register.filter
def evidence_link(evidence: str) -> SafeString | str:
    """The record that shows it: a notice as it came, a call with its answer, a record of ours."""
    kind, _separator, key = evidence.partition(":")
    if kind == "notice":
        return format_html(
            '<a href="{}?q={}">{}</a>', reverse("admin:payments_inboundmessage_changelist"), key, key[:8]
        )
    if kind not in PAGES:
        return evidence
    try:
        address = reverse(f"admin:{PAGES[kind]}_change", args=[key])
    except NoReverseMatch:
        return evidence
    return format_html('<a href="{}">{}</a>', address, key[:8] if kind == "call" else evidence)


@register.filter
def case_action_words(action: str) -> object:
    return CASE_ACTIONS.get(action, action)


@register.filter
def case_note_words(note: str) -> object:
    """What was said; a record as a link; the outcome of a question in words."""
    return CASE_NOTES.get(note) or evidence_link(note)


@register.filter
def field_words(field: str) -> object:
    """A field that differs; numbers of Alipay keep Alipay's own names."""
    return FIELDS.get(field, field)


@register.filter
def explanation_words(explanation: str) -> object:
    """Why a difference is none: another day has it."""
    return _("booked on the neighbouring day") if explanation == "day" else _("found in another day's bill")


@register.filter
def bill_action_words(action: str) -> object:
    return BILL_ACTIONS.get(action, action)
