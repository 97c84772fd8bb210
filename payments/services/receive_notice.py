"""Alipay's notice comes in: verify, settle, leave a trace of every message."""

import threading
import time

import structlog

from payments import gateway
from payments.alipay.facts import RefundFacts
from payments.alipay.notices import Notice, facts_of, read_form, verified
from payments.errors import BadSignature, MalformedNotice
from payments.models import InboundMessage
from payments.models.settling import HeardNotice
from payments.services.hear_refund import hear_refund
from payments.services.settle import Settled, settle

logger = structlog.get_logger(__name__)
REFUSED_KEPT = 10  # refused messages stored a minute and process; a flood of forgeries is counted, not kept
KEPT_BYTES = 8 * 1024


def receive_notice(body: bytes) -> Settled:
    """Verify and apply one notice. When this returns, its effect, or the case it became, is committed.

    body  the raw bytes of the POST: each field is read from them once
    Raises BadSignature, MalformedNotice after leaving a trace; OperationalError when the database can't say.
    """
    try:
        notice = genuine(body)
    except (BadSignature, MalformedNotice) as refusal:
        _keep_refused(body, f"{type(refusal).__name__}: {refusal}")
        raise
    source, facts = HeardNotice(notice.fingerprint, body), facts_of(notice)
    if isinstance(facts, RefundFacts):
        return hear_refund(facts, source=source)
    return settle([facts], source=source, actor="notice")[0]


def genuine(body: bytes) -> Notice:
    """The fields of a body that Alipay signed. Raises BadSignature, MalformedNotice; leaves no trace.

    Try the keys of the account it names; a message for another application may still be signed for ours.
    """
    notice = read_form(body)
    for refresh in (False, True):
        known = gateway.merchants(refresh=refresh) if refresh and _may_refresh() else gateway.merchants()
        named = known.get(notice.get("app_id"))
        number = notice.get("alipay_cert_sn")
        keys = [key for each in ([named] if named else known.values()) for key in each.who.keys_for(number)]
        try:
            return verified(notice, keys)
        except BadSignature:
            if refresh:
                raise
    raise AssertionError("the second try either returned or raised")


class _PerMinute:
    """How often something was allowed in the current minute, in this process."""

    def __init__(self, most: int) -> None:
        self.most, self.used, self.minute, self.lock = most, 0, 0, threading.Lock()

    def allows(self) -> bool:
        minute = int(time.monotonic() // 60)
        with self.lock:
            if minute != self.minute:
                self.minute, self.used = minute, 0
            self.used += 1
            return self.used <= self.most


_refreshes, _kept = _PerMinute(10), _PerMinute(REFUSED_KEPT)
_may_refresh = _refreshes.allows


def _keep_refused(body: bytes, reason: str) -> None:
    """Store the untrusted message with the check that failed, on its own; it changed nothing else."""
    logger.warning("notice_refused", reason=reason, size=len(body))
    if _kept.allows():
        InboundMessage.objects.create(
            body=body[:KEPT_BYTES].decode("utf-8", "backslashreplace"),
            verdict=InboundMessage.Verdict.REFUSED,
            reason=reason[:200],
        )
