"""Refund a payment from the command line, by the word of two people."""

import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from payments.errors import InvalidAmount, RefundRefused
from payments.models import Order, Refund, Transaction
from payments.money import Money
from payments.queries.refundable import SHIPPING, refundable
from payments.services.refund import approve_refund, lock, request_refund


class Command(BaseCommand):
    help = (
        "Ask for a refund. With --approved-by, another person's name, it goes to Alipay; without, it waits for approval"
        " on the staff pages. The worker sends it, and only Alipay's word makes it succeeded."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="order number, out_trade_no or Alipay's trade_no")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--amount", help="yuan with at most two decimals, such as 30.00")
        what.add_argument("--lines", help="pieces by line of the order: 1:2,3:1 is two of line 1 and one of line 3")
        parser.add_argument("--with-shipping", action="store_true", help="with --lines: give the delivery back as well")
        parser.add_argument("--reason", default="", help="why; the buyer may see it at Alipay")
        parser.add_argument("--requested-by", default=getpass.getuser(), help="who asks (default: %(default)s)")
        parser.add_argument("--approved-by", default="", help="who else has agreed")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        attempt = _paid(options["number"])
        try:
            with transaction.atomic():
                refund = _requested(attempt, options)
                if options["approved_by"]:
                    approve_refund(refund, approver=f"command:{options['approved_by']}")
        except RefundRefused as refusal:
            raise CommandError(str(refusal)) from None
        refund.refresh_from_db()
        attempt.refresh_from_db()
        left = Money(attempt.amount_fen - attempt.refunded_fen - attempt.reserved_fen)
        if options["json"]:
            self.stdout.write(json.dumps(_facts(refund, left), ensure_ascii=False))
            return
        self.stdout.write(f"refund {refund.out_request_no} of {refund.amount}: {refund.get_state_display()}")
        self.stdout.write(f"still refundable: {left}")


def _requested(attempt: Transaction, options: dict[str, Any]) -> Refund:
    lock(attempt)
    lines = _worth(attempt, options) if options["lines"] else None
    try:
        amount = Money(sum(lines.values())) if lines else Money.from_yuan(options["amount"])
    except InvalidAmount:
        raise CommandError(f"--amount {options['amount']!r} is no amount: write yuan as 30.00") from None
    return request_refund(
        attempt, amount, requester=f"command:{options['requested_by']}", origin=Refund.Origin.STAFF,
        reason=options["reason"], lines=lines,
    )  # fmt: skip


def _worth(attempt: Transaction, options: dict[str, Any]) -> dict[str, int]:
    """Fen by line for the wanted pieces."""
    part = refundable(attempt.order) if attempt.order is not None and attempt.order.paid_by_id == attempt.pk else None
    if part is None:
        raise RefundRefused("this payment pays no order, so it has no lines")
    wanted = _pieces(options["lines"]) | ({SHIPPING: 1} if options["with_shipping"] else {})
    known = {line.key: line for line in part.lines}
    for key, count in wanted.items():
        if key not in known or not 1 <= count <= known[key].quantity or not known[key].worth(count).fen:
            raise RefundRefused(
                f"line {key}: {count} of it can't be refunded; it has no such line, or not that much left"
            )
    return {key: known[key].worth(count).fen for key, count in wanted.items()}


def _paid(number: str) -> Transaction:
    """The payment meant: what paid an order, or the one with this number at Alipay."""
    order = Order.objects.filter(number=number).select_related("paid_by").first()
    paid_by: Transaction | None = order.paid_by if order else None
    if paid_by is not None:
        return paid_by
    if order is not None:
        raise CommandError(f"order {number} is {order.state}: name the payment by its out_trade_no or trade_no")
    found = (
        Transaction.objects.filter(trade_no=number).first() or Transaction.objects.filter(out_trade_no=number).first()
    )
    if found is None:
        raise CommandError(f"no order and no payment has the number {number}")
    return found


def _pieces(text: str) -> dict[str, int]:
    pieces = {}
    for part in text.split(","):
        line, _, count = part.partition(":")
        if not (line.isdecimal() and count.isdecimal()) or line in pieces:
            raise CommandError(f"--lines {text!r}: write 1:2,3:1 for two of line 1 and one of line 3")
        pieces[line] = int(count)
    return pieces


def _facts(refund: Refund, left: Money) -> dict[str, Any]:
    attempt = refund.transaction
    return {
        "out_request_no": refund.out_request_no,
        "out_trade_no": attempt.out_trade_no,
        "order_number": attempt.order.number if attempt.order else None,
        "amount": refund.amount.to_yuan(),
        "state": refund.state,
        "lines_fen": refund.lines,
        "refundable": left.to_yuan(),
    }
