"""Loaded by Schemathesis: most made-up requests are steered to where they get further than the first refusal."""

import random
import uuid
from typing import Any

import schemathesis

chance = random.Random(1)  # noqa: S311  # made-up requests
# What each way to pay takes besides; a code of the pretend Alipay's that pays, is asked for a password, or is refused.
OF_SCENE = {
    "jsapi": lambda: {"buyer_open_id": chance.choice(["li", "wang"])},
    "counter": lambda: {
        "auth_code": chance.choice(["28", "25000001", "25000002"]).ljust(8, "0") + f"{chance.randrange(10**10):010d}"
    },
}
ALIEN = ("buyer_open_id", "buyer_id", "op_app_id", "auth_code", "terminal")


@schemathesis.hook
def map_headers(context: Any, headers: dict[str, Any]) -> dict[str, Any]:
    """A key of its own for nine of ten: else all but the first would be "this key was used for another request"."""
    if headers and "Idempotency-Key" in headers and chance.random() < 0.9:
        headers["Idempotency-Key"] = uuid.uuid4().hex
    if headers and "If-Match" in headers and chance.random() < 0.7:
        headers["If-Match"] = "*"
    return headers


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Mostly what Alipay could take, and addresses that could be told."""
    if not isinstance(body, dict) or chance.random() >= 0.8:
        return body
    if isinstance(body.get("lines"), list) and "discount_fen" in body:
        body["discount_fen"] = 0
        for line in body["lines"]:
            if isinstance(line, dict) and isinstance(line.get("unit_price_fen"), int):
                line["unit_price_fen"] %= 10_000_00
    if "scene" in body:
        body = {name: value for name, value in body.items() if name not in ALIEN}
        body |= OF_SCENE.get(str(body["scene"]), dict)()
    if "url" in body:
        body["url"] = "http://127.0.0.1:9/"
    return body
