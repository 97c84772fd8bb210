"""One of five at one order, for `make order-race`: the buyer at Alipay, the browser, the poller, the closer, staff.

With RACE_WITHOUT_PAID_ONCE the guard by which a payment moves once is taken out of this process, to show what it is for.
"""

import os
import time
import urllib.error
import urllib.parse
import urllib.request

import django

django.setup()

from checkout.models import Category, Product, Stock, Variant  # noqa: E402  # after the registry is filled
from checkout.queries.carts import contents  # noqa: E402
from checkout.services import carts  # noqa: E402
from checkout.services.place_purchase import keep_draft, place_purchase  # noqa: E402
from config.local.proofs.answering import answer_lines  # noqa: E402
from payments.errors import RefundRefused  # noqa: E402
from payments.models import Order, Refund, Transaction, settling  # noqa: E402
from payments.services.ask import ask_about  # noqa: E402
from payments.services.cancel_order import cancel_order  # noqa: E402
from payments.services.receive_return import receive_return  # noqa: E402
from payments.services.refund import approve_refund, request_refund  # noqa: E402
from payments.services.start_payment import start_payment  # noqa: E402

ADDRESS = {"name": "林小满", "mobile": "13800000000", "region": "浙江省杭州市", "address": "龙井路 1 号"}
PAID_ONCE = "AND t.state <> 'paid'"
PATIENCE_S = 3.0


def make(sandbox: str) -> dict[str, object]:
    """An order of one piece of goods whose code a buyer has just scanned."""
    cart = carts.new_cart(None)
    carts.add(cart, _goods(), 1)
    keep_draft(cart, ADDRESS)
    order = place_purchase(cart, key=cart.token, seen_total=contents(cart).total, language="zh-hans", user=None)
    attempt = start_payment(order, scene=Transaction.Scene.QR, actor="race")
    _control(sandbox, "scan", attempt.out_trade_no)
    return {"order": order.pk, "attempt": attempt.pk, "number": attempt.out_trade_no}


def pay(sandbox: str, number: str) -> str:
    """The buyer confirms; Alipay's notice leaves for the shop at once, from a process of its own."""
    return "paid" if _control(sandbox, "pay", number) else "refused"


def come_back(order: int, attempt: int) -> str:
    receive_return(Order.objects.get(pk=order), b"")
    return ask(attempt)


def ask(attempt: int) -> str:
    """The poller's question, claimed or not: two may ask at once."""
    return str(ask_about([Transaction.objects.get(pk=attempt)], actor="poll")[attempt])


def close(order: int) -> str:
    return cancel_order(Order.objects.get(pk=order), actor="buyer").state


def give_back(attempt: int) -> str:
    """Staff want all of it back at the moment it is paid: they press until it is, or until it can't be any more."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        paid = Transaction.objects.get(pk=attempt)
        try:
            refund = request_refund(paid, paid.amount, requester="staff:1", origin=Refund.Origin.STAFF, reason="race")
            approve_refund(refund, approver="staff:2")
            return "asked"
        except RefundRefused:
            if paid.state == Transaction.State.CLOSED:
                break
            time.sleep(0.002)
    return "refused"


def _control(sandbox: str, action: str, number: str) -> bool:
    form = urllib.parse.urlencode({"out_trade_no": number}).encode()
    try:
        urllib.request.urlopen(f"{sandbox}/control/{action}", data=form, timeout=10).read()
    except urllib.error.HTTPError:
        return False
    return True


def _goods() -> Variant:
    """Goods that never run out."""
    words = {"category": Category.objects.earliest("pk"), "name_zh": "茶", "name_en": "Tea", "position": 999}
    product, _ = Product.objects.get_or_create(slug="race", defaults=words)
    packed = {"product": product, "name_zh": "50 克", "name_en": "50 g", "price_fen": 12_800}
    variant, _ = Variant.objects.get_or_create(sku="RACE", defaults=packed)
    Stock.objects.get_or_create(variant=variant, defaults={"on_hand": 1_000_000})
    return variant


def main() -> None:
    if "RACE_WITHOUT_PAID_ONCE" in os.environ:
        assert PAID_ONCE in settling.SETTLE, "the guard is spelt in another way by now"
        settling.SETTLE = settling.SETTLE.replace(PAID_ONCE, "")  # the negative control
    answer_lines(
        {"make": make, "pay": pay, "come_back": come_back, "ask": ask, "close": close, "give_back": give_back}
    )  # fmt: skip


if __name__ == "__main__":
    main()
