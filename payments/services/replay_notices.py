"""Hear kept notices once more: after a mistake of ours was mended, or to prove that nothing changes."""

import structlog

from payments.alipay.notices import read_form
from payments.errors import BadSignature, MalformedNotice
from payments.models import InboundMessage
from payments.models.settling import KeptNotice
from payments.services.receive_notice import genuine, receive_notice, take_in
from payments.services.settle import Settled

logger = structlog.get_logger(__name__)
Verdict = InboundMessage.Verdict


def replay(message: InboundMessage) -> Settled | None:
    """Send one kept message through the same door again. What was applied before changes nothing, any number of times.

    A refused one is verified anew, for keys may have been put right since. None where there is nothing to hear: a
    return, or a message that is still not genuine.
    """
    if message.kind != InboundMessage.Kind.NOTICE:
        return None
    if message.verdict == Verdict.REFUSED:
        return _replay_refused(message)
    source = KeptNotice(message.fingerprint or "", message.pk, message.verdict)
    outcome = take_in(read_form(str(message.body).encode()), source=source, actor="replay")
    if message.verdict == Verdict.UNJUDGED and outcome in Verdict.values:
        InboundMessage.objects.filter(pk=message.pk, verdict=Verdict.UNJUDGED).update(verdict=outcome)
    return outcome


def _replay_refused(message: InboundMessage) -> Settled | None:
    """A refused message changes into a known one when it proves genuine; its effect stands with a row of its own."""
    body = str(message.body).encode()
    try:
        genuine(body)
    except (BadSignature, MalformedNotice):
        return None
    outcome = receive_notice(body)
    InboundMessage.objects.filter(pk=message.pk, verdict=Verdict.REFUSED).update(
        verdict=Verdict.DUPLICATE, reason="genuine after all"
    )
    logger.warning("refused_notice_was_genuine", message=message.pk, outcome=outcome)
    return outcome
