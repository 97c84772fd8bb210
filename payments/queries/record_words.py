"""What records keep for machines, in words for people: steps, doors to them, numbers, fields, roles, and what they are about."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "placed": _("order placed"), "created": _("attempt begun"), "presented": _("shown to the buyer"),
    "scanned": _("scanned"), "paid": _("paid"), "paid_late": _("paid after closing"), "recorded": _("recorded by hand"),
    "closed": _("closed"), "closed_unused": _("closed, never used"), "superseded": _("replaced, still watched"),
    "refused": _("refused by Alipay"), "cancelled": _("cancelled"), "requested": _("refund requested"),
    "approved": _("refund approved"), "rejected": _("refund not agreed"), "lapsed": _("request lapsed"),
    "sent": _("refund sent to Alipay"), "succeeded": _("refunded"), "failed": _("refund refused by Alipay"),
    "partly_refunded": _("partly refunded"), "refunded": _("wholly refunded"), "reopened": _("open again for late money"),
    "discovered": _("found at Alipay"), "planned": _("planned"), "confirmed": _("confirmed by its total"),
    "all_asked": _("all asked for"), "approval_given": _("approved as a whole"), "all_approved": _("all approvals done"),
    "stop_asked": _("stopped"), "all_stopped": _("all that had not left was taken back"),
    "approval_ended": _("approval stopped: this person may no longer approve"), "api_client_added": _("program connected"),
    "api_client_changed": _("changed what it may do"), "api_key_made": _("key made"), "api_key_revoked": _("key revoked"),
    "order.sent": _("goods sent"), "delivered": _("goods arrived"), "extended": _("kept longer for the buyer"),
    "merchantaccount.connected": _("connected to Alipay"), "person_added": _("person added"),
    "person_confirmed": _("confirmed by a colleague"), "person_changed": _("person's account changed"),
    "passkey_added": _("passkey added"), "passkey_removed": _("passkey removed"),
    "recovery_code_used": _("recovery code used"), "second_factor_enrolled": _("second factor set up"),
    "second_factor_reset": _("second factor was reset"), "kept": _("kept as it came"), "read": _("read"),
    "empty": _("empty, says Alipay"), "webhook_added": _("webhook added"), "webhook_changed": _("webhook changed"),
    "webhook_gone": _("stopped: its address is gone"), "webhook_secret_rotated": _("new secret made"),
    "webhook_sent_again": _("sent again by hand"), "at_bank": _("at the buyer's bank"),
    "bank_returned_it": _("sent back by the buyer's bank"), "named": _("known by another number too"),
    "receipt_corrected": _("what was received, corrected to the bill"),
}  # fmt: skip
CASE_ACTIONS = {
    "assigned": _("now with"), "released": _("back in the queue"), "noted": _("noted"), "resolved": _("resolved"),
    "write_off_asked": _("asked to write it off"), "write_off_refused": _("write-off not agreed"),
    "written_off": _("written off"), "escalated": _("overdue: said aloud"),
    "write_off_taken_back": _("found after all: what was written off is booked again"), "asked_alipay": _("Alipay asked"),
    "booked": _("booked to its order"), "refund_asked": _("refund asked for"), "asked": _("the buyer asks"),
}  # fmt: skip
CASE_NOTES = {
    "answered": _("it answered"), "soon": _("within seconds"), "lately": _("it was asked a moment before"),
    "nothing": _("nothing is undecided"), "confirmed": _("it has it as we have it"), "absent": _("it knows of no such thing"),
    "differs": _("it says something else"), "unsure": _("it gave no certain answer"),
}  # fmt: skip
EVIDENCE = {  # what stands there in words, as records keep it
    "not decided in time": _("nobody decided in time"),
    "its bulk refund was stopped": _("its bulk refund was stopped"),
}
SUBJECTS = {
    "transaction": _("payment"), "order": _("order"), "refund": _("refund"), "billday": _("bill day"),
    "call": _("call to Alipay"), "follow_up": _("follow-up"), "webhook_delivery": _("webhook delivery"),
    "question": _("question"), "number": _("payment number"), "books_check": _("check of the books"),
    "invariant": _("rule of the books"), "case": _("case"), "user": _("person"), "apiclient": _("program"),
    "webhookendpoint": _("webhook"), "webhookdelivery": _("webhook delivery"), "refundbatch": _("bulk refund"),
    "billfile": _("bill file"), "merchantaccount": _("account at Alipay"), "pay": _("charging a code"),
    "precreate": _("asking for a QR code"), "refunds": _("refunds"), "cancel": _("cancelling a charge"),
}  # fmt: skip
PURPOSES = {
    "precreate": _("ask for a QR code"), "create": _("ask for a trade of a buyer's"), "pay": _("charge a code"),
    "query": _("ask about a payment"),
    "close": _("close a payment"), "cancel": _("cancel a charge"), "refund": _("refund"),
    "refund_query": _("ask about a refund"), "bill": _("fetch a bill"),
}  # fmt: skip
FACTS = {
    "line_no": _("line of the bill"), "out_trade_no": _("payment number"), "trade_no": _("Alipay's trade number"),
    "out_request_no": _("refund number"), "number": _("number"), "app_id": _("application at Alipay"),
    "seller_id": _("seller at Alipay"), "code": _("Alipay's code"), "reason": _("reason"), "why": _("why"),
    "late": _("paid late"), "gateway": _("gateway's address"), "address": _("address"), "whose": _("whose"),
    "left": _("days left"), "ends": _("ends"), "topic": _("what is to be done"), "day": _("day"), "bill": _("bill"),
    "kind": _("kind"), "state": _("state"), "count": _("how many"), "last": _("last error"), "seconds": _("seconds"),
    "trade_status": _("Alipay's state"), "question": _("question"), "ids": _("records"), "refused": _("refused"),
    "in_doubt": _("in doubt"), "what": _("what"), "method": _("method"),
}  # fmt: skip
FIELDS = {
    "out_trade_no": _("payment number"), "trade_no": _("Alipay's trade number"), "out_request_no": _("refund number"),
    "app_id": _("application at Alipay"), "seller_id": _("seller at Alipay"), "amount": _("amount (yuan)"),
    "receipt": _("received (yuan)"), "fee": _("fee (yuan)"), "flow": _("moved (yuan)"), "balance": _("balance (yuan)"),
    "status": _("state"), "day": _("day"), "origin": _("where it comes from"), "times": _("how often"), "kind": _("kind"),
    "bill": _("bill"),
}  # fmt: skip
ROLES = {
    "viewer": _("who only looks"), "support": _("customer service"), "cashier": _("cashier"), "finance": _("finance"),
    "approver": _("who approves"), "catalogue manager": _("who keeps the goods"), "owner": _("shop owner"),
}  # fmt: skip
BILL_ACTIONS = {
    "imported": _("bills read"), "matched": _("compared"), "closed": _("closed"), "fetch_wanted": _("to be fetched now"),
    "compare_wanted": _("to be compared once more"), "compare_due": _("to be compared now"),
}  # fmt: skip

EVERY_ACTION = {action: words for action, words in (CASE_ACTIONS | BILL_ACTIONS | ACTIONS).items() if "." not in action}


def action_words(action: str, kind: str = "") -> object:
    """What was done; some words depend on the kind of record it was done to."""
    return ACTIONS.get(f"{kind}.{action}") or ACTIONS.get(action, action)


def bill_action_words(action: str) -> object:
    return BILL_ACTIONS.get(action, action)


def subject_words(subject: str) -> str:
    """What a record is about: "transaction:17" is payment 17."""
    kind, colon, key = subject.partition(":")
    return f"{SUBJECTS[kind]} {key}" if colon and kind in SUBJECTS else subject


def purpose_words(purpose: str) -> object:
    """What a call to Alipay was for."""
    return PURPOSES.get(purpose, purpose)
