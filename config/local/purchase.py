"""One purchase after another against a running stack, through the same doors as people: page, gateway, notice, worker."""

import http.cookiejar
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.local.stack import Stack

PATIENCE_S = 30.0


class StepFailed(Exception):
    """A step did not turn out as it must; the text says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What `request_payment --json` printed."""

    order_number: str
    out_trade_no: str
    pay_url: str
    page_url: str
    qr_code: str
    expires_at: str


def requested(stack: Stack, *, amount: str, subject: str, scene: str, minutes: float | None = None) -> Payment:
    """Make an order and start a payment, as an operator does."""
    words = ["request_payment", "--amount", amount, "--subject", subject, "--scene", scene, "--json"]
    if minutes is not None:
        words += ["--minutes", str(minutes)]
    facts = json.loads(stack.manage(*words))
    return Payment(**{name: facts[name] for name in Payment.__slots__})


def explained(stack: Stack, payment: Payment) -> dict[str, Any]:
    """What `explain --json` says of the order."""
    found: dict[str, Any] = json.loads(stack.manage("explain", payment.order_number, "--json"))
    return found


def control(stack: Stack, action: str, **values: str) -> dict[str, Any]:
    """Tell the pretend Alipay what its buyers or its operator do. Raises StepFailed on any answer but 200."""
    body = urllib.parse.urlencode(values).encode()
    try:
        with urllib.request.urlopen(f"{stack.sandbox}/control/{action}", data=body, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise StepFailed(f"the pretend Alipay refuses {action}: {error.code} {error.read().decode()}") from None


def trade_status(stack: Stack, payment: Payment) -> str:
    """What the pretend Alipay's own book says of a number; empty where no trade exists."""
    with urllib.request.urlopen(f"{stack.sandbox}/control/book", timeout=10) as answer:
        trades = json.load(answer)["trades"]
    return next((trade["trade_status"] for trade in trades if trade["out_trade_no"] == payment.out_trade_no), "")


def refunds(stack: Stack, payment: Payment) -> list[str]:
    """The out_request_no of every refund of a number in the pretend Alipay's own book."""
    with urllib.request.urlopen(f"{stack.sandbox}/control/book", timeout=10) as answer:
        trades = json.load(answer)["trades"]
    return [
        refund["out_request_no"]
        for trade in trades if trade["out_trade_no"] == payment.out_trade_no
        for refund in trade["refunds"]
    ]  # fmt: skip


def page(payment: Payment) -> str:
    """The paying page, as a browser without script gets it."""
    with urllib.request.urlopen(
        urllib.request.Request(payment.page_url, headers={"Accept-Language": "en"}), timeout=10
    ) as answer:
        text: str = answer.read().decode()
        return text


def pressed(payment: Payment, action: str) -> str:
    """Press one of the page's buttons without script; the page that follows."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    browser.addheaders = [("Accept-Language", "en")]
    with browser.open(payment.page_url, timeout=10) as answer:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode())
    if token is None:
        raise StepFailed("the page has no form")
    form = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1]}).encode()
    request = urllib.request.Request(payment.page_url + action, data=form, headers={"Referer": payment.page_url})
    with browser.open(request, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def page_state(payment: Payment) -> str:
    """The state the page's status address tells."""
    with urllib.request.urlopen(payment.page_url + "status", timeout=10) as answer:
        return str(json.load(answer)["state"])


def until(what: str, holds: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> float:
    """Wait for something; the seconds it took. Raises StepFailed after the patience is over."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > patience_s:
            raise StepFailed(f"{what}: not within {patience_s:g} s")
        time.sleep(0.1)
    return time.monotonic() - started
