"""Gateway answers as typed results: the body of one call in, done / certainly not / unknown out."""

from payments.alipay.envelope import Node, read_answer
from payments.alipay.facts import TradeFacts, TradeStatus, amount_of, status_of, time_of
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import CLOSE, PRECREATE, QUERY, CertainlyNot, Done, Next, Unknown, refusal
from payments.errors import BadSignature, MalformedAnswer


def read_precreate(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[str] | CertainlyNot | Unknown:
    """The text of the QR code to draw. It is payable for two hours at most, and never issued twice for one number."""
    node = _node(body, PRECREATE, who)
    if isinstance(node, Unknown):
        return node
    no = refusal(node, method=PRECREATE)
    if no is not None:
        return no
    if node.text("out_trade_no") != out_trade_no or not node.text("qr_code"):
        return Unknown("a QR code for another number, or none")
    return Done(node.text("qr_code"))


def read_close(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[str] | CertainlyNot | Unknown:
    """The trade_no of the trade that is now closed."""
    node = _node(body, CLOSE, who)
    if isinstance(node, Unknown):
        return node
    no = refusal(node, method=CLOSE)
    if no is not None:
        return no
    if node.text("out_trade_no") != out_trade_no:
        return Unknown("another trade was closed")
    return Done(node.text("trade_no"))


def read_query(body: bytes, *, who: Credentials, out_trade_no: str) -> Done[TradeFacts] | CertainlyNot | Unknown:
    """What Alipay knows of one number. "No such trade" is a fact too: nobody has scanned or logged in yet."""
    node = _node(body, QUERY, who)
    if isinstance(node, Unknown):
        return node
    no = refusal(node, method=QUERY)
    if isinstance(no, CertainlyNot) and no.next is Next.WAIT:
        return Done(TradeFacts(who.app_id, who.seller_id, out_trade_no, TradeStatus.ABSENT))
    if no is not None:
        return no
    if node.text("out_trade_no") != out_trade_no:
        return Unknown("an answer about another number")
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


def _node(body: bytes, method: str, who: Credentials) -> Node | Unknown:
    try:
        return read_answer(body, method=method, keys=who.alipay_keys)
    except (BadSignature, MalformedAnswer) as error:
        return Unknown(f"{type(error).__name__}: {error}")
