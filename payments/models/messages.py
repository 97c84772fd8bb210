"""What was said and asked: messages in, calls out, follow-ups, and answers kept for repeated requests."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, personal, seal, sealed_place


class InboundMessage(models.Model):
    """One notice or return as it came, with what we made of it. A repeat raises its counter."""

    class Kind(models.TextChoices):
        NOTICE = "notice", _("notice")
        RETURN = "return", _("return")

    class Verdict(models.TextChoices):
        UNJUDGED = "unjudged", _("not judged yet")
        PAYS_ORDER = "pays_order", _("paid its order")
        SURPLUS = "surplus", _("money beyond the order")
        MOVED = "moved", _("moved the transaction")
        DUPLICATE = "duplicate", _("known already")
        CASE = "case", _("opened a case")
        REFUSED = "refused", _("refused")
        CRASHED = "crashed", _("stopped by a fault of ours")
        ASKED = "asked", _("made us ask")
        NOTED = "noted", _("noted with its refund")

    kind = internal(models.CharField(_("kind"), max_length=8, choices=Kind, db_default=Kind.NOTICE))
    fingerprint = internal(
        models.CharField(_("fingerprint"), max_length=64, null=True)
    )  # refused and crashed ones have none
    app_id = internal(models.CharField(_("application at Alipay"), max_length=32, blank=True, db_default=""))
    out_trade_no = internal(models.CharField(_("payment number"), max_length=64, blank=True, db_default=""))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    body = personal(SealedField(_("as received")))
    verdict = internal(models.CharField(_("verdict"), max_length=12, choices=Verdict, db_default=Verdict.UNJUDGED))
    reason = internal(models.CharField(_("reason"), max_length=200, blank=True, db_default=""))
    deliveries = internal(models.IntegerField(_("deliveries"), db_default=1))
    received_at = internal(models.DateTimeField(_("received"), db_default=Now()))
    last_at = internal(models.DateTimeField(_("last received"), db_default=Now()))

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        # as constraints: a unique CharField would bring a second index for LIKE, and each costs at every notice
        constraints = (models.UniqueConstraint(fields=["fingerprint"], name="message_once"),)
        indexes = (
            models.Index(fields=["out_trade_no"], name="message_by_number"),
            models.Index(fields=["received_at"], condition=Q(verdict="refused"), name="message_refused_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.out_trade_no}"


GIVE_UP = """
UPDATE payments_gatewaycall
SET outcome = 'unknown', why = 'its process ended before the answer', ended_at = clock_timestamp()
WHERE id = (
    SELECT id FROM payments_gatewaycall
    WHERE outcome = 'intended' AND started_at <= %(before)s AND id <> ALL(%(besides)s::uuid[])
    ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id
"""


class GatewayCallQuerySet(models.QuerySet["GatewayCall"]):
    def finish(self, call: "GatewayCall", *, outcome: str, code: str = "", why: str = "") -> bool:
        """Write the outcome of a call that has none yet, or was given up for dead. True for the one caller who did it."""
        open_ended = (GatewayCall.Outcome.INTENDED, GatewayCall.Outcome.UNKNOWN)
        moved = self.filter(pk=call.pk, outcome__in=open_ended).update(
            outcome=outcome, code=code, why=why[:200], ended_at=Now()
        )
        return moved == 1

    def last_refusal(self) -> str:
        """Alipay's code of the newest certain refusal, as "40004 BUYER_BALANCE_NOT_ENOUGH"; empty where there is none."""
        refused = self.filter(outcome=GatewayCall.Outcome.CERTAINLY_NOT).order_by("-started_at")
        return refused.values_list("code", flat=True).first() or ""

    def give_up_one(self, *, before: datetime, besides: Sequence[uuid.UUID] = ()) -> "GatewayCall | None":
        """End the oldest call that was intended before then and has no end, as unknown. None where there is none.

        besides  left for another time
        """
        with connection.cursor() as cursor:
            cursor.execute(GIVE_UP, {"before": before, "besides": list(besides)})
            row = cursor.fetchone()
        return self.get(pk=row[0]) if row else None


class GatewayCall(models.Model):
    """One call to Alipay, written down before it leaves; a batch of queries is one row with what they taught us."""

    class Outcome(models.TextChoices):
        INTENDED = "intended", _("intended")
        DONE = "done", _("done")
        CERTAINLY_NOT = "certainly_not", _("certainly not")
        UNKNOWN = "unknown", _("unknown")

    id = internal(models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False))
    account = internal(models.ForeignKey("payments.MerchantAccount", models.PROTECT, db_index=False))
    transaction = internal(
        models.ForeignKey(
            "payments.Transaction",
            models.PROTECT,
            null=True,
            blank=True,
            related_name="calls",
            verbose_name=_("payment"),
        )
    )
    method = internal(models.CharField(_("method"), max_length=60))
    purpose = internal(models.CharField(_("purpose"), max_length=20))
    number = internal(models.CharField(_("number"), max_length=64, blank=True, db_default=""))
    amount_fen = internal(models.BigIntegerField(_("amount (fen)"), null=True, blank=True))
    request_hash = internal(models.CharField(_("hash of the request"), max_length=64, blank=True, db_default=""))
    outcome = internal(models.CharField(_("outcome"), max_length=14, choices=Outcome, default=Outcome.INTENDED))
    code = internal(models.CharField(_("code"), max_length=80, blank=True, db_default=""))
    why = internal(models.CharField(_("why"), max_length=200, blank=True, db_default=""))
    learned = internal(models.JSONField(_("learned"), db_default=models.Value([], models.JSONField()), default=list))
    started_at = internal(models.DateTimeField(_("started"), db_default=Now()))
    ended_at = internal(models.DateTimeField(_("ended"), null=True, blank=True))

    objects: ClassVar[GatewayCallQuerySet] = GatewayCallQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("gateway call")
        verbose_name_plural = _("gateway calls")
        indexes = (
            models.Index(fields=["-started_at"], name="call_by_age"),
            models.Index(fields=["started_at"], condition=Q(outcome="intended"), name="call_without_an_end"),
        )

    def __str__(self) -> str:
        return f"{self.purpose} {self.number}"


