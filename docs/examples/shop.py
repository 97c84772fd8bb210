"""A shop of your own in one file: it takes a payment through the API alone. Python's own library, nothing to install.

    python3 docs/examples/shop.py http://127.0.0.1:8000/api/v1 jz_…

It places an order, has a QR code made, shows where to pay, and waits until Alipay says paid. Every write carries an
Idempotency-Key made from your own order number, so that after a lost connection the same call is simply made again.
"""

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any


class Refused(Exception):
    """The API's refusal: `code` is for programs, the text for people."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['code']}: {problem['title']} (ref {problem['ref']})")
        self.code = problem["code"]


class Jiezhang:
    """The few calls this shop needs."""

    def __init__(self, address: str, key: str) -> None:
        self.address, self.key = address.rstrip("/"), key

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any], *, once: str) -> Any:
        """A write. `once` names this very wish: said again with it, it has one effect and the same answer."""
        return self._ask("POST", path, body, once)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, once: str = "") -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Language": "en"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": once}
        data = None if body is None else json.dumps(body).encode()
        for left in (4, 3, 2, 1, 0):
            request = urllib.request.Request(f"{self.address}/{path}", data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                wait = error.headers.get("Retry-After")
                if wait is None or not left:
                    raise Refused(json.load(error)) from None
                time.sleep(int(wait))
            except urllib.error.URLError:  # a lost connection: it may have happened, so the SAME call again
                if not left:
                    raise
                time.sleep(1)
        raise AssertionError("the last try has answered or raised")


def sell(shop: Jiezhang, *, number: str, patience_s: float = 300) -> dict[str, Any]:
    """Sell one tin of tea. `number` is your own order number. Returns the order as it stands once it is paid."""
    tea = {"title": "Longjing 50 g", "sku": "LJ-50", "unit_price_fen": 128_00, "quantity": 1}
    order: dict[str, Any] = shop.post(
        "orders", {"title": "Longjing", "lines": [tea], "reference": number}, once=f"order-{number}"
    )
    payment = shop.post(f"orders/{order['number']}/payments", {"scene": "qr"}, once=f"pay-{number}")
    print(f"order {order['number']} of {order['total_fen'] / 100:.2f} {order['currency']}", flush=True)
    print(f"payment {payment['number']}: draw {payment['pay']['qr_text'] or 'no code yet'}", flush=True)
    print(f"or send the buyer to {order['pay_page']}", flush=True)
    until = time.monotonic() + patience_s
    while order["state"] == "awaiting_payment" and time.monotonic() < until:
        time.sleep(1)
        order = shop.get(f"orders/{order['number']}")
    print(f"order {order['number']} is {order['state']}: {order['paid_fen']} fen are in the books", flush=True)
    return order


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        sold = sell(Jiezhang(sys.argv[1], sys.argv[2]), number=uuid.uuid4().hex[:12])
    except (Refused, urllib.error.URLError) as no:
        sys.exit(
            f"{no}: nothing was sold" if isinstance(no, Refused) else f"nobody answers at {sys.argv[1]}: {no.reason}"
        )
    sys.exit(0 if sold["state"] == "paid" else 1)
