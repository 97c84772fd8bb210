"""Ask for a payment without a shop: makes an order and the attempt to pay it."""

import json
import secrets
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from payments.errors import BadKey, InvalidAmount, OrderRefused
from payments.models import Transaction
from payments.models.clock import database_now
from payments.money import Money
from payments.services.attempt_requests import pay_address
from payments.services.place_order import Line, place_order
from payments.services.start_payment import start_payment


class Command(BaseCommand):
    help = "Make an order over one amount and start a payment for it. Prints where to pay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--amount", required=True, help="yuan with at most two decimals, such as 88.80")
        parser.add_argument("--subject", required=True, help="what it is for, as the buyer sees it")
        parser.add_argument(
            "--scene",
            choices=[each.value for each in Transaction.BY_BUYER],
            default=Transaction.Scene.QR,
            help="way to pay",
        )
        parser.add_argument("--email", default="", help="where the receipt goes")
        parser.add_argument(
            "--language", choices=[code for code, _ in settings.LANGUAGES], default=settings.LANGUAGE_CODE
        )
        parser.add_argument("--minutes", type=float, help="how long the order is kept (default: the setting, 15)")
        parser.add_argument("--key", default="", help="idempotency key: the same key gives the same order")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            amount = Money.from_yuan(options["amount"])
        except InvalidAmount:
            raise CommandError(f"--amount {options['amount']!r} is no amount: write yuan as 88.80") from None
        if not amount.fen:
            raise CommandError("--amount 0: an order of nothing needs no payment")
        try:
            order = place_order(
                lines=[Line(options["subject"], amount)], title=options["subject"], language=options["language"],
                caller="command", now=database_now(), key=options["key"] or secrets.token_hex(16), contact_email=options["email"],
                life=timedelta(minutes=options["minutes"]) if options["minutes"] else None,
            )  # fmt: skip
            attempt = start_payment(order, scene=Transaction.Scene(options["scene"]), actor="command")
        except (OrderRefused, BadKey) as refusal:
            raise CommandError(str(refusal)) from None
        page = settings.SITE_URL + reverse("payments:pay", args=[order.token])
        is_page = attempt.scene in (Transaction.Scene.PAGE, Transaction.Scene.WAP)
        facts = {
            "order_number": order.number,
            "out_trade_no": attempt.out_trade_no,
            "amount": order.total.to_yuan(),
            "scene": attempt.scene,
            "state": attempt.state,
            "expires_at": order.expires_at.isoformat(),
            "pay_url": pay_address(attempt) if is_page else page,
            "page_url": page,
            "qr_code": attempt.qr_code,
        }
        if options["json"]:
            self.stdout.write(json.dumps(facts, ensure_ascii=False))
            return
        self.stdout.write(f"order {order.number}, {order.total}, {attempt.get_state_display()}")
        self.stdout.write(f"page      {page}")
        if is_page:
            self.stdout.write(f"at Alipay {facts['pay_url']}")
        elif attempt.qr_code:
            self.stdout.write(f"QR code   {attempt.qr_code}")
        else:
            self.stdout.write("QR code   not there yet: Alipay gave no certain answer; the page shows it when it comes")