CLAIM_OUTBOX = """
UPDATE payments_outboxmessage m
SET due_at = %(now)s::timestamptz + least(%(lease)s * power(2, m.attempts), 3600) * interval '1 second', attempts = m.attempts + 1
FROM (
    WITH due AS MATERIALIZED (
        SELECT id FROM payments_outboxmessage
        WHERE delivered_at IS NULL AND due_at <= %(now)s ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    SELECT id FROM due
) due
WHERE m.id = due.id
RETURNING m.id
"""


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    def claim_due(self, *, now: datetime, lease: timedelta, limit: int) -> list["OutboxMessage"]:
        """Take up to `limit` messages that are due; a message that fails comes back after lease × 2^attempts, at most an hour."""
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_OUTBOX, {"now": now, "lease": lease.total_seconds(), "limit": limit})
            ids = [row[0] for row in cursor.fetchall()]
        return list(self.filter(pk__in=ids).order_by("id"))

    def mark_delivered(self, message: "OutboxMessage") -> bool:
        return self.filter(pk=message.pk, delivered_at=None).update(delivered_at=Now(), last_error="") == 1

    def note_failure(self, message: "OutboxMessage", error: str) -> None:
        self.filter(pk=message.pk, delivered_at=None).update(last_error=error[:200])


class OutboxMessage(models.Model):
    """Something to do once because something happened; written in the same commit as what happened."""

    topic = internal(models.CharField(_("topic"), max_length=40))
    dedupe_key = internal(models.CharField(_("once per"), max_length=120))
    payload = internal(models.JSONField(_("payload"), db_default=models.Value({}, models.JSONField()), default=dict))
    attempts = internal(models.IntegerField(_("attempts"), db_default=0))
    last_error = internal(models.CharField(_("last error"), max_length=200, blank=True, db_default=""))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now()))
    due_at = internal(models.DateTimeField(_("due"), db_default=Now()))
    delivered_at = internal(models.DateTimeField(_("delivered"), null=True, blank=True))

    objects: ClassVar[OutboxQuerySet] = OutboxQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("follow-up")
        verbose_name_plural = _("follow-ups")
        constraints = (models.UniqueConstraint(fields=["dedupe_key"], name="follow_up_once"),)
        indexes = (models.Index(fields=["due_at"], condition=Q(delivered_at=None), name="outbox_due"),)

    def __str__(self) -> str:
        return f"{self.topic} {self.dedupe_key}"


