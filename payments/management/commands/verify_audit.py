"""Prove that the audit trail is as it was written."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.queries.audit_chain import verify_audit


class Command(BaseCommand):
    help = (
        "Check every audit event against its seal, and every seal against the one before. Names what was altered, "
        "deleted, inserted or put in another order. Exit code 1 when anything was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--head", default="", metavar="NUMBER:MAC",
            help="a head that an earlier run or the log told: then a chain whose end was cut off is seen too",
        )  # fmt: skip

    def handle(self, *_: Any, **options: Any) -> None:
        head = options["head"]
        if head and not (head.partition(":")[0].isdigit() and head.partition(":")[2]):
            raise CommandError(f"{head!r} is no head: it looks like 12:0123456789abcdef")
        found = verify_audit(head=head)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found)))
        else:
            for each in found.named:
                self.stdout.write(each)
            self.stdout.write(
                f"{found.seals} seals, head {found.head or 'none yet'}; {found.unsealed} younger events not sealed yet"
            )
            self.stdout.write(f"verify_audit: {found.events} passed, {found.broken} failed")
        if found.broken:
            raise CommandError("the audit trail is not as it was sealed")
