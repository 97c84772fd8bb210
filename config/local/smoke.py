"""`make smoke`: the product's main jobs on free ports, without hands; one line a step."""

import contextlib
import functools
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.local import purchase
from config.local.places import scratch_folder
from config.local.purchase import StepFailed, control, explained, pressed, requested, trade_status, until
from config.local.servers import ServersFailed, servers
from config.local.shopper import CONTACT, Shopper
from config.local.stack import Stack, StackFailed, free_port, stack

# The product's own clocks, shortened; the pretend Alipay follows what it is sent.
CLOCKS = {
    "PAYMENTS_GRACE_S": "3", "PAYMENTS_LEAST_LIFE_S": "2", "PAYMENTS_LADDER_S": "2,2,3", "PAYMENTS_WATCH_S": "2",
    "PAYMENTS_ASK_AGAIN_S": "1", "PAYMENTS_CALL_DEADLINE_S": "3", "PAYMENTS_PAGE_DEADLINE_S": "3",
    "PAYMENTS_REFUND_LADDER_S": "2,2,3", "PAYMENTS_REFUND_ABSENT_S": "2",
    "SANDBOX_OPTIONS": "--least-life 1 --notify-timescale 0.01",
}  # fmt: skip
MARK = "JIEZHANG_SMOKE"
ABANDONED_MINUTES = 0.25


