"""Loaded by Schemathesis: most made-up requests are steered to where they get further than the first refusal."""

import random
import uuid
from typing import Any

import schemathesis

chance = random.Random(1)  # noqa: S311  # made-up requests


@schemathesis.hook
def map_headers(context: Any, headers: dict[str, Any]) -> dict[str, Any]:
    """A key of its own for nine of ten: else all but the first would be "this key was used for another request"."""
    if headers and "Idempotency-Key" in headers and chance.random() < 0.9:
        headers["Idempotency-Key"] = uuid.uuid4().hex
    return headers


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Sums that Alipay could take, for most orders."""
    if (
        isinstance(body, dict)
        and isinstance(body.get("lines"), list)
        and "discount_fen" in body
        and chance.random() < 0.8
    ):
        body["discount_fen"] = 0
        for line in body["lines"]:
            if isinstance(line, dict) and isinstance(line.get("unit_price_fen"), int):
                line["unit_price_fen"] %= 10_000_00
    return body
