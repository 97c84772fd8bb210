"""The only place that calls Alipay: the intent is committed, then the call leaves, then its outcome is committed.

No call leaves while a database transaction is open: a slow gateway must not hold a row.
"""

import atexit
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connection, transaction

from payments.alipay import requests
from payments.alipay.answers import read_query
from payments.alipay.client import Post, Transport
from payments.alipay.facts import TradeFacts
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import CertainlyNot, Done, Next, Unknown
from payments.credentials import credentials_of
from payments.errors import BadKey, NoAnswer, NotSent
from payments.models import GatewayCall, MerchantAccount, Transaction
from payments.models.clock import database_now
from payments.models.settling import AskedQuery
from payments.money import Money

logger = structlog.get_logger(__name__)
Answer = TypeVar("Answer")
Effect = TypeVar("Effect")
Result = Done[Answer] | CertainlyNot | Unknown
KEYS_FRESH_S = 15.0  # a rotated key is in use everywhere this much later, without a restart


@dataclass(frozen=True, slots=True)
class Merchant:
    """An account with its keys parsed: everything needed to talk to Alipay as this merchant."""

    account: MerchantAccount
    who: Credentials


_transports: dict[int, Transport] = {}
_merchants: tuple[float, dict[str, Merchant]] = (0.0, {})


def transport() -> Transport:
    """This process's connections to Alipay. A forked child gets its own."""
    known = _transports.get(os.getpid())
    if known is not None:
        return known
    made = Transport(connections=settings.PAYMENTS["batch_connections"])
    kept = _transports.setdefault(os.getpid(), made)
    if kept is not made:  # another thread was faster
        made.close()
    return kept


@atexit.register
def close_transport() -> None:
    """Close this process's connections, at its end at the latest; the next call opens new ones."""
    open_here = _transports.pop(os.getpid(), None)
    if open_here is not None:
        open_here.close()


def merchants(*, refresh: bool = False) -> dict[str, Merchant]:
    """Every account in use, by app_id, with the keys valid now. Read from the database at most every 15 seconds.

    An account without a valid key is left out and spoils no other; `merchant_of` says what it lacks.
    """
    global _merchants
    read_at, known = _merchants
    if refresh or time.monotonic() - read_at > KEYS_FRESH_S or not known:
        now = database_now()
        known = {}
        for account in MerchantAccount.objects.filter(is_active=True):
            try:
                known[account.app_id] = Merchant(account, credentials_of(account, now))
            except BadKey as error:
                logger.error("account_without_valid_keys", app_id=account.app_id, why=str(error))
        _merchants = (time.monotonic(), known)
    return known


def merchant_of(account: MerchantAccount) -> Merchant:
    """One account with its keys. Raises BadKey when it is not in use, or has none that is valid."""
    found = merchants().get(account.app_id) or merchants(refresh=True).get(account.app_id)
    if found is None:
        credentials_of(account, database_now())  # says what is missing
        raise BadKey(f"the account {account.app_id} is not in use")
    return found


def call(
    attempt: Transaction,
    request: requests.Request,
    *,
    purpose: str,
    read: Callable[[bytes, Credentials], Result[Answer]],
    finish: Callable[[Result[Answer]], Effect],
    deadline_s: float,
    call_id: uuid.UUID | None = None,
    number: str = "",
    amount: Money | None = None,
) -> Effect:
    """Make one writing call about an attempt and commit its outcome together with its effect.

    read             the answer's body to done / certainly not / unknown
    finish           the effect, run inside the transaction that stores the outcome; its value is returned
    call_id          the journal row's key, for effects that name it as their evidence
    number, amount   what the call is about, where that is not the attempt itself: a refund's own

    Never raises for what Alipay or the line does: that is an outcome.
    """
    _refuse_inside_a_transaction()
    merchant = merchant_of(attempt.account)
    journal = GatewayCall.objects.create(
        id=call_id or uuid.uuid4(), account=attempt.account, transaction=attempt, method=request.method, purpose=purpose,
        number=number or attempt.out_trade_no, amount_fen=(amount or attempt.amount).fen,
        request_hash=hashlib.sha256(request.biz_content.encode()).hexdigest(),
    )  # fmt: skip
    signed = requests.signed(request, who=merchant.who, at=database_now())
    try:
        body = transport().send(Post(signed.post_url(merchant.account.gateway_url), signed.body), deadline_s=deadline_s)
        result = read(body, merchant.who)
    except NotSent as error:
        result = CertainlyNot("", "NOT_SENT", Next.REPEAT)
        logger.warning("gateway_not_reached", purpose=purpose, number=journal.number, why=str(error))
    except NoAnswer as error:
        result = Unknown(str(error))
    with transaction.atomic(durable=True):
        outcome, code, why = _journal_words(result)
        GatewayCall.objects.finish(journal, outcome=outcome, code=code, why=why)
        effect = finish(result)
    logger.info("gateway_called", purpose=purpose, number=journal.number, outcome=outcome, code=code, why=why)
    return effect


def ask(
    merchant: Merchant, numbers: Sequence[str], *, deadline_s: float
) -> tuple[AskedQuery, list[Result[TradeFacts]]]:
    """Ask Alipay about some numbers at once. Changes nothing here: what was learned goes through `settle`."""
    _refuse_inside_a_transaction()
    source = AskedQuery(uuid.uuid4(), merchant.account.pk, database_now())
    posts = []
    for number in numbers:
        signed = requests.signed(requests.query(number), who=merchant.who, at=source.started_at)
        posts.append(Post(signed.post_url(merchant.account.gateway_url), signed.body))
    results: list[Result[TradeFacts]] = []
    for number, body in zip(numbers, transport().send_many(posts, deadline_s=deadline_s), strict=True):
        if isinstance(body, NoAnswer):
            results.append(Unknown(str(body)))
        else:
            results.append(read_query(body, who=merchant.who, out_trade_no=number))
    return source, results


def _journal_words(result: Result[Answer]) -> tuple[GatewayCall.Outcome, str, str]:
    match result:
        case Done(None):
            return GatewayCall.Outcome.DONE, "10000", "nothing there"
        case Done():
            return GatewayCall.Outcome.DONE, "10000", ""
        case CertainlyNot(code, sub_code, _):
            return GatewayCall.Outcome.CERTAINLY_NOT, f"{code} {sub_code}".strip(), ""
        case Unknown(why):
            return GatewayCall.Outcome.UNKNOWN, "", why


def _refuse_inside_a_transaction() -> None:
    """A test case's own outer transaction does not count, as with Django's durable blocks."""
    ours = [block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)]
    assert not ours, "Alipay was about to be called inside a database transaction"