HOLD_KEY = """
INSERT INTO payments_idempotencyrecord (caller, key, request_hash, answer, seal_id, held_until)
VALUES (%(caller)s, %(key)s, %(hash)s, '{}', gen_random_uuid(), clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (caller, key) DO UPDATE SET held_until = excluded.held_until
WHERE payments_idempotencyrecord.status IS NULL AND payments_idempotencyrecord.held_until < clock_timestamp()
  AND payments_idempotencyrecord.request_hash = excluded.request_hash
RETURNING id, seal_id, held_until
"""


KEEP_ANSWER = """
UPDATE payments_idempotencyrecord SET status = %(status)s, body = %(body)s, held_until = NULL
WHERE id = %(id)s AND held_until = %(held)s AND status IS NULL
"""


class IdempotencyQuerySet(models.QuerySet["IdempotencyRecord"]):
    def hold(self, caller: str, key: str, request_hash: str, hold: timedelta) -> "IdempotencyRecord | None":
        """Take a new key, or one whose holder let its time pass, to answer its request. None while it is not to be had."""
        values: dict[str, str | float] = {
            "caller": caller,
            "key": key,
            "hash": request_hash,
            "seconds": hold.total_seconds(),
        }
        with connection.cursor() as cursor:
            cursor.execute(HOLD_KEY, values)
            row = cursor.fetchone()
        if row is None:
            return None
        made = IdempotencyRecord(pk=row[0], caller=caller, key=key, request_hash=request_hash, answer={})
        made.seal_id, made.held_until = row[1], row[2]
        return made

    def keep(self, held: "IdempotencyRecord", *, status: int, body: str) -> bool:
        """Write the answer down. True for the one who still holds the key."""
        place = sealed_place(IdempotencyRecord, "body", held.seal_id)
        sealed = seal(body.encode(), place=place)
        with connection.cursor() as cursor:
            cursor.execute(KEEP_ANSWER, {"status": status, "body": sealed, "id": held.pk, "held": held.held_until})
            return bool(cursor.rowcount == 1)


class IdempotencyRecord(models.Model):
    """The answer a request got, so that its repeat gets the same one."""

    caller = internal(models.CharField(_("caller"), max_length=80))
    key = internal(models.CharField(_("key"), max_length=120))
    request_hash = internal(models.CharField(_("hash of the request"), max_length=64))
    answer = internal(models.JSONField(_("answer")))
    # an answer of the API: its status and text once it was given; until then who is at work holds the key
    status = internal(models.SmallIntegerField(_("status"), null=True, blank=True))
    seal_id = internal(models.UUIDField(db_default=RandomUUID(), default=uuid.uuid4, editable=False))
    body = personal(SealedField(_("text of the answer"), null=True, blank=True))
    held_until = internal(models.DateTimeField(_("held until"), null=True, blank=True))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now(), db_index=True))

    objects: ClassVar[IdempotencyQuerySet] = IdempotencyQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints = (models.UniqueConstraint(fields=["caller", "key"], name="one_answer_per_key"),)

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
