"""The door to place.sql: an order is the API's dearest write, and the ORM's six statements took most of it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from django.db import connection

from payments.models.api_client import KeyInForce
from payments.models.messages import IdempotencyRecord
from payments.models.order import Order, OrderLine

SOURCE = Path(__file__).parent / "sql" / "place.sql"
# Without comments and indentation: the driver keeps the parsed form of statements up to 4,096 characters only.
PLACE = " ".join(re.sub(r"--[^\n]*", "", SOURCE.read_text()).split())
ORDER = (
    "number", "token", "client_id", "reference", "title", "goods_fen", "shipping_fen", "discount_fen", "total_fen",
    "content_hash", "state", "language", "seal_id", "created_at", "expires_at",
)  # fmt: skip
KEPT = ("caller", "key", "request_hash", "seal_id", "status")
AS_JSON = json.JSONEncoder(default=str).encode  # made once: `dumps` with words of its own makes it each time
SHOWN = ("pk", "scopes", "addresses")
LINE = ("position", "title", "sku", "unit_price_fen", "quantity")


def place(
    order: Order,
    lines: Sequence[OrderLine],
    *,
    actor: str,
    kept: IdempotencyRecord | None = None,
    shown: KeyInForce | None = None,
) -> bool:
    """Store a new order with its lines and "placed" in the audit trail, under the account that is active.

    kept   the answer to the request for it, under a key that nobody has used: stored with it
    shown  an API key as it was some seconds ago, and the order's time by it

    False, and nothing stored, when its number or the key is taken, no account is active, or what is shown is not so any more.
    """
    values = {
        "order": AS_JSON({name: getattr(order, name) for name in ORDER}),
        "lines": AS_JSON([{name: getattr(line, name) for name in LINE} for line in lines]),
        "contact_email": Order._meta.get_field("contact_email").pre_save(order, add=True),  # seals it
        "kept": AS_JSON({name: getattr(kept, name) for name in KEPT}) if kept else None,
        "body": IdempotencyRecord._meta.get_field("body").pre_save(kept, add=True) if kept else None,
        "shown": AS_JSON({name: getattr(shown, name) for name in SHOWN}) if shown else None,
        "actor": actor,
    }
    with connection.cursor() as cursor:
        cursor.execute(PLACE, values)
        row = cursor.fetchone()
    if row is None:
        return False
    order.pk, order.account_id = row
    order._state.adding = False
    return True
