"""Place an order: what is owed is frozen here, and never computed again."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction

from payments.alipay.clock import BEIJING
from payments.errors import KeyReused, OrderRefused
from payments.models import IdempotencyRecord, MerchantAccount, Order, OrderLine, Transaction
from payments.models.api_client import KeyInForce
from payments.models.order import content_hash
from payments.models.placing import place
from payments.money import Money
from payments.services.record_payment import settle_by_hand

NOTHING = Money(0)
NUMBERS_TRIED = 20  # of a hundred million a day
MOST = Money(100_000_000_00)  # Alipay takes 0.01 to 100,000,000 yuan; source: dossier 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One priced line, as the shop hands it over."""

    title: str
    unit_price: Money
    quantity: int = 1
    sku: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as it will stand, under a number that nobody else is likely to get, and its lines. Not stored."""

    order: Order
    lines: list[OrderLine]


def place_order(
    *,
    lines: Sequence[Line],
    title: str,
    language: str,
    caller: str,
    now: datetime,
    key: str = "",
    shipping: Money = NOTHING,
    discount: Money = NOTHING,
    contact_email: str = "",
    life: timedelta | None = None,
    client_id: int | None = None,
    reference: str = "",
) -> Order:
    """Freeze priced lines into an order that awaits payment until `now` + `life` (default: the setting), a whole second.

    caller   who places it: "command", "buyer:…"
    An order of nothing is paid at once, and marked so: nothing goes to Alipay.
    key      the caller's idempotency key: the same key and content give the same order, however often
    client_id, reference  the program that places it through the API, and its own name for the order
    Raises OrderRefused (less than nothing, too much, no line), KeyReused (same key, other content).
    """
    draft = draft_order(
        lines=lines, title=title, language=language, now=now, shipping=shipping, discount=discount,
        contact_email=contact_email, life=life, client_id=client_id, reference=reference,
    )  # fmt: skip
    content = [[asdict(line) for line in lines], title, asdict(shipping), asdict(discount)]
    request_hash = hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    order = draft.order
    if order.total_fen and not key:
        _place(draft, caller, now)  # one statement
        return order
    with transaction.atomic():
        earlier = _earlier(caller, key, request_hash)
        if earlier is not None:
            return earlier
        _place(draft, caller, now)
        if not order.total_fen:
            settle_by_hand(order, way=Transaction.Scene.FREE, reference="nothing to pay", actor=caller)
            order.refresh_from_db()
        if key:
            IdempotencyRecord.objects.filter(caller=caller, key=key).update(answer={"order_id": order.pk})
    return order


def draft_order(
    *,
    lines: Sequence[Line],
    title: str,
    language: str,
    now: datetime,
    shipping: Money = NOTHING,
    discount: Money = NOTHING,
    contact_email: str = "",
    life: timedelta | None = None,
    client_id: int | None = None,
    reference: str = "",
) -> Draft:
    """What `place_order` with these words would store. Raises OrderRefused."""
    goods = Money(sum(line.unit_price.fen * line.quantity for line in lines))
    total = Money(goods.fen + shipping.fen - discount.fen)
    if not lines or any(line.quantity < 1 or line.unit_price.fen < 0 for line in lines):
        raise OrderRefused("an order needs lines with a quantity and a price")
    if not NOTHING.fen <= total.fen <= MOST.fen:
        raise OrderRefused(f"an order of {total} can't be paid: Alipay takes ¥0.01 to ¥100,000,000")
    life = life or timedelta(seconds=settings.PAYMENTS["order_life_s"])
    order = Order(
        number=_new_number(now), token=secrets.token_urlsafe(24), title=title[:256], goods_fen=goods.fen,
        shipping_fen=shipping.fen, discount_fen=discount.fen, total_fen=total.fen, language=language,
        contact_email=contact_email or None, created_at=now, client_id=client_id, reference=reference,
        expires_at=(now + life).replace(microsecond=0),  # Alipay's clock for it has whole seconds, and so has ours
    )  # fmt: skip
    frozen = [
        OrderLine(
            position=at,
            title=line.title[:256],
            sku=line.sku,
            unit_price_fen=line.unit_price.fen,
            quantity=line.quantity,
        )
        for at, line in enumerate(lines, start=1)
    ]
    order.content_hash = content_hash(order, frozen)
    return Draft(order, frozen)


def place_answered(draft: Draft, *, caller: str, kept: IdempotencyRecord, shown: KeyInForce | None = None) -> bool:
    """Store the order and the answer to its request by one statement, where nothing is in the way.

    shown  a recalled key that the request shows: in force still, or nothing happens
    False, and nothing stored, where something is: the key is used or held, no account, a number that is taken, a database
    that can't say. `place_order` under the key finds out which.
    """
    assert draft.order.total_fen, "what costs nothing is paid at once, which is more than one statement"
    try:
        return place(draft.order, draft.lines, actor=caller, kept=kept, shown=shown)
    except (IntegrityError, OperationalError):
        return False


def _place(draft: Draft, caller: str, now: datetime) -> None:
    """Under a number that nobody has. Raises OrderRefused without an account."""
    for _ in range(NUMBERS_TRIED):
        if place(draft.order, draft.lines, actor=caller):
            return
        draft.order.number = _new_number(now)
        if not MerchantAccount.objects.filter(is_active=True).exists():
            raise OrderRefused("no Alipay account is connected: run `manage.py connect_alipay`")
    raise OrderRefused("today's numbers are used up")


def _earlier(caller: str, key: str, request_hash: str) -> Order | None:
    """The order this key has made already, or None after reserving the key. A parallel request with it waits here."""
    if not key:
        return None
    try:
        with transaction.atomic():
            IdempotencyRecord.objects.create(caller=caller, key=key, request_hash=request_hash, answer={})
    except IntegrityError:
        record = IdempotencyRecord.objects.get(caller=caller, key=key)
        if record.request_hash != request_hash:
            raise KeyReused(f"the key {key!r} was used for another order") from None
        return Order.objects.get(pk=record.answer["order_id"])
    return None


def _new_number(now: datetime) -> str:
    """16 digits, read in groups of four: the Beijing date and eight that can't be guessed from another order's.

    The year stands in full: 16 digits that begin with 25 to 30 could be a buyer's payment code, which logs must hide.
    """
    return f"{now.astimezone(BEIJING):%Y%m%d}{secrets.randbelow(10**8):08d}"
