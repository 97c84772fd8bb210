"""Confirm a colleague's account on the server, where no second owner can."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.services.people import confirm_on_the_server


class Command(BaseCommand):
    help = (
        "Confirm an account that a colleague made or changed, so that it may do what its roles grant. On the staff pages a"
        " second owner does this; a shop with one owner does it here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the address this person signs in with")

    def handle(self, *_: Any, **options: Any) -> None:
        if not confirm_on_the_server(options["email"]):
            raise CommandError(f"no account of {options['email']} waits for confirmation")
        self.stdout.write(f"{options['email']} is confirmed")
