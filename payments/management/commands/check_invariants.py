"""Prove that our records hold together: orders, payments, refunds, ledger, audit."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.queries.invariants import check_invariants


class Command(BaseCommand):
    help = "Check every money invariant over one snapshot; names the rows that break one. Exit code 1 when any does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object: count and ids by invariant")

    def handle(self, *_: Any, **options: Any) -> None:
        found = []
        for each in check_invariants():
            found.append(each)
            if not options["json"]:
                self.stdout.write(f"{each.name} {each.hits} {' '.join(each.ids)}".rstrip())
        if options["json"]:
            self.stdout.write(json.dumps({each.name: {"count": each.hits, "ids": each.ids} for each in found}))
        broken = sum(each.hits > 0 for each in found)
        if not options["json"]:
            self.stdout.write(f"check_invariants: {len(found) - broken} passed, {broken} failed")
        if broken:
            raise CommandError(f"{broken} invariants are broken")
