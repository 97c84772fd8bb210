"""Hear kept notices once more."""

import json
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import is_aware, make_aware

from payments.models import InboundMessage
from payments.services.replay_notices import replay_each

BATCH = 500


class Command(BaseCommand):
    help = (
        "Send stored notices through the same door again. What was applied before changes nothing, any number of times;"
        " refused ones are verified anew, for keys may have been put right since."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--number", default="", help="only those about this out_trade_no")
        parser.add_argument(
            "--since", default="", help="only those received since then: ISO 8601, Beijing where no zone is given"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object: messages by outcome")

    def handle(self, *_: Any, **options: Any) -> None:
        wanted = InboundMessage.objects.filter(kind=InboundMessage.Kind.NOTICE)
        if options["number"]:
            wanted = wanted.filter(out_trade_no=options["number"])
        if options["since"]:
            wanted = wanted.filter(received_at__gte=_moment(options["since"]))
        counts: Counter[str] = Counter()
        last = 0
        while batch := list(wanted.filter(pk__gt=last).order_by("pk")[:BATCH]):
            counts += replay_each(batch)
            last = batch[-1].pk
            if not options["json"]:
                self.stderr.write(f"{counts.total()} heard again")
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        else:
            for outcome, count in counts.most_common():
                self.stdout.write(f"{outcome} {count}")
            self.stdout.write(f"replay_notices: {counts.total()} heard again")
        if counts["broke"]:
            raise CommandError(f"{counts['broke']} were stopped by a fault of ours: see replay_broke in the log")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since {text!r} is no time: write 2026-11-22 or 2026-11-22T14:30") from None
    return moment if is_aware(moment) else make_aware(moment)
