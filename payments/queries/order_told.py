"""Orders as the API tells them: one read with lines and money, whoever may know of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import connection

from payments.models import Order

TOLD = """
SELECT o.number, o.reference, o.state, o.title, o.token, o.goods_fen, o.shipping_fen, o.discount_fen, o.total_fen,
       coalesce(paid.amount_fen, 0), coalesce(paid.refunded_fen, 0),
       o.created_at, o.expires_at, o.paid_at, o.closed_at, o.cancelled_at,
       (SELECT json_agg(json_build_object(
            'position', l.position, 'title', l.title, 'sku', l.sku, 'unit_price_fen', l.unit_price_fen, 'quantity', l.quantity
        ) ORDER BY l.position) FROM payments_orderline l WHERE l.order_id = o.id)
FROM payments_order o LEFT JOIN payments_transaction paid ON paid.id = o.paid_by_id
"""
MORE = frozenset({"paid_fen", "refunded_fen", "lines"})  # than the order itself knows
ONE = f"{TOLD} WHERE o.number = %s AND (%s::boolean OR o.client_id = %s::bigint)"
MANY = f"{TOLD} WHERE o.id = ANY(%s::bigint[]) ORDER BY o.id DESC"


@dataclass(frozen=True, slots=True)
class ToldOrder:
    """What may be said of an order; amounts in fen, times aware; `lines` are dicts in the order of their position."""

    number: str
    reference: str
    state: str
    title: str
    token: str
    goods_fen: int
    shipping_fen: int
    discount_fen: int
    total_fen: int
    paid_fen: int
    refunded_fen: int
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    cancelled_at: datetime | None
    lines: list[dict[str, Any]]


def told_order(number: str, *, of_all: bool, client_id: int | None) -> ToldOrder | None:
    """The order of this number: of all orders, or of that client's; None when it is none of them."""
    with connection.cursor() as cursor:
        cursor.execute(ONE, [number, of_all, client_id])
        row = cursor.fetchone()
    return ToldOrder(*row) if row else None


def as_placed(order: Order, lines: list[dict[str, Any]]) -> ToldOrder:
    """An unpaid order as it was stored a moment ago, not asked for again; its lines without their position."""
    known = {each.name: getattr(order, each.name) for each in fields(ToldOrder) if each.name not in MORE}
    return ToldOrder(
        **known, paid_fen=0, refunded_fen=0, lines=[{"position": at, **line} for at, line in enumerate(lines, start=1)]
    )


def told_orders(ids: Sequence[int]) -> list[ToldOrder]:
    """The orders with these primary keys, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(MANY, [list(ids)])
        return [ToldOrder(*row) for row in cursor.fetchall()]
