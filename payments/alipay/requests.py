"""Requests to Alipay: what is asked (Request), and the same signed and ready to travel (Signed)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from payments.alipay.clock import to_beijing
from payments.alipay.encryption import ENCRYPT_TYPE, encrypted
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import BILL_LINK, CANCEL, CLOSE, CREATE, PAY, PRECREATE, QUERY, REFUND, REFUND_QUERY
from payments.alipay.signing import SIGN_TYPE, request_text, sign
from payments.money import Money

PAGE_PAY, WAP_PAY, APP_PAY = "alipay.trade.page.pay", "alipay.trade.wap.pay", "alipay.trade.app.pay"
QUESTIONS = frozenset({QUERY, REFUND_QUERY, BILL_LINK})
CARRIED_BY_BUYERS = frozenset({PAGE_PAY, WAP_PAY, APP_PAY})
LONGEST_SUBJECT = 256
_PAYMENT_CODE = re.compile(r"(?:2[5-9]|30)\d{14,22}|fp[0-9A-Za-z]{33}", re.ASCII)
_BANK_NEWS: dict[str, str | list[str]] = {"query_options": ["deposit_back_info"]}
_FORBIDDEN_IN_SUBJECT = re.compile(r"[/=&\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One question or order to Alipay, unsigned.

    biz                      what goes into biz_content: texts and lists of them, already in Alipay's form
    notify_url, return_url   common parameters; empty ones are not sent, for an empty one breaks the signature
    """

    method: str
    biz: Mapping[str, str | list[str]]
    notify_url: str = ""
    return_url: str = ""

    @property
    def changes_nothing(self) -> bool:
        """A question, that may be asked again."""
        return self.method in QUESTIONS

    @property
    def biz_content(self) -> str:
        """The one spelling that is signed, sent and journalled."""
        return json.dumps(self.biz, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Signed:
    """A request ready to travel: common parameters and sign in the query, biz_content in the body.

    query, body   already URL-encoded, once
    """

    query: str
    body: str

    def post_url(self, gateway: str) -> str:
        return f"{gateway}?{self.query}"

    def browser_url(self, gateway: str) -> str:
        """The address a buyer's browser opens for page pay and wap pay."""
        return f"{gateway}?{self.order_string}"

    @property
    def order_string(self) -> str:
        """What a phone's app hands to Alipay's app."""
        return f"{self.query}&{self.body}"


def signed(request: Request, *, who: Credentials, at: datetime) -> Signed:
    """Sign a request as of `at` (aware; sent in Beijing time). charset always stands in the query. Source: dossier 1.2-1.4.

    With an AES key the content of a server's call is encrypted first; what a buyer's browser or app carries never is.
    """
    key = None if request.method in CARRIED_BY_BUYERS else who.content_key
    common = {
        "app_id": who.app_id,
        "method": request.method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": SIGN_TYPE,
        "timestamp": to_beijing(at),
        "version": "1.0",
        "notify_url": request.notify_url,
        "return_url": request.return_url,
        "app_cert_sn": who.certificates.app_cert_sn if who.certificates else "",
        "alipay_root_cert_sn": who.certificates.alipay_root_cert_sn if who.certificates else "",
        "encrypt_type": ENCRYPT_TYPE if key else "",
    }
    common = {name: value for name, value in common.items() if value}
    content = encrypted(request.biz_content, key) if key else request.biz_content
    body = {"biz_content": content}
    signature = sign(request_text(common | body).encode(), who.app_key)
    return Signed(urlencode({**common, "sign": signature}), urlencode(body))


def safe_subject(title: str) -> str:
    """A title as Alipay takes it: no "/", "=", "&" or control characters, at most 256 characters, never empty."""
    return _FORBIDDEN_IN_SUBJECT.sub(" ", title).strip()[:LONGEST_SUBJECT] or "-"


def page_pay(
    *, out_trade_no: str, total: Money, title: str, time_expire: datetime, notify_url: str, return_url: str
) -> Request:
    """Alipay's web page on a desktop, whole window. The trade exists only once the buyer scans or logs in there."""
    biz = {
        **_trade(out_trade_no, total, title, time_expire),
        "product_code": "FAST_INSTANT_TRADE_PAY",
        "qr_pay_mode": "2",
    }
    return Request(PAGE_PAY, biz, notify_url, return_url)


def wap_pay(
    *,
    out_trade_no: str,
    total: Money,
    title: str,
    time_expire: datetime,
    notify_url: str,
    return_url: str,
    quit_url: str,
) -> Request:
    """Alipay from a phone's browser. quit_url is where a buyer who gives up comes back to."""
    biz = {**_trade(out_trade_no, total, title, time_expire), "product_code": "QUICK_WAP_WAY", "quit_url": quit_url}
    return Request(WAP_PAY, biz, notify_url, return_url)


def precreate(
    *, out_trade_no: str, total: Money, title: str, time_expire: datetime, notify_url: str, product_code: str = ""
) -> Request:
    """A QR code for our own page. product_code depends on the merchant's contract; empty leaves Alipay's default."""
    biz = _trade(out_trade_no, total, title, time_expire)
    return Request(PRECREATE, {**biz, "product_code": product_code} if product_code else biz, notify_url)


def app_pay(*, out_trade_no: str, total: Money, title: str, time_expire: datetime, notify_url: str) -> Request:
    """Alipay's app, opened by the shop's own app; see `Signed.order_string`. What the app reports proves nothing."""
    biz = {**_trade(out_trade_no, total, title, time_expire), "product_code": "QUICK_MSECURITY_PAY"}
    return Request(APP_PAY, biz, notify_url)


def is_payment_code(text: str) -> bool:
    """Whether this has the form of the code a buyer shows at a counter. Source: dossier 2.5."""
    return _PAYMENT_CODE.fullmatch(text) is not None


def pay(
    *,
    out_trade_no: str,
    total: Money,
    title: str,
    time_expire: datetime,
    notify_url: str,
    auth_code: str,
    terminal: str = "",
) -> Request:
    """Take money by the barcode a buyer shows at the counter. auth_code is good for one try, and never logged.

    terminal  the till's number, at most 32 characters; it stands in the bill
    """
    scene = "security_code" if auth_code.startswith("fp") else "bar_code"
    biz = {**_trade(out_trade_no, total, title, time_expire), "auth_code": auth_code, "scene": scene}
    return Request(PAY, {**biz, "terminal_id": terminal} if terminal else biz, notify_url)


def create(
    *,
    out_trade_no: str,
    total: Money,
    title: str,
    time_expire: datetime,
    notify_url: str,
    buyer_open_id: str = "",
    buyer_id: str = "",
    op_app_id: str = "",
) -> Request:
    """Make a trade for a page that runs inside Alipay (JSAPI). The buyer is named by one of the two numbers.

    op_app_id  the mini program's APPID, where one opens the cashier
    """
    assert bool(buyer_open_id) != bool(buyer_id), "one of the two names the buyer"
    biz = {
        **_trade(out_trade_no, total, title, time_expire), "product_code": "JSAPI_PAY", "buyer_open_id": buyer_open_id,
        "buyer_id": buyer_id, "op_app_id": op_app_id,
    }  # fmt: skip
    return Request(CREATE, _filled(biz), notify_url)


def query(out_trade_no: str) -> Request:
    return Request(QUERY, {"out_trade_no": out_trade_no})


def close(out_trade_no: str) -> Request:
    return Request(CLOSE, {"out_trade_no": out_trade_no})


def refund(
    *,
    out_trade_no: str,
    out_request_no: str,
    amount: Money,
    trade_no: str = "",
    reason: str = "",
    deposit_back: bool = False,
) -> Request:
    """Give money back, at most once per out_request_no: a repeat must carry the same number and amount.

    deposit_back  have Alipay report when the money reaches a bank card

    trade_no wins over out_trade_no where both are named. Keep three seconds between two refunds of one trade.
    Source: dossier 2.9.
    """
    biz = {
        "out_trade_no": out_trade_no, "trade_no": trade_no, "out_request_no": out_request_no,
        "refund_amount": amount.to_yuan(), "refund_reason": reason[:LONGEST_SUBJECT],
    }  # fmt: skip
    return Request(REFUND, _filled(biz) | (_BANK_NEWS if deposit_back else {}))


def refund_query(*, out_trade_no: str, out_request_no: str, trade_no: str = "", deposit_back: bool = False) -> Request:
    """What became of one refund; ask ten seconds after the refund at the earliest. Source: dossier 2.10.

    deposit_back  also how far the money is on its way to a bank card
    """
    biz = {
        "out_trade_no": out_trade_no, "trade_no": trade_no, "out_request_no": out_request_no,
    }  # fmt: skip
    return Request(REFUND_QUERY, _filled(biz) | (_BANK_NEWS if deposit_back else {}))


def cancel(out_trade_no: str) -> Request:
    """End a face-to-face trade whose outcome is unknown: unpaid is closed, paid is refunded. Source: dossier 2.8."""
    return Request(CANCEL, {"out_trade_no": out_trade_no})


def bill_link(*, bill_type: str, day: date) -> Request:
    """Where the bill of one past Beijing day lies: "trade" or "signcustomer". The link lives 30 s. Source: dossier 2.11."""
    return Request(BILL_LINK, {"bill_type": bill_type, "bill_date": f"{day:%Y-%m-%d}", "secure": "true"})


def _filled(biz: Mapping[str, str]) -> dict[str, str | list[str]]:
    """Without what is empty: Alipay takes an empty value for one."""
    return {name: value for name, value in biz.items() if value}


def _trade(out_trade_no: str, total: Money, title: str, time_expire: datetime) -> dict[str, str]:
    return {
        "out_trade_no": out_trade_no,
        "total_amount": total.to_yuan(),
        "subject": safe_subject(title),
        "time_expire": to_beijing(time_expire),
    }
