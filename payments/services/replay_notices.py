"""Hear kept notices once more: after a mistake of ours was mended, or to prove that nothing changes."""

from collections import Counter
from collections.abc import Iterable

import structlog

from payments.alipay.notices import read_form
from payments.errors import BadSignature, MalformedNotice
from payments.models import InboundMessage
from payments.models.settling import HeardNotice, KeptNotice
from payments.services.receive_notice import genuine, take_in
from payments.services.settle import Settled

logger = structlog.get_logger(__name__)
Verdict = InboundMessage.Verdict


def replay_each(messages: Iterable[InboundMessage]) -> Counter[str]:
    """Replay some, and count them by outcome. What a fault of ours stops "broke", is told in the log, and stops no other."""
    counts: Counter[str] = Counter()
    for message in messages:
        try:
            counts[str(replay(message) or "still refused")] += 1
        except Exception:  # the outermost door of both who ask for it
            logger.exception("replay_broke", message=message.pk)
            counts["broke"] += 1
    return counts


def replay(message: InboundMessage) -> Settled | None:
    """Send one kept message through the same door again. What was applied before changes nothing, any number of times.

    One that was refused, or that a fault of ours stopped, is verified anew, for keys and code may have been put right
    since. None where there is nothing to hear: a return, or a message that is still not genuine.
    """
    if message.kind != InboundMessage.Kind.NOTICE:
        return None
    if message.fingerprint is None:
        return _replay_unheard(message)
    source = KeptNotice(message.fingerprint, message.pk, message.verdict)
    outcome = take_in(read_form(str(message.body).encode()), source=source, actor="replay")
    if message.verdict == Verdict.UNJUDGED and outcome in Verdict.values:
        InboundMessage.objects.filter(pk=message.pk, verdict=Verdict.UNJUDGED).update(verdict=outcome)
    return outcome


def _replay_unheard(message: InboundMessage) -> Settled | None:
    """It changes into a known one when it proves genuine; its effect stands with a row of its own, found by its fingerprint."""
    body = str(message.body).encode()
    try:
        notice = genuine(body)
    except (BadSignature, MalformedNotice):
        return None
    outcome = take_in(notice, source=HeardNotice(notice.fingerprint, body), actor="replay")
    InboundMessage.objects.filter(pk=message.pk, verdict__in=(Verdict.REFUSED, Verdict.CRASHED)).update(
        verdict=Verdict.DUPLICATE, reason="genuine after all"
    )
    logger.warning("unheard_notice_was_genuine", message=message.pk, outcome=outcome)
    return outcome
