"""`manage.py problem_pages`: 500 and 503 as files, for the proxy to show while nothing of ours answers."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments.services.problem_pages import static_page


class Command(BaseCommand):
    help = "Write 500.html and 503.html, whole pages in both languages, for the proxy. Needs no database."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="where they go; it must exist")
        parser.add_argument("--until", default="", help='when maintenance ends, as "15:00"; left out, no time is named')

    def handle(self, *_args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder; make it first.")
        for name, until in (("500", ""), ("503", options["until"])):
            (folder / f"{name}.html").write_text(static_page(name, until=until, inline=True))
            self.stdout.write(str(folder / f"{name}.html"))
