"""What the shop's own systems are told: their addresses, what happened, and each delivery with its tries."""

import secrets
import uuid
from base64 import b64encode
from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, secret
from payments.models.api_client import ApiClient, Scope
from payments.models.checks import check

SECRET_BYTES = 32  # the Standard Webhooks specification asks for 24 to 64


class WebhookKind(models.TextChoices):
    ORDER_PAID = "order.paid", _("an order is paid")
    ORDER_CLOSED = "order.closed", _("an order is closed unpaid")
    PAYMENT_SURPLUS = "payment.surplus", _("money beyond an order")
    PAYMENT_IN_DOUBT = "payment.in_doubt", _("a payment without a certain answer")
    REFUND_REQUESTED = "refund.requested", _("a refund is asked for")
    REFUND_APPROVED = "refund.approved", _("a refund is approved")
    REFUND_REJECTED = "refund.rejected", _("a refund is not agreed")
    REFUND_SUCCEEDED = "refund.succeeded", _("a refund is done")
    REFUND_FAILED = "refund.failed", _("a refund failed")
    CASE_OPENED = "case.opened", _("a case is opened")
    BILL_DAY_MATCHED = "bill_day.matched", _("a day's bill is compared")
    BILL_DAY_CLOSED = "bill_day.closed", _("a bill day is closed")
    TEST = "webhook.test", _("a test")


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def locked(self, pk: int) -> "WebhookEndpoint":
        """It, for a change, until the commit."""
        return self.select_for_update(no_key=True).get(pk=pk)

    def that_hear(self, kind: "WebhookKind", *, client_id: int | None) -> "WebhookEndpointQuerySet":
        """Those that are told about this: the house's own, a program's about its own orders, or about all with that scope.

        client_id  the program whose order it is about; None for what is nobody's or the house's
        """
        sees_all = Q(client=None) | Q(client__scopes__contains=[Scope.ORDERS_ALL])
        its_own = Q(client=client_id) if client_id else Q()
        return self.filter(Q(kinds__contains=[kind]) | Q(kinds=[]), sees_all | its_own, active=True)


class WebhookEndpoint(models.Model):
    """An address of the shop's own systems, what it wants to hear, and the secret that proves it is us."""

    url = internal(models.CharField(_("address"), max_length=500))
    # the program that added it; None: the house's own
    client = internal(
        models.ForeignKey(
            ApiClient, models.PROTECT, null=True, blank=True, verbose_name=_("API client"), editable=False
        )
    )
    description = internal(models.CharField(_("description"), max_length=100, blank=True))
    kinds = internal(
        ArrayField(models.CharField(max_length=30, choices=WebhookKind), verbose_name=_("tells about"), default=list)
    )  # none: everything
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    signing_secret = secret(SealedField(_("secret")))
    old_signing_secret = secret(SealedField(_("secret before it"), null=True))
    old_until = internal(models.DateTimeField(_("the one before signs too until"), null=True, blank=True))
    active = internal(models.BooleanField(_("is told"), default=True))
    why_not = internal(models.CharField(_("why not"), max_length=100, blank=True, default=""))
    last_sequence = internal(models.BigIntegerField(_("last number"), default=0))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now()))

    objects: ClassVar[WebhookEndpointQuerySet] = WebhookEndpointQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self) -> str:
        return self.url


def new_secret() -> str:
    """A secret as the Standard Webhooks specification writes one."""
    return "whsec_" + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class WebhookEvent(models.Model):
    """Something that happened, in the words that are sent; made once, whoever asks for it how often."""

    id = internal(models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False))
    kind = internal(models.CharField(_("what"), max_length=30, choices=WebhookKind))
    dedupe_key = internal(models.CharField(_("once per"), max_length=140))
    data = internal(models.JSONField(_("data")))
    at = internal(models.DateTimeField(_("when"), db_default=Now()))

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        constraints = (models.UniqueConstraint(fields=["dedupe_key"], name="webhook_event_once"),)
        indexes = (models.Index(fields=["at"], name="webhook_event_by_age"),)

    def __str__(self) -> str:
        return f"{self.kind} evt_{self.id.hex}"


