"""Connect the shop to an Alipay application."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from payments.errors import BadGateway, BadKey
from payments.models import MerchantAccount
from payments.services.connect_account import PRODUCTION, SANDBOX, Connection, connect_account

GATEWAYS = {
    "production": PRODUCTION,
    "sandbox": SANDBOX,
}
# Field of Connection: its option's help, and its file in a folder, named as Alipay's download pages name them.
KEY_FILES = {
    "app_private_key": ("file with the application's private key", "app_private_key.pem"),
    "alipay_public_key": ("key mode: file with Alipay's public key", "alipay_public_key.pem"),
    "app_cert": ("certificate mode: the application's certificate", "appCertPublicKey_{app_id}.crt"),
    "alipay_cert": ("certificate mode: Alipay's certificate", "alipayCertPublicKey_RSA2.crt"),
    "alipay_root_cert": ("certificate mode: Alipay's root certificates", "alipayRootCert.crt"),
}
OF_MODE = {"key": ("alipay_public_key",), "certificate": ("app_cert", "alipay_cert", "alipay_root_cert")}


class Command(BaseCommand):
    help = (
        "Connect an Alipay application: its numbers, gateway and keys or certificates. "
        "Run it again to change them or to rotate a key: the old one stays valid beside the new one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--gateway", required=True, help=f"{' or '.join(GATEWAYS)}, or an address")
        parser.add_argument("--name", required=True, help="the merchant's name, as buyers see it at Alipay")
        parser.add_argument(
            "--mode", choices=MerchantAccount.Mode.values, default="key", help="as set at Alipay for this APPID"
        )
        parser.add_argument("--folder", type=Path, help="take numbers and keys from a pretend Alipay's folder")
        parser.add_argument("--app-id", default="", help="APPID, usually 16 digits")
        parser.add_argument("--seller-id", default="", help="PID, 16 digits starting 2088")
        for field, (words, _) in KEY_FILES.items():
            parser.add_argument(_option(field), type=Path, help=words)
        parser.add_argument("--aes-key", type=Path, help="file with the AES key: contents then travel encrypted")

    def handle(self, *_: Any, **options: Any) -> None:
        folder: Path | None = options["folder"]
        app_id = options["app_id"] or _read(folder, "app_id", "--app-id")
        try:
            account = connect_account(
                Connection(
                    app_id=app_id,
                    seller_id=options["seller_id"] or _read(folder, "seller_id", "--seller-id"),
                    name=options["name"],
                    gateway_url=GATEWAYS.get(options["gateway"], options["gateway"]),
                    content_key=_read_file(options["aes_key"], None, "", "--aes-key") if options["aes_key"] else "",
                    **{
                        field: _read_file(
                            options[field], folder, KEY_FILES[field][1].format(app_id=app_id), _option(field)
                        )
                        for field in ("app_private_key", *OF_MODE[options["mode"]])
                    },
                ),
                actor="command",
            )
        except (BadGateway, BadKey) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"connected: {account}, {account.get_mode_display()}, {account.gateway_url}")
        self.stdout.write(f"application's gateway to set at Alipay: {settings.SITE_URL}{reverse('payments:message')}")


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


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
    except UnicodeDecodeError:
        raise CommandError(f"{option}: {folder / name} is not text; PEM or base64 is needed") from None
