"""Alipay's asynchronous notice: raw body to verified fields, read once and only once, and from there to facts."""

import hashlib
import re
from binascii import a2b_qp
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from payments.alipay.facts import RefundFacts, TradeFacts, amount_of, status_of, time_of
from payments.alipay.signing import SIGN_TYPE, notice_text, verifies
from payments.errors import BadSignature, MalformedNotice

LONGEST_BODY = 64 * 1024  # a notice has about 2 KB
MOST_FIELDS = 100  # and about 30 fields
CHARSETS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}
_NOT_FORM = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00|[^\x21-\x7e]")
_NAMES = re.compile(r"[A-Za-z0-9_.]{1,64}(?:&[A-Za-z0-9_.]{1,64})*", re.ASCII)
_REFUND_FIELDS = ("refund_fee", "gmt_refund", "out_biz_no")
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
    if _NOT_FORM.search(body):
        raise MalformedNotice("bytes that no form has")
    pairs = [pair.partition(b"=") for pair in body.split(b"&")]
    if len(pairs) > MOST_FIELDS:
        raise MalformedNotice(f"{len(pairs)} fields")
    raw = {name: value for name, _, value in pairs}
    if len(raw) != len(pairs):
        raise MalformedNotice("a field stands twice")
    charset = CHARSETS.get(raw.get(b"charset", b"utf-8").decode().lower())
    if charset is None:
        raise MalformedNotice("a charset that Alipay does not use")
    try:
        fields = {name.decode(): _value(value, charset) for name, value in raw.items()}
    except UnicodeDecodeError:
        raise MalformedNotice(f"not {charset}") from None
    if not _NAMES.fullmatch("&".join(fields)):
        raise MalformedNotice("a field whose name is none")
    return Notice(fields, charset)


def verified(notice: Notice, keys: Iterable[RSAPublicKey]) -> Notice:
    """The same notice, now known to come from Alipay.

    Raises BadSignature. Only RSA2 is accepted, whatever the notice says of itself.
    """
    if notice.get("sign_type") != SIGN_TYPE:
        raise BadSignature("sign_type is not RSA2")
    keys = tuple(keys)
    for keep_empty in (False, True) if "" in notice.fields.values() else (False,):
        text = notice_text(notice.fields, keep_empty=keep_empty)
        if verifies(text.encode(notice.charset), notice.get("sign"), keys):
            return notice
    raise BadSignature("the signature does not fit")


def facts_of(notice: Notice) -> TradeFacts | RefundFacts:
    """What a verified notice says. With any of the refund fields it is about a refund, whatever trade_status says."""
    get = notice.get
    if any(get(name) for name in _REFUND_FIELDS):
        return RefundFacts(
            app_id=get("app_id"),
            seller_id=get("seller_id"),
            out_trade_no=get("out_trade_no"),
            trade_no=get("trade_no") or None,
            status=status_of(get("trade_status")),
            total=amount_of(get("total_amount")),
            refunded_total=amount_of(get("refund_fee")),
            out_request_no=get("out_biz_no"),
            refunded_at=time_of(get("gmt_refund")),
        )
    return TradeFacts(
        app_id=get("app_id"),
        seller_id=get("seller_id"),
        out_trade_no=get("out_trade_no"),
        trade_no=get("trade_no") or None,
        status=status_of(get("trade_status")),
        total=amount_of(get("total_amount")),
        total_text=get("total_amount"),
        receipt=amount_of(get("receipt_amount")),
        paid_at=time_of(get("gmt_payment")),
    )


def _value(raw: bytes, charset: str) -> str:
    """One value, decoded once. Quoted-printable differs from a form's encoding in its escape sign alone, and is read in C."""
    if b"+" in raw:
        raw = raw.replace(b"+", b"%20")
    if b"%" in raw:
        raw = a2b_qp(raw.replace(b"=", b"%3D").replace(b"%", b"="))
    return raw.decode(charset)
