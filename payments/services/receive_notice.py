"""Alipay's notice or message comes in: verify, settle, leave a trace of every one."""

import threading
import time

import structlog
from django.db import InterfaceError, OperationalError

from payments import gateway
from payments.alipay.facts import RefundFacts
from payments.alipay.messages import is_message, verified_message
from payments.alipay.notices import Notice, facts_of, read_form, verified
from payments.errors import BadSignature, MalformedNotice
from payments.models import InboundMessage
from payments.models.settling import HeardNotice, KeptNotice
from payments.services.deposit_back import hear_message
from payments.services.hear_refund import hear_refund
from payments.services.settle import Settled, settle

logger = structlog.get_logger(__name__)
REFUSED_KEPT = 10  # refused messages stored a minute and process; a flood of forgeries is counted, not kept
KEPT_BYTES = 8 * 1024


def receive_notice(body: bytes) -> Settled:
    """Verify and apply one notice, or one message to the application.

    When this returns, its effect, or the case it became, is committed.

    body  the raw bytes of the POST: each field is read from them once
    Raises BadSignature, MalformedNotice after leaving a trace; OperationalError when the database can't say. A fault of
    our own is raised after leaving a trace too: Alipay repeats, and the message is there for whoever mends it.
    """
    try:
        notice = genuine(body)
    except (BadSignature, MalformedNotice) as refusal:
        _keep_refused(body, f"{type(refusal).__name__}: {refusal}")
        raise
    try:
        return take_in(notice, source=HeardNotice(notice.fingerprint, body), actor="notice")
    except (OperationalError, InterfaceError):
        raise
    except Exception as fault:
        _keep(
            body, InboundMessage.Verdict.CRASHED, f"{type(fault).__name__}: {fault}", number=notice.get("out_trade_no")
        )
        raise


def take_in(notice: Notice, *, source: HeardNotice | KeptNotice, actor: str) -> Settled:
    """Give verified fields to what they are about: a payment, a refund, or a refund on its way to a bank."""
    if is_message(notice):
        return hear_message(notice, source=source)
    facts = facts_of(notice)
    if isinstance(facts, RefundFacts):
        return hear_refund(facts, source=source)
    return settle([facts], source=source, actor=actor)[0]


def genuine(body: bytes) -> Notice:
    """The fields of a body that Alipay signed. Raises BadSignature, MalformedNotice; leaves no trace.

    Try the keys of the account it names; a message for another application may still be signed for ours.
    """
    notice = read_form(body)
    check = verified_message if is_message(notice) else verified
    for refresh in (False, True):
        known = gateway.merchants(refresh=refresh) if refresh and _may_refresh() else gateway.merchants()
        named = known.get(notice.get("app_id"))
        number = notice.get("alipay_cert_sn")
        keys = [key for each in ([named] if named else known.values()) for key in each.who.keys_for(number)]
        try:
            return check(notice, keys)
        except BadSignature:
            if refresh:
                raise
    raise AssertionError("the second try either returned or raised")


class _PerMinute:
    """How often something was allowed in the current minute, in this process."""

    def __init__(self, most: int) -> None:
        self.most, self.used, self.minute, self.lock = most, 0, 0, threading.Lock()
        self.left_out = 0  # in earlier minutes, not told yet

    def allows(self) -> bool:
        minute = int(time.monotonic() // 60)
        with self.lock:
            if minute != self.minute:
                self.left_out += max(0, self.used - self.most)
                self.minute, self.used = minute, 0
            self.used += 1
            return self.used <= self.most

    def take_left_out(self) -> int:
        """How many were not allowed in the minutes before this one; told once."""
        with self.lock:
            told, self.left_out = self.left_out, 0
            return told


_refreshes, _kept = _PerMinute(10), _PerMinute(REFUSED_KEPT)
_may_refresh = _refreshes.allows


def _keep_refused(body: bytes, reason: str) -> None:
    """Store and log the untrusted message with the check that failed; beyond a few a minute they are only counted."""
    if not _kept.allows():
        return
    left_out = _kept.take_left_out()
    logger.warning("notice_refused", reason=reason, size=len(body), left_out=left_out)
    _keep(body, InboundMessage.Verdict.REFUSED, reason + (f" ({left_out} more were not kept)" if left_out else ""))


def _keep(body: bytes, verdict: InboundMessage.Verdict, reason: str, *, number: str = "") -> None:
    """The message on its own; it changed nothing else."""
    InboundMessage.objects.create(
        body=body[:KEPT_BYTES].decode("utf-8", "backslashreplace"), verdict=verdict, reason=reason[:200],
        out_trade_no=number[:64],
    )  # fmt: skip
