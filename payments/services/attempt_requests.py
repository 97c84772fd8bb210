"""What Alipay is asked for an attempt to pay: the same words every time, for a repeat with others is refused."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse

from payments import gateway
from payments.alipay import requests
from payments.models import Transaction
from payments.models.clock import database_now
from payments.money import Money

Scene = Transaction.Scene


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays on a page inside Alipay, by one of Alipay's two numbers. Personal: used in one call, written down nowhere.

    op_app_id  the mini program's APPID, where one opens the cashier
    """

    open_id: str = ""
    user_id: str = ""
    op_app_id: str = ""


def request_of(attempt: Transaction, buyer: Buyer | None = None) -> requests.Request:
    """What offers this attempt. `buyer` belongs to the trade of a page inside Alipay alone."""
    order = attempt.order
    assert order is not None, "attempts are made for orders"
    common: dict[str, Any] = {
        "out_trade_no": attempt.out_trade_no,
        "total": Money(attempt.amount_fen),
        "title": order.title,
        "time_expire": attempt.time_expire,
        "notify_url": _absolute("payments:notify"),
    }
    back = _absolute("payments:return", order.token)
    match attempt.scene:
        case Scene.QR:
            return requests.precreate(**common, product_code=settings.PAYMENTS["precreate_product_code"])
        case Scene.JSAPI:
            assert buyer is not None, "the trade names its buyer"
            names: dict[str, Any] = {
                "buyer_open_id": buyer.open_id,
                "buyer_id": buyer.user_id,
                "op_app_id": buyer.op_app_id,
            }
            return requests.create(**common, **names)
        case Scene.APP:
            return requests.app_pay(**common)
        case Scene.WAP:
            return requests.wap_pay(**common, return_url=back, quit_url=back)
    return requests.page_pay(**common, return_url=back)


def is_for(attempt: Transaction, buyer: Buyer | None) -> bool:
    """Whether this attempt serves this buyer too: everybody, but for a trade, which is his whom Alipay was asked to make it
    for. Nobody's yet, where Alipay was not asked: whoever began it may be about to."""
    if attempt.scene != Scene.JSAPI:
        return True
    words = hashlib.sha256(request_of(attempt, buyer).biz_content.encode()).hexdigest()
    return set(attempt.calls.filter(purpose="create").values_list("request_hash", flat=True)) == {words}


def pay_address(attempt: Transaction) -> str:
    """Where the buyer's browser goes to pay: Alipay's page, for a desktop or a phone. Signed anew at each call.

    Opening it again resumes the same unpaid trade. Never logged: it carries our signature.
    """
    assert attempt.scene in (Scene.PAGE, Scene.WAP), "only pages have an address"
    return _signed(attempt).browser_url(attempt.account.gateway_url)


def order_string(attempt: Transaction) -> str:
    """What the shop's own app hands to Alipay's app. Signed anew at each call, and never logged."""
    assert attempt.scene == Scene.APP, "only an app takes an order string"
    return _signed(attempt).order_string


def _signed(attempt: Transaction) -> requests.Signed:
    return requests.signed(request_of(attempt), who=gateway.merchant_of(attempt.account).who, at=database_now())


def _absolute(name: str, *args: str) -> str:
    return str(settings.SITE_URL) + reverse(name, args=args)
