"""What records say in their own words, said for staff."""

from collections.abc import Mapping

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from payments.queries.bill_reasons import ending_words, reason_words
from payments.queries.people import said
from payments.queries.record_words import (
    CASE_ACTIONS,
    CASE_NOTES,
    EVIDENCE,
    FACTS,
    FIELDS,
    action_words,
    bill_action_words,
    subject_words,
)

register = template.Library()
for words in (action_words, bill_action_words, subject_words, reason_words, ending_words):
    register.filter(words.__name__, words)
PAGES = {
    "call": "payments_gatewaycall", "transaction": "payments_transaction", "refund": "payments_refund",
    "order": "payments_order", "books_check": "payments_bookscheck", "case": "payments_case", "question": "checkout_question",
    "follow_up": "payments_outboxmessage", "billday": "payments_billday",
    "webhook": "payments_webhookendpoint", "webhook_delivery": "payments_webhookdelivery",
}  # fmt: skip


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
        return str(EVIDENCE.get(evidence, evidence))
    try:
        address = reverse(f"admin:{PAGES[kind]}_change", args=[key])
    except NoReverseMatch:
        return evidence
    return format_html('<a href="{}">{}</a>', address, key[:8] if kind == "call" else subject_words(evidence))


@register.filter
def case_action_words(action: str) -> object:
    return CASE_ACTIONS.get(action, action)


@register.filter
def case_note_words(note: str) -> object:
    """What was said; a record as a link; the outcome of a question in words."""
    return CASE_NOTES.get(note) or evidence_link(ending_words(note))


@register.filter
def field_words(field: str) -> object:
    """A field that differs."""
    return FIELDS.get(field, field)


@register.filter
def explanation_words(explanation: str) -> object:
    """Why a difference is none: another day has it."""
    return _("booked on the neighbouring day") if explanation == "day" else _("found in another day's bill")


@register.filter
def cause_words(cause: str) -> str:
    """What led to a step of a bill day; the hash of a result says nothing to people."""
    kind, _colon, value = cause.partition(":")
    if kind == "lines" and value.isdecimal():
        return ngettext("{n} line", "{n} lines", int(value)).format(n=value)
    return "" if kind == "result" else str(evidence_link(cause))


@register.filter
def fact_words(name: str) -> object:
    return FACTS.get(name, name)
