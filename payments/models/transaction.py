"""One attempt to pay an order, with its own out_trade_no. Its state is what Alipay says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import connection, models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal
from payments.models.checks import check
from payments.money import Money

# One row lock at a time and none during HTTP: the claim moves the due time on, and that is the lease.
CLAIM = """
UPDATE payments_transaction t
SET {column} = %(until)s, asked_at = %(now)s, checks = t.checks + 1, version = t.version + 1
FROM (
    WITH due AS MATERIALIZED (
        SELECT id FROM payments_transaction
        WHERE {column} <= %(now)s ORDER BY {column} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    SELECT id FROM due
) due
WHERE t.id = due.id
RETURNING t.id
"""


class TransactionQuerySet(models.QuerySet["Transaction"]):
    def unsettled(self) -> "TransactionQuerySet":
        return self.filter(state__in=Transaction.UNSETTLED)

    def claim_due(self, column: str, *, now: datetime, lease: timedelta, limit: int) -> list["Transaction"]:
        """Take up to `limit` rows whose `column` (next_check_at or close_due_at) has come; nobody else gets them for `lease`."""
        assert column in ("next_check_at", "close_due_at"), column
        with connection.cursor() as cursor:
            cursor.execute(CLAIM.format(column=column), {"now": now, "until": now + lease, "limit": limit})
            ids = [row[0] for row in cursor.fetchall()]
        return list(self.filter(pk__in=ids).select_related("order", "account"))

    def claim_one(self, transaction_id: int, *, now: datetime, lease: timedelta, not_since: datetime) -> bool:
        """Take one row for a query now, unless somebody has asked since `not_since`. True for the one caller who got it."""
        moved = (
            self.unsettled()
            .filter(Q(asked_at=None) | Q(asked_at__lte=not_since), pk=transaction_id)
            .update(asked_at=now, next_check_at=now + lease, checks=F("checks") + 1, version=F("version") + 1)
        )
        return moved == 1

    def mark_presented(
        self, transaction_id: int, *, qr_code: str, trade_no: str | None, next_check_at: datetime, now: datetime
    ) -> bool:
        """The buyer can pay it from here on. False when it was settled meanwhile, which is no fault.

        trade_no  Alipay's number, where there is a trade already
        """
        moved = self.filter(pk=transaction_id, state=Transaction.State.CREATED).update(
            state=Transaction.State.PRESENTED, qr_code=qr_code, presented_at=now, in_doubt=False,
            trade_no=Coalesce(F("trade_no"), Value(trade_no)), next_check_at=next_check_at, version=F("version") + 1,
        )  # fmt: skip
        return moved == 1

    def mark_closed(self, transaction_id: int, *, now: datetime, look_back_at: datetime | None = None) -> bool:
        """End an attempt that can no longer be paid: closed at Alipay, or unknown there after its time and grace.

        look_back_at  when to ask once more, where it ends for no better reason than that Alipay knew no trade
        """
        moved = self.unsettled().filter(pk=transaction_id).update(
            state=Transaction.State.CLOSED, closed_at=now, in_doubt=False, next_check_at=look_back_at, close_due_at=None,
            version=F("version") + 1,
        )  # fmt: skip
        return moved == 1

    def mark_refused(self, transaction_id: int, *, now: datetime) -> bool:
        """Alipay would not take it at all: no trade can come of this number."""
        moved = self.filter(pk=transaction_id, state=Transaction.State.CREATED).update(
            state=Transaction.State.CLOSED, closed_at=now, refused=True, in_doubt=False, next_check_at=None, close_due_at=None,
            version=F("version") + 1,
        )  # fmt: skip
        return moved == 1

    def mark_superseded(self, transaction_id: int, *, unless_shown: bool = False) -> bool:
        """Take an attempt off the page; it stays watched, for its code may still be in somebody's hand.

        unless_shown  only while Alipay has given no code for it, and no call about it is in doubt
        """
        live = self.filter(state=Transaction.State.CREATED, in_doubt=False) if unless_shown else self.unsettled()
        moved = live.filter(pk=transaction_id, superseded=False).update(superseded=True, version=F("version") + 1)
        return moved == 1

    def mark_in_doubt(self, transaction_id: int, *, next_check_at: datetime) -> bool:
        """A writing call had no certain answer: ask soon, offer no other way to pay until it is known."""
        moved = (
            self.unsettled()
            .filter(pk=transaction_id)
            .update(in_doubt=True, next_check_at=next_check_at, version=F("version") + 1)
        )
        return moved == 1

    def open_charge(self, cashier_id: int) -> "Transaction | None":
        """What this person is charging at the counter and has not set aside; never more than one."""
        return self.unsettled().filter(cashier=cashier_id, superseded=False).select_related("order").first()

    def end_by(self, transaction_id: int, *, when: datetime) -> bool:
        """Have a charge at the counter ended by then: the cashier asks for it, and sees from then on that it ends."""
        wanted = self.unsettled().filter(pk=transaction_id, wanted_at=None)
        return wanted.update(close_due_at=when, wanted_at=when, version=F("version") + 1) == 1

    def reserve(self, transaction_id: int, fen: int) -> bool:
        """Set `fen` aside for a refund, if that much is still refundable. False: too much, unpaid, or no longer refundable."""
        moved = self.filter(
            pk=transaction_id, state=Transaction.State.PAID, finished=False,
            amount_fen__gte=F("refunded_fen") + F("reserved_fen") + fen,
        ).update(reserved_fen=F("reserved_fen") + fen, version=F("version") + 1)  # fmt: skip
        return moved == 1

    def release(self, transaction_id: int, fen: int) -> bool:
        """Give a reservation back: its refund ended without moving money."""
        moved = self.filter(pk=transaction_id, reserved_fen__gte=fen).update(
            reserved_fen=F("reserved_fen") - fen, version=F("version") + 1
        )
        return moved == 1

    def take_back(self, transaction_id: int, fen: int, *, reserved: bool = True) -> bool:
        """Book a refund that happened. reserved: it was set aside before; an external one was not."""
        aside = fen if reserved else 0
        moved = self.filter(
            pk=transaction_id,
            state=Transaction.State.PAID,
            reserved_fen__gte=aside,
            amount_fen__gte=F("refunded_fen") + fen,
        ).update(refunded_fen=F("refunded_fen") + fen, reserved_fen=F("reserved_fen") - aside, version=F("version") + 1)
        return moved == 1

    def mark_finished(self, transaction_id: int) -> bool:
        """Alipay takes no more refunds for it."""
        return self.filter(pk=transaction_id, state=Transaction.State.PAID, finished=False).update(finished=True) == 1

    def note_heard(self, heard: Sequence["Heard"]) -> int:
        """Write down what Alipay answered about attempts that it moved nowhere, and when to ask again."""
        statement = """
            UPDATE payments_transaction t
            SET heard_at = CASE WHEN h.status = '' THEN t.heard_at ELSE h.heard_at END,
                heard_status = CASE WHEN h.status = '' THEN t.heard_status ELSE h.status END,
                in_doubt = t.in_doubt AND h.status = '',
                next_check_at = CASE WHEN NOT t.refused
                    THEN least(h.next_check_at, coalesce(t.close_due_at, h.next_check_at)) END
            FROM unnest(%(ids)s::bigint[], %(at)s::timestamptz[], %(status)s::text[], %(next)s::timestamptz[],
                        %(over)s::boolean[]) AS h(id, heard_at, status, next_check_at, was_closed)
            WHERE t.id = h.id AND t.state <> 'paid' AND (t.state = 'closed') = h.was_closed
        """
        with connection.cursor() as cursor:
            cursor.execute(statement, {
                "ids": [each.transaction_id for each in heard],
                "at": [each.at for each in heard],
                "status": [each.status for each in heard],
                "next": [each.next_check_at for each in heard],
                "over": [each.was_closed for each in heard],
            })  # fmt: skip
            return int(cursor.rowcount)

    def want_check(self, transaction_id: int, *, since: datetime, ask_at: datetime) -> bool:
        """The buyer says it is paid, or came back: show that an answer newer than `since` is wanted; ask by `ask_at`."""
        return self.unsettled().filter(pk=transaction_id).update(wanted_at=since, next_check_at=ask_at) == 1

    def check_by(self, transaction_id: int, *, when: datetime) -> bool:
        """Have Alipay asked by then, not later: somebody is looking at the page, or a call did not get through."""
        return self.unsettled().filter(pk=transaction_id, next_check_at__gt=when).update(next_check_at=when) == 1


class Transaction(models.Model):
    class State(models.TextChoices):
        CREATED = "created", _("created")
        PRESENTED = "presented", _("presented")
        PAID = "paid", _("paid")
        CLOSED = "closed", _("closed")

    class Scene(models.TextChoices):
        QR = "qr", _("QR code")
        PAGE = "page", _("Alipay web page")
        WAP = "wap", _("Alipay on a phone")
        APP = "app", _("in the shop's app")
        JSAPI = "jsapi", _("page inside Alipay")
        COUNTER = "counter", _("barcode at the counter")
        CASH = "cash", _("cash")
        BANK = "bank", _("bank transfer")
        FREE = "free", _("nothing to pay")
        OTHER = "other", _("not through this shop")

    class Origin(models.TextChoices):
        OURS = "ours", _("ours")
        STRAY = "stray", _("stray")

    UNSETTLED = (State.CREATED, State.PRESENTED)
    BY_BUYER = (Scene.QR, Scene.PAGE, Scene.WAP)  # what a buyer may choose on a page
    BY_ONE_BUYER = (Scene.COUNTER, Scene.JSAPI)  # Alipay is told who pays; that is used in one call and kept nowhere
    BY_HAND = (Scene.CASH, Scene.BANK, Scene.FREE)  # settled without Alipay, which knows no trade of theirs

    order = internal(
        models.ForeignKey(
            "payments.Order", models.PROTECT, null=True, blank=True, related_name="transactions",
            verbose_name=_("order"),
        )
    )  # fmt: skip
    account = internal(models.ForeignKey("payments.MerchantAccount", models.PROTECT, db_index=False))
    origin = internal(models.CharField(_("origin"), max_length=8, choices=Origin, default=Origin.OURS))
    scene = internal(models.CharField(_("way to pay"), max_length=8, choices=Scene))
    # who charged it at the counter: the till's sales are this person's; none where a program charged
    cashier = internal(
        models.ForeignKey(
            settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="charges", db_index=False
        )
    )
    out_trade_no = internal(models.CharField(_("payment number"), max_length=64))
    trade_no = internal(
        models.CharField(_("Alipay's trade number"), max_length=64, null=True, blank=True)
    )  # unique where known
    app_id = internal(models.CharField(_("application at Alipay"), max_length=32))
    seller_id = internal(models.CharField(_("seller at Alipay"), max_length=32))
    amount_fen = internal(models.BigIntegerField(_("amount (fen)")))
    receipt_fen = internal(models.BigIntegerField(_("received before fees (fen)"), null=True, blank=True))
    # what refunds have taken, and what unsettled ones may still take
    refunded_fen = internal(models.BigIntegerField(_("refunded (fen)"), default=0, db_default=0))
    reserved_fen = internal(models.BigIntegerField(_("reserved for refunds (fen)"), default=0, db_default=0))
    state = internal(models.CharField(_("state"), max_length=10, choices=State, default=State.CREATED))
    in_doubt = internal(models.BooleanField(_("in doubt"), default=False))
    superseded = internal(models.BooleanField(_("superseded"), default=False))
    refused = internal(models.BooleanField(_("refused by Alipay"), default=False))
    late = internal(models.BooleanField(_("paid after closing"), default=False))
    finished = internal(models.BooleanField(_("no longer refundable"), default=False))
    qr_code = internal(models.CharField(_("text of the QR code"), max_length=1024, blank=True, default=""))
    evidence = internal(models.CharField(_("evidence"), max_length=80, blank=True, default=""))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now()))
    time_expire = internal(models.DateTimeField(_("payable until")))
    presented_at = internal(models.DateTimeField(_("presented"), null=True, blank=True))
    scanned_at = internal(models.DateTimeField(_("scanned"), null=True, blank=True))
    paid_at = internal(models.DateTimeField(_("paid"), null=True, blank=True))
    settled_at = internal(models.DateTimeField(_("settled"), null=True, blank=True))
    closed_at = internal(models.DateTimeField(_("closed"), null=True, blank=True))
    # when to ask, when we asked, what was heard: schedules are columns
    next_check_at = internal(models.DateTimeField(_("next check"), null=True, blank=True))
    close_due_at = internal(models.DateTimeField(_("close from"), null=True, blank=True))
    asked_at = internal(models.DateTimeField(_("last asked"), null=True, blank=True))
    wanted_at = internal(models.DateTimeField(_("buyer wants to know since"), null=True, blank=True))
    heard_at = internal(models.DateTimeField(_("last heard"), null=True, blank=True))
    heard_status = internal(models.CharField(_("heard"), max_length=20, blank=True, default=""))
    checks = internal(models.IntegerField(_("checks"), default=0))
    version = internal(models.BigIntegerField(_("version"), default=0))

    objects: ClassVar[TransactionQuerySet] = TransactionQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        constraints = (
            models.UniqueConstraint(fields=["out_trade_no"], condition=Q(origin="ours"), name="out_trade_no_once"),
            models.UniqueConstraint(fields=["trade_no"], name="trade_no_once"),
            check("transaction_amounts", "receipt_fen >= 0 AND receipt_fen <= amount_fen"),
            check("transaction_of_something", "amount_fen > 0 OR (amount_fen = 0 AND scene = 'free')"),
            check("transaction_paid_when_settled", "(settled_at IS NULL) = (state <> 'paid')"),
            check(
                "transaction_settled_on_evidence",
                "settled_at IS NULL OR num_nulls(receipt_fen, paid_at, nullif(evidence, '')) = 0"
                " AND (trade_no IS NOT NULL) = (scene NOT IN ('cash', 'bank', 'free'))",
            ),
            check(
                "transaction_refunds_within_paid",
                "refunded_fen <= amount_fen AND least(refunded_fen, reserved_fen) >= 0",
            ),
            check("transaction_refunds_only_if_paid", "settled_at IS NOT NULL OR refunded_fen + reserved_fen = 0"),
            check("transaction_late_only_if_paid", "NOT late OR settled_at IS NOT NULL"),
            check("transaction_has_an_order", "order_id IS NOT NULL OR origin = 'stray'"),
            check("transaction_cashier_only_at_counter", "cashier_id IS NULL OR scene = 'counter'"),
            # two scans at once: the database lets one through
            models.UniqueConstraint(
                fields=["cashier"],
                condition=Q(cashier__isnull=False, state__in=("created", "presented"), superseded=False),
                name="one_open_charge_per_cashier",
            ),
        )
        indexes = (
            BrinIndex(
                fields=["paid_at"], autosummarize=True, pages_per_range=32, name="transaction_by_paid_at"
            ),  # a day, for its bill
            models.Index(
                fields=["cashier", "-created_at"],
                condition=Q(cashier__isnull=False),
                name="transaction_by_cashier",
            ),
            models.Index(
                fields=["next_check_at"], condition=Q(next_check_at__isnull=False), name="transaction_due_check"
            ),
            models.Index(
                fields=["close_due_at"], condition=Q(close_due_at__isnull=False), name="transaction_due_close"
            ),
        )

    def __str__(self) -> str:
        return self.out_trade_no

    @property
    def is_at_alipay(self) -> bool:
        """Whether it is a payment of ours that Alipay has, so that it can be asked about it."""
        return self.state == self.State.PAID and self.origin == self.Origin.OURS and self.trade_no is not None

    @property
    def amount(self) -> Money:
        return Money(self.amount_fen)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one query taught us about an attempt that it left where it was; status is empty where no certain answer came."""

    transaction_id: int
    status: str
    at: datetime
    next_check_at: datetime | None
    was_closed: bool
