"""Payment codes that buyers show at a counter, and what becomes of each. Source: dossier 2.5.

Any code of Alipay's form pays. A code that begins with one of the marks below ends as told, so that a test can choose.
"""

import random
import re
from enum import StrEnum

from payments.money import Money
from payments.sandbox.book import Book, Trade
from payments.sandbox.refusals import Refused

NO_PASSWORD_UP_TO = Money(1000_00)
SCENES = ("bar_code", "wave_code", "security_code", "face_code")
_FORM = re.compile(r"(?:2[5-9]|30)\d{14,22}|fp[0-9A-Za-z]{33}", re.ASCII)


class Outcome(StrEnum):
    """What a payment code leads to; the value is how such a code begins."""

    PASSWORD = "25000001"  # noqa: S105  # a mark, no secret: the buyer is asked, the answer is 10003
    TOO_LITTLE = "25000002"
    RISK = "25000003"
    OUTDATED = "25000004"
    PAYS = "28"


_REFUSED = {
    Outcome.TOO_LITTLE: ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足"),
    Outcome.RISK: ("ACQ.PAYMENT_REQUEST_HAS_RISK", "支付有风险"),
    Outcome.OUTDATED: ("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付授权码无效"),
}


def new_code(outcome: Outcome, chance: random.Random) -> str:
    """An 18-digit payment code that leads there."""
    missing = 18 - len(outcome)
    return f"{outcome}{chance.randrange(10**missing):0{missing}d}"


def read_code(auth_code: str, trade: Trade, book: Book) -> bool:
    """Whether this code pays at once; False asks the buyer for a password. Raises Refused."""
    used_for = book.by_auth_code(auth_code)
    if not _FORM.fullmatch(auth_code) or (used_for is not None and used_for is not trade):
        raise Refused(*_REFUSED[Outcome.OUTDATED])
    outcome = next((each for each in Outcome if each is not Outcome.PAYS and auth_code.startswith(each)), Outcome.PAYS)
    if outcome in _REFUSED:
        raise Refused(*_REFUSED[outcome])
    return outcome is Outcome.PAYS and trade.total <= NO_PASSWORD_UP_TO
