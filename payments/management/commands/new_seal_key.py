"""Make a key for SEAL_KEYS or AUDIT_SEAL_KEYS."""

import secrets
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from payments.fields import KEY_BYTES


class Command(BaseCommand):
    help = (
        "Print a new key for SEAL_KEYS or AUDIT_SEAL_KEYS. Put it in front of the others: the first one seals, all of "
        "them open. Keep the old ones for what they have sealed."
    )
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"k{datetime.now(UTC):%Y%m%d}:{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}")
