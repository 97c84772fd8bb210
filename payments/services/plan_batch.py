"""Plan a bulk refund: which orders, how much of each, and why not the others. A dry run that stays, and asks for nothing."""

from collections.abc import Collection, Iterable
from datetime import date

from django.db import transaction
from django.db.models import QuerySet

from payments.errors import NotAllowed, NothingFound, TooMany
from payments.models import AuditEvent, Order, Refund, RefundBatch, RefundBatchItem, User
from payments.queries.refundable import Line, Refundable, refundable_of
from payments.services.approve_refund import actor

MOST = 10_000
CHUNK = 500
State, Why, Scope = RefundBatchItem.State, RefundBatchItem.Why, RefundBatch.Scope


def plan_batch(
    orders: QuerySet[Order],
    *,
    person: User,
    scope: RefundBatch.Scope,
    reason: Refund.Reason,
    skus: Collection[str] = (),
    note: str = "",
    paid_from: date | None = None,
    paid_until: date | None = None,
) -> RefundBatch:
    """Write down what would be refunded of each of these orders. Nothing is set aside, and nobody hears of it.

    skus        article numbers of the goods, where the scope is GOODS
    paid_from, paid_until  for the record: how the orders were chosen

    Raises NotAllowed, TooMany (more than MOST orders), NothingFound (no order at all).
    """
    if not person.has_perm("payments.request_bulk_refund"):
        raise NotAllowed("this person may not ask for refunds of many orders")
    ids = list(orders.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if not ids:
        raise NothingFound("none of the orders is there")
    if len(ids) > MOST:
        raise TooMany(f"a bulk refund takes {MOST} orders at most")
    with transaction.atomic():
        items = [item for at in range(0, len(ids), CHUNK) for item in _items(ids[at : at + CHUNK], scope, skus)]
        wanted = [item.amount_fen for item in items if item.state == State.PLANNED]
        batch = RefundBatch.objects.create(
            requested_by=person, scope=scope, reason_code=reason, note=note, skus=sorted(skus), paid_from=paid_from,
            paid_until=paid_until, orders=len(wanted), total_fen=sum(wanted),
        )  # fmt: skip
        for item in items:
            item.batch = batch
        RefundBatchItem.objects.bulk_create(items, batch_size=CHUNK)
        AuditEvent.objects.add(
            batch, "planned", actor=actor(person), state=batch.state, orders=batch.orders, fen=batch.total_fen,
            left_out=len(items) - batch.orders,
        )  # fmt: skip
    return batch


def _items(ids: list[int], scope: RefundBatch.Scope, skus: Collection[str]) -> list[RefundBatchItem]:
    orders = list(Order.objects.filter(pk__in=ids).select_related("paid_by").order_by("pk"))
    parts = refundable_of(orders)
    return [_item(order, parts[order.pk], scope, skus) for order in orders]


def _item(order: Order, part: Refundable | None, scope: RefundBatch.Scope, skus: Collection[str]) -> RefundBatchItem:
    if part is None:
        return RefundBatchItem(order=order, state=State.LEFT_OUT, why=Why.NOT_PAID, amount_fen=0, seen_fen=0)
    chosen = [line for line in part.lines if scope == Scope.WHOLE or line.sku in skus]
    lines = _within(part.most.fen, chosen)
    fen = part.most.fen if scope == Scope.WHOLE else sum(lines.values())
    if not fen:
        why = _why_not(part, chosen)
        return RefundBatchItem(order=order, state=State.LEFT_OUT, why=why, amount_fen=0, seen_fen=part.most.fen)
    by_line = lines if sum(lines.values()) == fen else {}
    return RefundBatchItem(order=order, amount_fen=fen, seen_fen=part.most.fen, lines=by_line)


def _within(most: int, lines: Iterable[Line]) -> dict[str, int]:
    """What is left of each line, in their order, and all of them within what is left of the payment."""
    taken: dict[str, int] = {}
    for line in lines:
        fen = min(line.left.fen, most - sum(taken.values()))
        if fen:
            taken[line.key] = fen
    return taken


def _why_not(part: Refundable, chosen: list[Line]) -> RefundBatchItem.Why:
    if not chosen:
        return Why.OTHER_GOODS
    if part.closed:
        return Why.OVER
    if part.most.fen:
        return Why.GOODS_BACK
    return Why.ON_ITS_WAY if part.waiting.fen else Why.ALL_BACK
