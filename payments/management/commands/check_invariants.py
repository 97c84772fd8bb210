"""Prove that our records hold together: orders, payments, refunds, ledger, audit."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.queries.invariants import Broken
from payments.services.check_books import check_books


class Command(BaseCommand):
    requires_system_checks = ()  # it looks at records alone, and most of its start would be these
    help = (
        "Check every money invariant over one snapshot; names the rows that break one, and keeps the result. "
        "Exit code 1 when any does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object: count and ids by invariant")
        parser.add_argument(
            "--since-last-green",
            action="store_true",
            help="look only at what was written since the last run that found nothing wrong",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        kept = check_books(since_last_green=options["since_last_green"], hear=None if options["json"] else self._print)
        if options["json"]:
            self.stdout.write(json.dumps(kept.results))
        else:
            self.stdout.write(f"check_invariants: {kept.checked - kept.broken} passed, {kept.broken} failed")
        if kept.broken:
            raise CommandError(f"{kept.broken} invariants are broken")

    def _print(self, each: Broken) -> None:
        self.stdout.write(f"{each.name} {each.hits} {' '.join(each.ids)}".rstrip())
