"""Messages to the application's gateway address, which Alipay sends beside notices: who they are from, and what they say.

They come as forms like notices, with the news as JSON in biz_content. Source: dossier 2.10, 4.3.
"""

import json
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from payments.alipay.facts import DepositBack, deposit_back_of
from payments.alipay.notices import Notice
from payments.alipay.signing import SIGN_TYPE, notice_text, request_text, verifies
from payments.errors import BadSignature, MalformedNotice

DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"


def is_message(notice: Notice) -> bool:
    """Whether it is a message to the application rather than a notice about a trade."""
    return "msg_method" in notice.fields


def verified_message(message: Notice, keys: Iterable[RSAPublicKey]) -> Notice:
    """The same message, now known to come from Alipay.

    Some of its senders sign sign_type too and some leave it out, so both texts are tried; the hash is RSA2's either way.
    Raises BadSignature.
    """
    if message.get("sign_type") not in (SIGN_TYPE, ""):
        raise BadSignature("sign_type is not RSA2")
    keys = tuple(keys)
    for text in (notice_text(message.fields, keep_empty=False), request_text(message.fields)):
        if verifies(text.encode(message.charset), message.get("sign"), keys):
            return message
    raise BadSignature("the signature does not fit")


def read_deposit_back(message: Notice) -> DepositBack:
    """A refund reached the buyer's bank card, or did not. The message must have been verified before.

    Raises MalformedNotice: another message, or one that can't be read once and only once.
    """
    if message.get("msg_method") != DEPOSIT_BACK:
        raise MalformedNotice(f"not about deposits: {message.get('msg_method')!r:.60}")
    try:
        content = json.loads(message.get("biz_content"), object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError):
        raise MalformedNotice("biz_content is not JSON") from None
    numbers = [content.get(name) if isinstance(content, dict) else None for name in ("out_trade_no", "out_request_no")]
    if not all(isinstance(number, str) and number for number in numbers):
        raise MalformedNotice("a deposit without its numbers")
    return deposit_back_of(content, str(numbers[0]), str(numbers[1]))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedNotice("a name stands twice")
    return fields
