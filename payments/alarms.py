"""What the line to Alipay shows that a person must look at: each becomes a case once, and a line in the log."""

import structlog

from payments.models import Case, MerchantAccount

logger = structlog.get_logger(__name__)
_reached: set[str] = set()  # app_ids whose gateway answered this process and has not failed since


def note_line(account: MerchantAccount, *, is_down: bool) -> None:
    """The gateway answered, or has not for a while. Asks the database only when that is news to this process."""
    subject = f"gateway:{account.app_id}"
    if not is_down:
        if account.app_id not in _reached:
            _reached.add(account.app_id)
            if Case.objects.resolve(Case.Kind.GATEWAY_DOWN, subject, actor="gateway", note="it answers again"):
                logger.warning("gateway_answers_again", app_id=account.app_id)
    else:
        _reached.discard(account.app_id)
        if Case.objects.open_once(Case.Kind.GATEWAY_DOWN, subject, evidence="", gateway=account.gateway_url):
            logger.error("gateway_down", app_id=account.app_id)


def cannot_sign(account: MerchantAccount, *, why: str) -> None:
    """Nothing can leave for this account until it has keys again; its next answer ends the case."""
    _reached.discard(account.app_id)
    Case.objects.open_once(Case.Kind.GATEWAY_DOWN, f"gateway:{account.app_id}", evidence="", why=why[:200])


def not_alipay(account: MerchantAccount, *, what: str, why: str, evidence: str = "") -> None:
    """Something came that Alipay did not sign, or that speaks of another amount. Nothing was done because of it."""
    logger.error("answer_not_believed", app_id=account.app_id, what=what, why=why)
    Case.objects.open_once(Case.Kind.NOT_ALIPAY, f"{what}:{account.app_id}", evidence=evidence, why=why[:200])


def certificate_ends(account: MerchantAccount, *, whose: str, sn: str, mark: str, ends: str) -> None:
    """A certificate has come to one of its marks: "30 days", "7 days", "1 day", "ended"."""
    if Case.objects.open_once(
        Case.Kind.CERTIFICATE, f"{sn}:{mark}", evidence="", app_id=account.app_id, whose=whose, left=mark, ends=ends
    ):
        logger.error("certificate_ends", app_id=account.app_id, whose=whose, left=mark)