def smoke() -> int:
    """Run every step; the exit code is 1 when one failed."""
    run, results = secrets.token_hex(8), Results()
    os.environ[MARK] = run
    started = time.monotonic()
    with scratch_folder() as data:
        try:
            with (
                servers(data, durable=True) as running,
                stack(
                    running, data, shop_port=free_port(), sandbox_port=free_port(), more=CLOCKS, echo=False
                ) as product,
            ):
                results.note("servers, web, worker, beat and the pretend Alipay are healthy", "", started)
                for step in (
                    buys_in_the_shop,
                    pays_by_qr,
                    pays_by_page_without_notices,
                    abandons_two_orders,
                    replays_a_notice,
                    refunds_a_part_and_the_rest,
                ):
                    step(product, results)
        except (ServersFailed, StackFailed) as failure:
            results.note("the stack runs", str(failure), started)
    del os.environ[MARK]
    results.note("nothing is left behind", _left_behind(run, data), time.monotonic())
    print(f"smoke: {results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


class Results:
    """Counts steps and prints one line for each."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def note(self, step: str, problem: str, started: float) -> None:
        self.passed, self.failed = self.passed + (not problem), self.failed + bool(problem)
        line = f"{'failed' if problem else 'passed'}  {step}  ({time.monotonic() - started:.1f} s)"
        print(line + (f"\n        {problem}" if problem else ""), flush=True)

    def check(self, step: str, act: Callable[[], object]) -> object:
        """Run one step; what it returned. It fails by StepFailed, or by returning False; then None comes back."""
        started, result = time.monotonic(), None
        try:
            result = act()
            problem = "" if result is not False else "it does not hold"
        except (StepFailed, StackFailed, OSError) as failure:
            problem = f"{type(failure).__name__}: {failure}"
        self.note(step, problem, started)
        return None if problem else result


def buys_in_the_shop(product: Stack, results: Results) -> None:
    """From the shelf to the receipt, as a guest, without script."""
    shopper = Shopper(product.shop)
    results.check("shop: tea goes into the cart", lambda: _fills_the_cart(shopper))
    results.check("shop: address given, order confirmed, code shown", lambda: _orders(shopper))
    paid = results.check("shop: the code is scanned and paid", lambda: _scans_and_pays(product, shopper))
    if not isinstance(paid, purchase.Payment):
        return
    results.check("shop: the notice makes it paid", lambda: _reaches(paid, "paid"))
    results.check("shop: settled once, in the books once", lambda: _is_in_the_books(product, paid, 8880))
    results.check("shop: the order is being prepared", lambda: until(
        "prepared", lambda: "Paid, being prepared" in shopper.open(paid.page_url.replace("/pay/", "/order/"))
    ))  # fmt: skip
    results.check("shop: its receipt says what was paid", lambda: "¥88.80" in shopper.open(
        paid.page_url.replace("/pay/", "/order/") + "receipt/"
    ))  # fmt: skip
    results.check("shop: the cart is empty again", lambda: until(
        "empty", lambda: "Your cart is empty." in shopper.open("/cart/")
    ))  # fmt: skip


def _fills_the_cart(shopper: Shopper) -> bool:
    shopper.open("/")
    shopper.open("/goods/longjing/")
    kind = shopper.found(r'name="variant" value="(\d+)"[^>]* checked', "chosen kind")
    return "In the cart: 1 ×" in shopper.press("/cart/add", variant=kind, quantity="1")


def _orders(shopper: Shopper) -> bool:
    shopper.open("/checkout/")
    shopper.press("/checkout/", **CONTACT)
    seen = {"key": shopper.value("key"), "total_fen": shopper.value("total_fen"), "way": "qr"}
    return 'role="img"' in shopper.press("/checkout/pay/", **seen)


def _scans_and_pays(product: Stack, shopper: Shopper) -> purchase.Payment:
    number = re.sub(r"\D", "", shopper.found(r'class="small ref">.*?class="number">([^<]+)<', "order number"))
    (attempt,) = json.loads(product.manage("explain", number, "--json"))["transactions"]
    control(product, "pay", out_trade_no=attempt["out_trade_no"])
    return purchase.Payment(number, attempt["out_trade_no"], "", shopper.url, "", "")


def pays_by_qr(product: Stack, results: Results) -> None:
    paid = requested(product, amount="88.80", subject="龙井 / 50 g & a cup", scene="qr")
    results.check("QR: the page shows the code", lambda: 'role="img"' in purchase.page(paid))
    results.check("QR: a buyer scans and pays", lambda: control(product, "pay", out_trade_no=paid.out_trade_no))
    results.check("QR: the notice makes it paid", lambda: _reaches(paid, "paid"))
    results.check("QR: the page says so", lambda: "Paid ¥88.80" in purchase.page(paid))
    results.check("QR: settled once, in the books once", lambda: _is_in_the_books(product, paid, 8880))


def pays_by_page_without_notices(product: Stack, results: Results) -> None:
    control(product, "faults", mute="true")
    paid = requested(product, amount="12.30", subject="Tea", scene="page")
    results.check(
        "page pay: a buyer pays on Alipay's page, notices are muted", lambda: control(product, "pay", url=paid.pay_url)
    )
    results.check("page pay: the worker asks and makes it paid", lambda: _reaches(paid, "paid"))
    results.check("page pay: no notice came", lambda: explained(product, paid)["inbound"] == {})
    results.check("page pay: settled once, in the books once", lambda: _is_in_the_books(product, paid, 1230))
    control(product, "faults", mute="false")
    results.check(
        "page pay: the late notice changes nothing",
        lambda: until("duplicate", lambda: explained(product, paid)["inbound"] == {"duplicate": 1}),
    )
    results.check("page pay: still in the books once", lambda: _is_in_the_books(product, paid, 1230))


def abandons_two_orders(product: Stack, results: Results) -> None:
    scanned = requested(product, amount="5.00", subject="scanned", scene="qr", minutes=ABANDONED_MINUTES)
    untouched = requested(product, amount="6.00", subject="never scanned", scene="qr", minutes=ABANDONED_MINUTES)
    results.check(
        "abandoned: one is scanned, not paid", lambda: control(product, "scan", out_trade_no=scanned.out_trade_no)
    )
    results.check("abandoned: the page sees the scan", lambda: _reaches(scanned, "scanned"))
    results.check(
        "abandoned: the other can be asked about", lambda: "not seen this payment" in pressed(untouched, "check")
    )
    for name, order in (("scanned one", scanned), ("other", untouched)):
        results.check(
            f"abandoned: the {name} ends at its time, not closed before its grace is over",
            functools.partial(_ends, order),
        )
    results.check("abandoned: the books hold nothing of them", lambda: all(
        explained(product, each)["order"]["state"] == "closed" and not explained(product, each)["ledger"]
        for each in (scanned, untouched)
    ))  # fmt: skip
    results.check(
        "abandoned: the scanned one is closed at Alipay", lambda: trade_status(product, scanned) == "TRADE_CLOSED"
    )
    results.check("abandoned: the other never was a trade", lambda: trade_status(product, untouched) == "")


def replays_a_notice(product: Stack, results: Results) -> None:
    paid = requested(product, amount="0.01", subject="replayed", scene="qr")
    control(product, "pay", out_trade_no=paid.out_trade_no)
    results.check("replay: paid by its notice", lambda: _reaches(paid, "paid"))
    for _ in range(3):
        results.check(
            "replay: the same notice again is answered success",
            lambda: control(product, "resend", out_trade_no=paid.out_trade_no)["answer"] == "success",
        )
    results.check("replay: settled once, in the books once", lambda: _is_in_the_books(product, paid, 1))


def refunds_a_part_and_the_rest(product: Stack, results: Results) -> None:
    paid = requested(product, amount="88.80", subject="refunded", scene="qr")
    control(product, "pay", out_trade_no=paid.out_trade_no)
    results.check("refund: paid", lambda: _reaches(paid, "paid"))
    control(product, "faults", swallow="1")
    for amount, state in (("30.00", "partly_refunded"), ("58.80", "refunded")):
        words = (
            "refund",
            paid.order_number,
            "--amount",
            amount,
            "--requested-by",
            "ann",
            "--approved-by",
            "bob",
            "--json",
        )
        results.check(f"refund: {amount} is asked for and approved", functools.partial(product.manage, *words))
        results.check(f"refund: the order is {state} then", functools.partial(_order_is, product, paid, state))
    results.check("refund: at Alipay each once, the lost answer's too", lambda: _is_refunded(product, paid, 8880))


def _order_is(product: Stack, payment: purchase.Payment, state: str) -> float:
    return until(state, lambda: explained(product, payment)["order"]["state"] == state)


def _is_refunded(product: Stack, paid: purchase.Payment, fen: int) -> bool:
    ours = explained(product, paid)
    theirs = purchase.refunds(product, paid)
    known = {each["out_request_no"] for each in ours["refunds"]}
    return ours["order"]["refunded_fen"] == fen and len(theirs) == 2 and set(theirs) == known


def _reaches(payment: purchase.Payment, state: str) -> float:
    return until(state, lambda: purchase.page_state(payment) == state)


def _ends(payment: purchase.Payment) -> None:
    """First expired, then closed, each not before its time. Raises StepFailed."""
    expires_at = datetime.fromisoformat(payment.expires_at)
    grace = timedelta(seconds=float(CLOCKS["PAYMENTS_GRACE_S"]))
    until("expired or closed", lambda: purchase.page_state(payment) in ("expired", "closed"))
    if datetime.now(UTC) < expires_at:
        raise StepFailed("it expired too early")
    _reaches(payment, "closed")
    if datetime.now(UTC) < expires_at + grace:
        raise StepFailed("it was closed within its grace")


def _is_in_the_books(product: Stack, paid: purchase.Payment, fen: int) -> bool:
    found = explained(product, paid)
    booked = [(each["debit"], each["credit"], each["fen"]) for each in found["ledger"]]
    if (found["order"]["state"], found["settled_count"], booked) == ("paid", 1, [("alipay_receivable", "sales", fen)]):
        return True
    raise StepFailed(f"the books say: {found['order']}, settled {found['settled_count']} times, {booked}")


def _left_behind(run: str, data: Path) -> str:
    """Processes that still carry this run's mark, and files; empty when all is gone."""
    mark = f"{MARK}={run}".encode()
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                left.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    if data.exists():
        left.append(str(data))
    return "; ".join(left)
