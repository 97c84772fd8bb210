"""Gateway answers as typed results: the body of one call in, done / certainly not / unknown out."""

from payments.alipay.envelope import Node, read_answer
from payments.alipay.facts import (
    BillLink,
    Cancelled,
    DepositBack,
    Refunded,
    TradeFacts,
    TradeStatus,
    amount_of,
    deposit_back_of,
    status_of,
    time_of,
    trade_no_of,
)
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import (
    BILL_LINK,
    CANCEL,
    CLOSE,
    CREATE,
    PAY,
    PRECREATE,
    QUERY,
    REFUND,
    REFUND_QUERY,
    CertainlyNot,
    Done,
    Next,
    Unknown,
    normalised,
    refusal,
)
from payments.errors import BadSignature, MalformedAnswer
from payments.money import Money

LONGEST_CODE = 1024


def read_precreate(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[str] | CertainlyNot | Unknown:
    """The text of the QR code to draw. It is payable for two hours at most, and never issued twice for one number."""
    node = _accepted(body, PRECREATE, who, out_trade_no)
    if not isinstance(node, Node):
        return node
    has_code = 0 < len(node.text("qr_code")) <= LONGEST_CODE
    return Done(node.text("qr_code")) if has_code else Unknown("an answer without a QR code that can be drawn")


def read_pay(body: bytes, *, who: Credentials, out_trade_no: str, total: Money) -> Done[str] | CertainlyNot | Unknown:
    """The trade_no of a payment by barcode. A debit may still be taken back: only a query makes it a fact.

    Unknown with Next.WAIT: the buyer must type a password; query every few seconds, and cancel at the end of patience.
    """
    node = _accepted(body, PAY, who, out_trade_no)
    if not isinstance(node, Node):
        return node
    if trade_no_of(node.text("trade_no")) is None:
        return Unknown("a payment without a trade_no")
    if node.text("total_amount") and amount_of(node.text("total_amount")) != total:
        return Unknown(f"a payment of {node.text('total_amount')!r}, not of {total.to_yuan()}", Next.ALERT)
    return Done(node.text("trade_no"))


def read_create(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[str] | CertainlyNot | Unknown:
    """The trade_no that a page inside Alipay hands to its cashier."""
    node = _accepted(body, CREATE, who, out_trade_no)
    if not isinstance(node, Node):
        return node
    trade_no = trade_no_of(node.text("trade_no"))
    return Done(trade_no) if trade_no else Unknown("a trade without a trade_no")


def read_close(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[str] | CertainlyNot | Unknown:
    """The trade_no of the trade that is now closed."""
    node = _accepted(body, CLOSE, who, out_trade_no)
    return Done(node.text("trade_no")) if isinstance(node, Node) else node


def read_query(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[TradeFacts] | CertainlyNot | Unknown:
    """What Alipay knows of one number. "No such trade" is a fact too: nobody has scanned or logged in yet."""
    node = _accepted(body, QUERY, who, out_trade_no)
    if isinstance(node, CertainlyNot) and node.next is Next.WAIT:
        return Done(TradeFacts(who.app_id, who.seller_id, out_trade_no, TradeStatus.ABSENT))
    if not isinstance(node, Node):
        return node
    return Done(
        TradeFacts(
            app_id=who.app_id,
            seller_id=who.seller_id,
            out_trade_no=out_trade_no,
            status=status_of(node.text("trade_status")),
            trade_no=trade_no_of(node.text("trade_no")),
            total=amount_of(node.text("total_amount")),
            total_text=node.text("total_amount"),
            receipt=amount_of(node.text("receipt_amount")),
            paid_at=time_of(node.text("send_pay_date")),
        )
    )


def read_refund(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[Refunded] | CertainlyNot | Unknown:
    """Done only when this very call moved money. Any other success is a replay or not yet effective: query it."""
    node = _accepted(body, REFUND, who, out_trade_no)
    if not isinstance(node, Node):
        return node
    if node.text("fund_change") != "Y":
        return Unknown("accepted, yet this call moved no money: a replay, or not effective yet")
    return Done(Refunded(node.text("trade_no"), None, amount_of(node.text("refund_fee"))))


def read_refund_query(
    body: bytes, *, who: Credentials, out_trade_no: str, out_request_no: str, amount: Money | None
) -> Done[Refunded | None] | CertainlyNot | Unknown:
    """The refund with this number and amount. None: Alipay shows no such refund, which is neither success nor failure.

    amount  of ours; None for a refund that was made elsewhere, whose amount the answer tells
    """
    node = _genuine(body, REFUND_QUERY, who)
    if not isinstance(node, Node):
        return node
    numbers = (node.text("out_trade_no") or out_trade_no, node.text("out_request_no") or out_request_no)
    if numbers != (out_trade_no, out_request_no):
        return Unknown("an answer about another refund")
    if not node.text("refund_status") and not node.text("refund_amount"):
        return Done(None)  # such an answer may lack the numbers too
    if not node.text("out_trade_no") or not node.text("out_request_no"):
        return Unknown("a refund without its numbers")
    if node.text("refund_status") != "REFUND_SUCCESS":
        return Unknown(f"a refund in state {node.text('refund_status')!r}")
    said = amount_of(node.text("refund_amount"))
    if said is None or amount not in (None, said):
        return Unknown(f"a refund of {node.text('refund_amount')!r}, not of {amount}")
    return Done(Refunded(node.text("trade_no"), said, None, _to_the_bank(node, out_trade_no, out_request_no)))


def read_cancel(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[Cancelled] | CertainlyNot | Unknown:
    """Done only when Alipay names what it did; without that there was no trade, or the cancel failed."""
    node = _accepted(body, CANCEL, who, out_trade_no)
    if not isinstance(node, Node):
        return node
    action = node.text("action")
    if node.text("retry_flag") == "Y" or action not in ("close", "refund"):
        return Unknown(f"retry_flag {node.text('retry_flag')!r}, action {action!r}")
    if action == "refund" and trade_no_of(node.text("trade_no")) is None:
        return Unknown("money went back on a trade without a trade_no")
    return Done(Cancelled(node.text("trade_no"), was_paid=action == "refund"))


def read_bill_link(body: bytes, *, who: Credentials) -> Done[BillLink] | CertainlyNot | Unknown:
    """Where a day's bill lies for the next thirty seconds. "No data" is an answer: that day is empty."""
    node = _genuine(body, BILL_LINK, who, empty="NO_BILL_DATA")
    if not isinstance(node, Node):
        return node
    if node.text("code") != "10000":
        return Done(BillLink("", is_empty=True))
    if not node.text("bill_download_url"):
        return Unknown("an answer without a link")
    return Done(BillLink(node.text("bill_download_url"), node.text("bill_file_code") == "EMPTY_DATA_WITH_BILL_FILE"))


def _to_the_bank(node: Node, out_trade_no: str, out_request_no: str) -> DepositBack | None:
    """How far a refund to a bank card has come, where it was asked for and the answer tells."""
    info = node.fields.get("deposit_back_info")
    if not isinstance(info, dict) or not info.get("dback_status"):
        return None
    return deposit_back_of({**info, "trade_no": node.text("trade_no")}, out_trade_no, out_request_no)


def _accepted(body: bytes, method: str, who: Credentials, out_trade_no: str) -> Node | CertainlyNot | Unknown:
    """The node of a genuine success about this number; else what stands in its place."""
    node = _genuine(body, method, who)
    if isinstance(node, Node) and node.text("out_trade_no") != out_trade_no:
        return Unknown("an answer about another number")
    return node


def _genuine(body: bytes, method: str, who: Credentials, *, empty: str = "") -> Node | CertainlyNot | Unknown:
    """The node of a genuine success; else what stands in its place.

    empty  a sub_code that says "there is nothing", which is success too
    """
    try:
        node = read_answer(body, method=method, who=who)
    except BadSignature as error:
        return Unknown(f"BadSignature: {error}", Next.ALERT)
    except MalformedAnswer as error:
        return Unknown(f"MalformedAnswer: {error}")
    if empty and node.is_signed and node.text("code") == "40004" and normalised(node.text("sub_code")) == empty:
        return node
    return refusal(node, method=method) or node
