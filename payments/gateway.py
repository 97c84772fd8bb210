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
from datetime import date, datetime
from typing import BinaryIO, TypeVar

import structlog
from django.conf import settings
from django.db import connection, transaction

from payments import alarms
from payments.alipay import requests
from payments.alipay.answers import read_bill_link, read_query
from payments.alipay.bill_download import LinkRules, download
from payments.alipay.client import Post, Transport
from payments.alipay.facts import BillLink, TradeFacts
from payments.alipay.keys import Credentials
from payments.alipay.outcomes import QUERY, CertainlyNot, Done, Next, Unknown
from payments.alipay.pace import Pace
from payments.credentials import credentials_of
from payments.errors import BadKey, LinkRefused, NoAnswer, NotABill, NotSent
from payments.models import GatewayCall, MerchantAccount, Transaction
from payments.models.clock import database_now
from payments.models.settling import AskedQuery
from payments.money import Money

logger = structlog.get_logger(__name__)
Answer = TypeVar("Answer")
Effect = TypeVar("Effect")
Result = Done[Answer] | CertainlyNot | Unknown
BILL_TRIES = 3
NOT_SENT = CertainlyNot("", "NOT_SENT", Next.REPEAT)
KEYS_FRESH_S = 15.0  # a rotated key is in use everywhere this much later, without a restart


@dataclass(frozen=True, slots=True)
class Merchant:
    """An account with its keys parsed: everything needed to talk to Alipay as this merchant."""

    account: MerchantAccount
    who: Credentials


_transports: dict[int, Transport] = {}
_paces: dict[str, Pace] = {}  # by app_id
_merchants: tuple[float, dict[str, Merchant]] = (0.0, {})


def transport() -> Transport:
    """This process's connections to Alipay. A forked child gets its own."""
    known = _transports.get(os.getpid())
    if known is not None:
        return known
    clocks = settings.PAYMENTS
    made = Transport(
        connections=clocks["batch_connections"], failures=clocks["breaker_failures"], pause_s=clocks["breaker_pause_s"]
    )
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


def able_to_sign(account: MerchantAccount) -> Merchant | None:
    """One account with its keys; None, and a case, where it has none that is valid: nothing of it can leave."""
    try:
        return merchant_of(account)
    except BadKey as error:
        alarms.cannot_sign(account, why=str(error))
        return None


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

    Never raises for what Alipay or the line does, nor for keys that are missing: that is an outcome.
    """
    _refuse_inside_a_transaction()
    merchant = able_to_sign(attempt.account)
    journal = GatewayCall.objects.create(
        id=call_id or uuid.uuid4(), account=attempt.account, transaction=attempt, method=request.method, purpose=purpose,
        number=number or attempt.out_trade_no, amount_fen=(amount or attempt.amount).fen,
        request_hash=hashlib.sha256(request.biz_content.encode()).hexdigest(),
    )  # fmt: skip
    result = _answer(merchant, request, read, deadline_s) if merchant else NOT_SENT
    with transaction.atomic(durable=True):
        outcome, code, why = _journal_words(result)
        GatewayCall.objects.finish(journal, outcome=outcome, code=code, why=why)
        if merchant:
            _alarm(merchant, request.method, [result], evidence=f"call:{journal.pk}")
        effect = finish(result)
    logger.info("gateway_called", purpose=purpose, number=journal.number, outcome=outcome, code=code, why=why)
    return effect


def ask(
    merchant: Merchant, numbers: Sequence[str], *, deadline_s: float
) -> tuple[AskedQuery, list[Result[TradeFacts]]]:
    """Ask Alipay about some numbers at once. Changes nothing here: what was learned goes through `settle`."""
    _refuse_inside_a_transaction()
    source = AskedQuery(uuid.uuid4(), merchant.account.pk, database_now())
    pace = _paces.setdefault(merchant.account.app_id, Pace())
    if not pace.may_ask():
        return source, [Unknown("resting: Alipay said that we ask too often", Next.BACK_OFF)] * len(numbers)
    posts = [_post(merchant, requests.query(number), source.started_at) for number in numbers]
    bodies = transport().send_many(posts, deadline_s=deadline_s)
    results: list[Result[TradeFacts]] = [
        Unknown(str(body)) if isinstance(body, NoAnswer) else read_query(body, who=merchant.who, out_trade_no=number)
        for number, body in zip(numbers, bodies, strict=True)
    ]
    pace.heard(limited=any(isinstance(each, Unknown) and each.next is Next.BACK_OFF for each in results))
    _alarm(merchant, QUERY, results, evidence=source.evidence)
    return source, results


def fetch_bill(merchant: Merchant, *, bill_type: str, day: date, into: BinaryIO) -> Result[BillLink]:
    """Ask where a day's bill lies and write it to `into` at once, for the link lives thirty seconds. Up to three times.

    Done with an empty `into`: Alipay has no file, for the day had no business. CertainlyNot with Next.WAIT: not made yet.
    The link is in no log and in no result.
    """
    _refuse_inside_a_transaction()
    clocks = settings.PAYMENTS
    rules = LinkRules(frozenset(settings.BILL_HOSTS), frozenset(settings.BILL_ORIGINS))
    request, why = requests.bill_link(bill_type=bill_type, day=day), ""
    for _ in range(BILL_TRIES):
        into.seek(0)
        into.truncate()
        result = _answer(merchant, request, lambda body, who: read_bill_link(body, who=who), clocks["call_deadline_s"])
        _alarm(merchant, request.method, [result])
        if not isinstance(result, Done) or not result.answer.url:
            return result
        try:
            download(result.answer.url, into, rules=rules, deadline_s=clocks["bill_deadline_s"])
        except LinkRefused as error:
            alarms.not_alipay(merchant.account, what="bill link", why=str(error))
            return Unknown(str(error), Next.ALERT)
        except (NoAnswer, NotABill) as error:
            why = str(error)
            logger.warning("bill_not_fetched", bill_type=bill_type, day=f"{day:%Y-%m-%d}", why=why)
        else:
            return Done(BillLink("", result.answer.is_empty))
    return Unknown(why, Next.REPEAT)


def _answer(
    merchant: Merchant,
    request: requests.Request,
    read: Callable[[bytes, Credentials], Result[Answer]],
    deadline_s: float,
) -> Result[Answer]:
    """Send one request and read what comes back."""
    post = _post(merchant, request, database_now())
    try:
        return read(transport().send(post, deadline_s=deadline_s), merchant.who)
    except NotSent as error:
        logger.warning("gateway_not_reached", method=request.method, why=str(error))
        return NOT_SENT
    except NoAnswer as error:
        return Unknown(str(error))


def _post(merchant: Merchant, request: requests.Request, at: datetime) -> Post:
    signed = requests.signed(request, who=merchant.who, at=at)
    return Post(signed.post_url(merchant.account.gateway_url), signed.body, request.changes_nothing)


def _alarm(merchant: Merchant, method: str, results: Sequence[Result[Answer]], *, evidence: str = "") -> None:
    """Tell of a line that is dead, or alive again, and of answers that can't be Alipay's."""
    alarms.note_line(merchant.account, is_down=transport().is_down(merchant.account.gateway_url))
    doubted = next((each for each in results if isinstance(each, Unknown) and each.next is Next.ALERT), None)
    if doubted is not None:
        alarms.not_alipay(merchant.account, what=method, why=doubted.why, evidence=evidence)


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
