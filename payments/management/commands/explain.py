"""Say why an order, or a payment of no order, is in its state."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.money import Money
from payments.queries.explain import explain


class Command(BaseCommand):
    help = (
        "Explain an order, or a payment of no order: its attempts, ledger, messages, cases, "
        "and what happened when, through which door."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", help="order number, out_trade_no or Alipay's trade_no")
        parser.add_argument("--json", action="store_true", help="print one JSON object, amounts in fen")

    def handle(self, *_: Any, **options: Any) -> None:
        found = explain(options["number"])
        if found is None:
            raise CommandError(f"no order and no payment has the number {options['number']}")
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False))
            return
        for line in _heading(found):
            self.stdout.write(line)
        for step in found["story"]:
            self.stdout.write(
                f"  {step['at'][:19]}  {step['about']:12} {step['action']:16} by {step['who']} {step['cause']}"
            )
        for case in found["open_cases"]:
            self.stdout.write(f"  open case: {case['kind']}, due {case['due_at'][:19]}")


def _heading(found: dict[str, Any]) -> list[str]:
    order = found["order"]
    if order is not None:
        return [f"order {order['number']}: {order['state']}, {Money(order['paid_fen'])} of {Money(order['total_fen'])}"]
    return [
        f"payment of no order, trade {each['trade_no']}, number {each['out_trade_no']}: {Money(each['amount_fen'])}"
        for each in found["transactions"]
    ]
