"""What each kind of case means in plain words, what helps, and in which field the two sides differ."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from payments.models import Case, Transaction
from payments.money import Money
from payments.queries import record_words
from payments.queries.bill_reasons import reason_words
from payments.queries.case_story import CaseStory

Kind = Case.Kind
Words = tuple[Any, Any]  # what happened, what to do about it

WORDS: dict[str, Words] = {
    Kind.SURPLUS: (
        _("Money arrived that pays no order: late, or a second time. It was not given back by itself."),
        _("Book it, where it came late and the goods can still be sent; else refund it."),
    ),
    Kind.UNKNOWN_NUMBER: (
        _("Alipay reports a payment under a number we never made."),
        _("Find out who paid: the trade number leads to it in Alipay's console. Refund what is not ours."),
    ),
    Kind.OTHER_APP: (
        _("A genuine message names another application than the one this payment was made with."),
        _("Check in Alipay's console which application uses this shop's notify address."),
    ),
    Kind.OTHER_SELLER: (
        _("A genuine message says that the money went to another seller."),
        _("Ask Alipay, then compare the seller's number with the shop's contract. Don't send goods before."),
    ),
    Kind.OTHER_AMOUNT: (
        _("Alipay names another amount than the one we asked for. Nothing was booked."),
        _("Ask Alipay now. If its answer names the same other amount, refund there and let the buyer pay anew."),
    ),
    Kind.OTHER_TRADE: (
        _("Alipay names a second trade for a payment that has one already."),
        _("Ask Alipay about both; refund the one that pays nothing in Alipay's console."),
    ),
    Kind.UNREADABLE: (
        _("Alipay signed a message that we can't read."),
        _("Look at the message; ask Alipay about the payment. The shop's software may need an update."),
    ),
    Kind.CLOSED_AFTER_PAID: (
        _("Alipay calls a trade closed that was paid, and we know of no refund for all of it."),
        _("Ask Alipay now; look for a refund in Alipay's console."),
    ),
    Kind.REFUND_NOTICE: (
        _("Alipay speaks of a refund that does not fit our records."),
        _("Ask Alipay now; compare with the refunds in Alipay's console."),
    ),
    Kind.REFUND_REFUSED: (
        _("Alipay certainly refuses this refund; nothing went back."),
        _("Read Alipay's reason. Ask for a new refund, or pay the buyer another way and write down which."),
    ),
    Kind.EXTERNAL_REFUND: (
        _("Money went back that nobody asked for here, or more than our records say."),
        _("Ask who refunded in Alipay's console, and why; write it down here."),
    ),
    Kind.DEPOSIT_BACK: (
        _("The buyer's bank sent a refund back: the buyer has not got the money."),
        _("Ask the buyer for another way, pay them, and write down which."),
    ),
    Kind.REFUSED_CALL: (
        _("Alipay refuses our calls for a reason that lies with the shop's account."),
        _("Read Alipay's code; check contract, keys and rights in Alipay's console."),
    ),
    Kind.NOT_ALIPAY: (
        _("Something came that Alipay did not sign. Nothing was done because of it."),
        _("If it comes again: check the gateway's address and Alipay's public key."),
    ),
    Kind.GATEWAY_DOWN: (
        _("Alipay can't be reached. Buyers are told so; it ends by itself when Alipay answers again."),
        _("Check the server's line out, and Alipay's own notices of trouble."),
    ),
    Kind.CERTIFICATE: (
        _("A certificate runs out; after that no call and no notice can be trusted."),
        _("Get the new certificate in Alipay's console and connect the account anew."),
    ),
    Kind.STUCK: (
        _("There was no certain answer for too long. It counts as neither done nor failed."),
        _("Ask Alipay now. If it stays undecided, look for the number in Alipay's console."),
    ),
    Kind.GOODS_GONE: (
        _("An order is paid, but its goods are gone."),
        _("Get the goods and send them, or refund the order."),
    ),
    Kind.BOOKS: (
        _("Two of our records contradict each other. Nothing was changed by that finding."),
        _("Look at the records named below and at their history; keep them as they are until somebody understands it."),
    ),
    Kind.BUYER_ASKS: (
        _("The buyer asks for help with an order."),
        _("Read the question, answer it, and write down what was agreed."),
    ),
    Kind.WEBHOOK_DEAD: (
        _("A system of yours takes nothing of what we tell it, for three days now."),
        _("Mend it or its address, then send again what was given up: the list of deliveries does it."),
    ),
    "bill_missing": (
        _("Alipay has given no bill for a day, long after it should be there. Missing is not the same as empty."),
        _("Try once more on the day's page; or take the bill from Alipay's console and upload it there."),
    ),
    "bill_refused": (
        _("A bill came that is not one whole bill of this shop and day. Nothing of it was read."),
        _("Read the reason and the line on the day's page; fetch or upload the bill again."),
    ),
    "bill_changed": (
        _("Alipay gave another bill for a day whose bill is read already."),
        _("Compare the two files on the day's page, and ask Alipay's support which one holds."),
    ),
    "bill_broke": (
        _("Work on a day's bills broke off in a way nobody foresaw. It is tried again every hour; nothing is lost."),
        _("Look into the server's log of that hour, and tell whoever keeps the software. It ends by itself when it works."),
    ),
    "payment_not_in_bill": (
        _("We have booked a payment that the day's bill doesn't know, nor the next day's."),
        _("Ask Alipay now. If it has no such payment, don't send the goods."),
    ),
    "refund_not_in_bill": (
        _("We have booked a refund that the day's bill doesn't know, nor the next day's."),
        _("Ask Alipay now, and look for the refund in its console."),
    ),
    "payment_not_here": (
        _("The bill has a payment that we have not booked."),
        _("Ask Alipay now: its answer books the payment. Otherwise find out who paid."),
    ),
    "refund_not_here": (
        _("The bill has a refund that we have not booked."),
        _("Ask Alipay now: its answer books the refund."),
    ),
    "unknown_refund": (
        _("The bill has a refund of a payment that we don't know."),
        _("Find the payment in Alipay's console by its trade number."),
    ),
    "outside_refund": (
        _("The bill has a refund that was made in Alipay's console. It is booked."),
        _("Ask who made it, and why; write it down here."),
    ),
    "bill_amount": (
        _("The bill names another amount for a payment than we have booked."),
        _("Ask Alipay now; compare both with the trade in Alipay's console."),
    ),
    "bill_refund_amount": (
        _("The bill names another amount for a refund than we have booked."),
        _("Compare with the refund in Alipay's console."),
    ),
    "bill_receipt": (
        _("What the shop received of a payment differs: somebody else paid a part, or kept one."),
        _("Look in Alipay's console who gave the discount."),
    ),
    "bill_number": (
        _("The bill names another number for the same trade."),
        _("Find both numbers in Alipay's console; only one of them can be ours."),
    ),
    "bill_fee": (
        _("Alipay took another fee than the agreed rate says."),
        _("Compare with the contract; ask Alipay to pay the difference back, or write it off. Where many lines of a day differ,"
          " the rate may be set wrongly in this shop."),
    ),
    "bill_duplicate": (
        _("The same payment or refund stands twice in the bill. It is booked once."),
        _("Ask Alipay's support which line holds."),
    ),
    "bill_word": (
        _("The bill has a kind of line that we don't know. It counts in the totals and is booked nowhere."),
        _("Read the line; the shop's software may need an update."),
    ),
    "bill_day": (
        _("The bill has it on another day than we have booked it."),
        _("Ask Alipay's support which day holds; nothing is missing."),
    ),
    "flow_without_trade": (
        _("Money moved on the account, and no payment or refund explains it."),
        _("Look at the movement in Alipay's console: a transfer, a charge, a correction?"),
    ),
    "trade_without_flow": (
        _("A payment or refund stands in the bill, and no money moved on the account."),
        _("Look at the trade in Alipay's console: the money may be held back."),
    ),
    "flow_amount": (
        _("Another amount moved on the account than the trade says."),
        _("Compare both in Alipay's console."),
    ),
    "flow_fee": (
        _("The account paid another fee than the bill of payments says."),
        _("Compare both lines; ask Alipay's support."),
    ),
    "flow_balance": (
        _("The account's balance doesn't follow from one line to the next: a movement is missing, or stands elsewhere."),
        _("Look at the movements around that line in Alipay's console."),
    ),
}  # fmt: skip
ROLES = {role: record_words.ROLES[role] for role in ("support", "finance", "owner")}  # those that cases go to


@dataclass(frozen=True, slots=True)
class Difference:
    """The field in which both sides differ, with what each says."""

    field: Any
    ours: Any
    theirs: Any


def what_differs(case: Case, story: CaseStory) -> Difference | None:
    """The field and both its values; None where a case is not about two sides that differ."""
    facts, attempt = case.facts, story.attempt
    if "field" in facts:
        theirs = facts.get("theirs") or "—"
        return Difference(
            facts["field"], facts.get("ours") or "—", reason_words(theirs) if facts["field"] == "bill" else theirs
        )
    if case.kind == Kind.UNKNOWN_NUMBER:
        return Difference("out_trade_no", _("no such number"), facts.get("out_trade_no", "—"))
    if attempt is None:
        return None
    return _about_payment(case, story, attempt)


def _about_payment(case: Case, story: CaseStory, attempt: Transaction) -> Difference | None:
    facts = case.facts
    at_stake = Money(case.amount_fen) if case.amount_fen is not None else "—"
    match case.kind:
        case Kind.OTHER_AMOUNT:
            return Difference(_("amount"), attempt.amount, at_stake)
        case Kind.OTHER_SELLER:
            return Difference("seller_id", attempt.seller_id, facts.get("seller_id", "—"))
        case Kind.OTHER_APP:
            return Difference("app_id", attempt.app_id, facts.get("app_id", "—"))
        case Kind.OTHER_TRADE:
            return Difference("trade_no", attempt.trade_no or "—", facts.get("trade_no", "—"))
        case Kind.CLOSED_AFTER_PAID | Kind.STUCK:
            return Difference(
                _("state"), attempt.get_state_display(), facts.get("trade_status") or _("no certain answer")
            )
        case Kind.SURPLUS if story.order is not None:
            by = story.order.paid_by.out_trade_no if story.order.paid_by else story.order.get_state_display()
            return Difference(_("what pays the order"), by, attempt.out_trade_no)
        case Kind.EXTERNAL_REFUND | Kind.REFUND_NOTICE | Kind.DEPOSIT_BACK | Kind.REFUND_REFUSED:
            return Difference(_("went back"), Money(attempt.refunded_fen), at_stake)
    return None