# A few of each address, so that a dead one with a long queue does not keep the others waiting.
CLAIM = """
UPDATE payments_webhookdelivery d
SET due_at = %(now)s::timestamptz + %(lease)s * interval '1 second', attempts = d.attempts + 1
FROM payments_webhookendpoint e CROSS JOIN LATERAL (
    SELECT id FROM payments_webhookdelivery
    WHERE endpoint_id = e.id AND state = 'waiting' AND due_at <= %(now)s
    ORDER BY due_at, id LIMIT %(each)s FOR UPDATE SKIP LOCKED
) due
WHERE e.active AND d.id = due.id
RETURNING d.id
"""


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def claim_due(self, *, now: datetime, lease: timedelta, each: int) -> list["WebhookDelivery"]:
        """Take up to `each` deliveries that are due of every active endpoint, counted as tried once more, for `lease`."""
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"now": now, "lease": lease.total_seconds(), "each": each})
            ids = [row[0] for row in cursor.fetchall()]
        return list(self.filter(pk__in=ids).select_related("event", "endpoint").order_by("pk"))

    def mark_delivered(self, delivery: "WebhookDelivery", *, now: datetime) -> bool:
        """True for the one caller whose try counts."""
        return self._claimed(delivery).update(state=WebhookDelivery.State.DELIVERED, delivered_at=now) == 1

    def try_later(self, delivery: "WebhookDelivery", *, due_at: datetime) -> bool:
        return self._claimed(delivery).update(due_at=due_at) == 1

    def mark_dead(self, delivery: "WebhookDelivery") -> bool:
        return self._claimed(delivery).update(state=WebhookDelivery.State.DEAD) == 1

    def send_again(self, *, now: datetime) -> int:
        """These deliveries start over, whatever became of them. Returns how many."""
        return self.update(state=WebhookDelivery.State.WAITING, due_at=now, attempts=0, replays=F("replays") + 1)

    def _claimed(self, delivery: "WebhookDelivery") -> "WebhookDeliveryQuerySet":
        """It, while nobody else has claimed or replayed it since."""
        return self.filter(
            pk=delivery.pk,
            state=WebhookDelivery.State.WAITING,
            attempts=delivery.attempts,
            replays=delivery.replays,
        )


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint, under a number that counts that endpoint's events without a gap."""

    class State(models.TextChoices):
        WAITING = "waiting", _("on its way")
        DELIVERED = "delivered", _("delivered")
        DEAD = "dead", _("given up")

    endpoint = internal(
        models.ForeignKey(WebhookEndpoint, models.PROTECT, related_name="deliveries", verbose_name=_("webhook"))
    )
    event = internal(
        models.ForeignKey(WebhookEvent, models.CASCADE, related_name="deliveries", verbose_name=_("webhook event"))
    )
    sequence = internal(models.BigIntegerField(_("number")))
    state = internal(models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING))
    attempts = internal(models.IntegerField(_("tries"), default=0))
    replays = internal(models.IntegerField(_("sent again by hand"), default=0))
    due_at = internal(models.DateTimeField(_("next try"), db_default=Now()))
    created_at = internal(models.DateTimeField(_("created"), db_default=Now()))
    delivered_at = internal(models.DateTimeField(_("delivered"), null=True, blank=True))

    objects: ClassVar[WebhookDeliveryQuerySet] = WebhookDeliveryQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints = (
            models.UniqueConstraint(fields=["endpoint", "event"], name="event_to_an_endpoint_once"),
            models.UniqueConstraint(fields=["endpoint", "sequence"], name="number_of_an_endpoint_once"),
            check("webhook_delivery_state", "state IN ('waiting', 'delivered', 'dead') AND sequence > 0"),
        )
        indexes = (
            models.Index(fields=["endpoint", "due_at"], condition=Q(state="waiting"), name="webhook_delivery_due"),
        )

    def __str__(self) -> str:
        return f"{self.event.kind} · {self.sequence}"


class WebhookTry(models.Model):
    """One call and what came of it; only ever added to."""

    delivery = internal(models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="tries"))
    at = internal(models.DateTimeField(_("when"), db_default=Now()))
    status = internal(models.IntegerField(_("HTTP status"), null=True))
    took_ms = internal(models.IntegerField(_("took (ms)")))
    error = internal(models.CharField(_("error"), max_length=200, blank=True, default=""))
    answer = internal(models.CharField(_("answer, its beginning"), max_length=300, blank=True, default=""))

    class Meta:
        verbose_name = _("try")
        verbose_name_plural = _("tries")

    def __str__(self) -> str:
        return f"{self.status or self.error}"
