"""Run the pretend Alipay."""

import random
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from aiohttp import web
from django.core.management.base import BaseCommand

from payments.sandbox.alipay import FEE_RATE, Alipay
from payments.sandbox.book import Book
from payments.sandbox.identity import identity_in
from payments.sandbox.web import Site


class Command(BaseCommand):
    help = (
        "Run a pretend Alipay: gateway, cashier, wallet, signed notices, bills, and faults on order. "
        "No money moves. Needs no database. docs/pretend-alipay.md says how to point an integration at it."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, required=True, help="port to listen on")
        parser.add_argument(
            "--data", type=Path, required=True, help="folder for keys and book; made at the first start"
        )
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--address", help="how browsers and phones reach it (default: http://HOST:PORT)")
        parser.add_argument(
            "--mode", choices=("key", "certificate"), default="key", help="how both sides prove who they are"
        )
        parser.add_argument(
            "--seed", type=int, help="the same seed makes the same numbers and the same faults (default: none)"
        )
        parser.add_argument(
            "--notify-timescale", type=float, default=1.0, help="1 is Alipay's timetable, 0.01 a hundredth of it"
        )
        parser.add_argument(
            "--rate",
            type=_rate,
            default=FEE_RATE,
            help="Alipay's fee, as 0.006 or 0.6%% of each payment (default: 0.006)",
        )
        parser.add_argument(
            "--order", choices=("first", "alphabetical", "mixed"), default="first",
            help="order of an answer's fields: code and msg first, all alphabetical, or either by chance",
        )  # fmt: skip
        parser.add_argument(
            "--app-gateway", default="", help="address for messages to the application, on refunds to bank cards"
        )
        parser.add_argument(
            "--least-life", type=float, default=60.0, help="shortest time_expire taken, in seconds (default: 60)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        folder: Path = options["data"]
        chance = random.Random(options["seed"])  # noqa: S311  # numbers that look real; the keys have their own source
        alipay = Alipay(
            identity_in(folder, chance, certificate_mode=options["mode"] == "certificate"),
            Book(folder / "book.jsonl"),
            chance=chance,
            address=options["address"] or f"http://{options['host']}:{options['port']}",
            least_life=timedelta(seconds=options["least_life"]),
            seed=options["seed"],
            order=options["order"],
            fee_rate=options["rate"],
            app_gateway=options["app_gateway"],
        )
        self.stdout.write(
            f"pretend Alipay for {alipay.identity.app_id} in {options['mode']} mode "
            f"on port {options['port']}, data in {folder}"
        )
        site = Site(alipay, timescale=options["notify_timescale"])
        web.run_app(site.application(), host=options["host"], port=options["port"], print=None, access_log=None)


def _rate(text: str) -> Decimal:
    """A part of one: "0.006" or "0.6%"."""
    try:
        rate = Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except InvalidOperation:
        rate = Decimal(-1)
    if not 0 <= rate < 1:
        raise ArgumentTypeError(f"{text}: a fee is a part of the payment, such as 0.006 or 0.6%")
    return rate
