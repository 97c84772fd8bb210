"""Bring the goods to what a spreadsheet says."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from checkout.services.import_goods import MOST_BYTES, FileRefused, import_goods


class Command(BaseCommand):
    help = (
        "Import goods from CSV or XLSX. The exit code is 1 when rows were refused; the good ones are in all the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV in UTF-8 or GB18030, or XLSX; one row a variant")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            with options["file"].open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            report = import_goods(content, dry_run=options["dry_run"])
        except OSError as error:
            raise CommandError(f"{options['file']} can't be read: {error.strerror}") from None
        except FileRefused as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), ensure_ascii=False))
        else:
            self.stdout.write(
                f"{'would be ' if options['dry_run'] else ''}added {report.added}, changed {report.changed}, "
                f"unchanged {report.unchanged}; refused {len(report.refused)}"
            )
            for refusal in report.refused:
                self.stdout.write(f"  row {refusal.row}, {refusal.column}: {refusal.reason}")
            if report.unknown_columns:
                self.stdout.write(f"  columns nobody reads: {', '.join(report.unknown_columns)}")
        if report.refused:
            raise SystemExit(1)
