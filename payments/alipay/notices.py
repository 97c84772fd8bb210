"""Alipay's asynchronous notice: raw body to verified fields, read once and only once, and from there to facts."""

import hashlib
import re
from binascii import a2b_qp
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from payments.alipay.facts import RefundFacts, TradeFacts, amount_of, status_of, time_of, trade_no_of
from payments.alipay.signing import SIGN_TYPE, notice_text, verifies
from payments.errors import BadSignature, MalformedNotice

LONGEST_BODY = 64 * 1024  # a notice has about 2 KB
MOST_FIELDS = 100  # and about 30 fields
CHARSETS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}
_PAIR = rb"[A-Za-z0-9_.]{1,64}(?:=[\x21-\x25\x27-\x7e]*)?"  # names carry no escapes, values are printable
_FORM = re.compile(_PAIR + rb"(?:&" + _PAIR + rb")*")
_CHANGES_ON_RESEND = frozenset({"sign", "sign_type", "notify_time"})


@dataclass(frozen=True, slots=True)
class Notice:
    """The fields of one notice or return, as received; nothing in it is believed before `verified`."""

    fields: Mapping[str, str]
    charset: str

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the fields that stay the same when Alipay sends the same event again; 64 hex digits."""
        kept = sorted(pair for pair in self.fields.items() if pair[0] not in _CHANGES_ON_RESEND)
        return hashlib.sha256("\0".join(f"{name}\0{value}" for name, value in kept).encode()).hexdigest()


def read_form(body: bytes) -> Notice:
    """Read a form-encoded body strictly: each name once, each value decoded once, in the charset it names.

    Raises MalformedNotice for anything that two readers could read differently. Source: dossier 4.3.
    """
    if len(body) > LONGEST_BODY:
        raise MalformedNotice(f"{len(body)} bytes")
    if not _FORM.fullmatch(body) or b"%00" in body:
        raise MalformedNotice("bytes that no form has, or a field whose name is none")
    raw = _decoded(body)
    if len(raw) > MOST_FIELDS:
        raise MalformedNotice(f"{len(raw)} fields")
    charset = _charset(body)
    try:
        text = b"\0".join(raw).decode(charset)
    except UnicodeDecodeError:
        raise MalformedNotice(f"not {charset}") from None
    pairs = [pair.partition("=") for pair in text.split("\0")]
    fields = {name: value for name, _, value in pairs}
    if len(fields) != len(pairs) or not fields.get("charset", charset):
        raise MalformedNotice("a field stands twice, or a charset without a name")
    return Notice(fields, charset)


def _decoded(body: bytes) -> list[bytes]:
    """The pairs of a form, each escape decoded once. Quoted-printable differs from a form's encoding in its escape sign
    alone, and is read in C; an escape that is none stays as its sign, and shows because there are too many of those.
    """
    escaped = body.replace(b"+", b"%20").replace(b"=", b"%3D")
    decoded = a2b_qp(escaped.replace(b"%", b"=").replace(b"&", b"\0"))
    if body[-1:] == b"%" or decoded.count(b"=") != escaped.count(b"%3D") + escaped.count(b"%3d"):
        raise MalformedNotice("an escape that is none")
    return decoded.split(b"\0")


def _charset(body: bytes) -> str:
    """The charset that a form names, spelled without escapes. Raises MalformedNotice for one that Alipay does not use."""
    _, found, behind = (b"&" + body).partition(b"&charset=")
    named = behind.partition(b"&")[0] if found else b"utf-8"
    charset = CHARSETS.get(named.decode().lower())
    if charset is None:
        raise MalformedNotice("a charset that Alipay does not use")
    return charset


def verified(notice: Notice, keys: Iterable[RSAPublicKey]) -> Notice:
    """What of the notice is now known to come from Alipay: empty fields only where they were signed too.

    Raises BadSignature. Only RSA2 is accepted, whatever the notice says of itself.
    """
    if notice.get("sign_type") != SIGN_TYPE:
        raise BadSignature("sign_type is not RSA2")
    keys = tuple(keys)
    has_empty = "" in notice.fields.values()
    for keep_empty in (False, True) if has_empty else (False,):
        text = notice_text(notice.fields, keep_empty=keep_empty)
        if verifies(text.encode(notice.charset), notice.get("sign"), keys):
            return notice if keep_empty or not has_empty else _without_empty(notice)
    raise BadSignature("the signature does not fit")


def _without_empty(notice: Notice) -> Notice:
    return Notice({name: value for name, value in notice.fields.items() if value}, notice.charset)


def facts_of(notice: Notice) -> TradeFacts | RefundFacts:
    """What a verified notice says. With any of the refund fields it is about a refund, whatever trade_status says."""
    get = notice.fields.get
    if get("refund_fee") or get("gmt_refund") or get("out_biz_no"):
        return RefundFacts(
            app_id=get("app_id", ""),
            seller_id=get("seller_id", ""),
            out_trade_no=get("out_trade_no", ""),
            trade_no=trade_no_of(get("trade_no", "")),
            status=status_of(get("trade_status", "")),
            total=amount_of(get("total_amount", "")),
            refunded_total=amount_of(get("refund_fee", "")),
            out_request_no=get("out_biz_no", ""),
            refunded_at=time_of(get("gmt_refund", "")),
        )
    return TradeFacts(
        app_id=get("app_id", ""),
        seller_id=get("seller_id", ""),
        out_trade_no=get("out_trade_no", ""),
        trade_no=trade_no_of(get("trade_no", "")),
        status=status_of(get("trade_status", "")),
        total=amount_of(get("total_amount", "")),
        total_text=get("total_amount", ""),
        receipt=amount_of(get("receipt_amount", "")),
        paid_at=time_of(get("gmt_payment", "")),
    )
