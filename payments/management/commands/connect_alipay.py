"""Connect the shop to an Alipay application."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.errors import BadKey
from payments.services.connect_account import Connection, connect_account

GATEWAYS = {
    "production": "https://openapi.alipay.com/gateway.do",
    "sandbox": "https://openapi-sandbox.dl.alipaydev.com/gateway.do",
}


class Command(BaseCommand):
    help = (
        "Connect an Alipay application: its numbers, gateway and keys. Run it again to change them or to rotate a key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--gateway", required=True, help=f"{' or '.join(GATEWAYS)}, or an address")
        parser.add_argument("--name", required=True, help="the merchant's name, as buyers see it at Alipay")
        parser.add_argument("--folder", type=Path, help="take numbers and keys from a pretend Alipay's folder")
        parser.add_argument("--app-id", default="", help="APPID, usually 16 digits")
        parser.add_argument("--seller-id", default="", help="PID, 16 digits starting 2088")
        parser.add_argument("--app-private-key", type=Path, help="file with the application's private key")
        parser.add_argument("--alipay-public-key", type=Path, help="file with Alipay's public key")

    def handle(self, *_: Any, **options: Any) -> None:
        folder: Path | None = options["folder"]
        try:
            account = connect_account(
                Connection(
                    app_id=options["app_id"] or _read(folder, "app_id", "--app-id"),
                    seller_id=options["seller_id"] or _read(folder, "seller_id", "--seller-id"),
                    name=options["name"],
                    gateway_url=GATEWAYS.get(options["gateway"], options["gateway"]),
                    app_private_key=_read_file(
                        options["app_private_key"], folder, "app_private_key.pem", "--app-private-key"
                    ),
                    alipay_public_key=_read_file(
                        options["alipay_public_key"], folder, "alipay_public_key.pem", "--alipay-public-key"
                    ),
                ),
                actor="command",
            )
        except BadKey as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"connected: {account}, {account.gateway_url}")


def _read_file(given: Path | None, folder: Path | None, name: str, option: str) -> str:
    if given is None:
        return _read(folder, name, option)
    return _read(given.parent, given.name, option)


def _read(folder: Path | None, name: str, option: str) -> str:
    if folder is None:
        raise CommandError(f"{option} is missing")
    try:
        return (folder / name).read_text().strip()
    except OSError as error:
        raise CommandError(f"{option}: {folder / name} can't be read: {error.strerror}") from None
