"""Gateway answers as typed results: the body of one call in, done / certainly not / unknown out."""

from payments.alipay.envelope import Node, read_answer
from payments.alipay.facts import TradeFacts, TradeStatus, amount_of, status_of, time_of
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import CLOSE, PRECREATE, QUERY, CertainlyNot, Done, Next, Unknown, refusal
from payments.errors import BadSignature, MalformedAnswer


def read_precreate(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[str] | CertainlyNot | Unknown:
    """The text of the QR code to draw. It is payable for two hours at most, and never issued twice for one number."""
    node = _accepted(body, PRECREATE, who, out_trade_no)
    if not isinstance(node, Node):
        return node
    return Done(node.text("qr_code")) if node.text("qr_code") else Unknown("an answer without a QR code")


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
            trade_no=node.text("trade_no") or None,
            total=amount_of(node.text("total_amount")),
            total_text=node.text("total_amount"),
            receipt=amount_of(node.text("receipt_amount")),
            paid_at=time_of(node.text("send_pay_date")),
        )
    )


def _accepted(body: bytes, method: str, who: Credentials, out_trade_no: str) -> Node | CertainlyNot | Unknown:
    """The node of a genuine success about this number; else what stands in its place."""
    try:
        node = read_answer(body, method=method, keys=who.alipay_keys)
    except (BadSignature, MalformedAnswer) as error:
        return Unknown(f"{type(error).__name__}: {error}")
    no = refusal(node, method=method)
    if no is not None:
        return no
    return node if node.text("out_trade_no") == out_trade_no else Unknown("an answer about another number")
