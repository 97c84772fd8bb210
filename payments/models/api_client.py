"""Programs that use the API, and the keys they show. A key is stored as a digest only: it is shown once, when it is made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal, secret

NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a program may do. Approving refunds is none of them: that takes a person."""

    CATALOGUE_READ = "catalogue:read", _("see goods, prices and stock")
    CARTS_WRITE = "carts:write", _("fill carts and order them")
    ORDERS_READ = "orders:read", _("see its own orders, payments and refunds")
    ORDERS_ALL = "orders:all", _("see every order of this house")
    ORDERS_WRITE = "orders:write", _("place and cancel orders")
    PAYMENTS_WRITE = "payments:write", _("start, check and close payments")
    REFUNDS_WRITE = "refunds:write", _("ask for refunds, in the name of who made the key")
    LEDGER_READ = "ledger:read", _("see the ledger")
    CASES_READ = "cases:read", _("see cases")
    BILLS_READ = "bills:read", _("see bill days and what differs")
    WEBHOOKS_READ = "webhooks:read", _("see its own webhooks and what was delivered")
    WEBHOOKS_WRITE = "webhooks:write", _("add and change webhooks, and send again")


class ApiClient(models.Model):
    """One program: a connected shop, a till, the books. Orders belong to the client that placed them."""

    name = internal(models.CharField(_("name"), max_length=60))
    scopes = internal(ArrayField(models.CharField(max_length=20, choices=Scope), verbose_name=_("may")))
    # empty: from anywhere; else networks as "203.0.113.0/24"
    addresses = internal(
        ArrayField(models.CharField(max_length=50), verbose_name=_("only from"), default=list, blank=True)
    )
    created_at = internal(models.DateTimeField(_("added"), db_default=Now()))

    class Meta:
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")
        permissions = (("manage_api", "Can make and revoke API keys"),)
        constraints = (models.UniqueConstraint(fields=["name"], name="api_client_named_once"),)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class KeyInForce:
    """A key that has not ended, with what its client may do, and the database's time.

    recalled  as it was some seconds ago: whether it is still so the database must see
    """

    pk: int
    client_id: int
    digest: str
    made_by_id: int
    used_at: datetime | None
    scopes: list[str]
    addresses: list[str]
    now: datetime
    recalled: bool = False


# Asked for every request of the API, hence not put together anew each time.
NAMED = """
SELECT k.id, k.client_id, k.digest, k.made_by_id, k.used_at, c.scopes, c.addresses, clock_timestamp()
FROM payments_apikey k JOIN payments_apiclient c ON c.id = k.client_id
WHERE k.name = %s AND (k.ends_at IS NULL OR k.ends_at > clock_timestamp())
"""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def in_force(self, now: datetime) -> "ApiKeyQuerySet":
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))

    def named(self, name: str) -> KeyInForce | None:
        """The key of this name, unless there is none or it has ended."""
        with connection.cursor() as cursor:
            cursor.execute(NAMED, [name])
            row = cursor.fetchone()
        return KeyInForce(*row) if row else None

    def end(self, *, by: datetime) -> int:
        """Let these keys end then, or when they end anyway if that is sooner. How many end sooner by it."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=by)).update(ends_at=by)

    def note_use(self, key: KeyInForce) -> None:
        """Remember that it was used; written at most once a minute."""
        if key.used_at is None or key.now - key.used_at >= NOTED_EVERY:
            self.filter(Q(used_at=None) | Q(used_at__lte=key.now - NOTED_EVERY), pk=key.pk).update(used_at=key.now)


class ApiKey(models.Model):
    client = internal(models.ForeignKey(ApiClient, models.PROTECT, related_name="keys"))
    name = internal(models.CharField(_("key"), max_length=12))  # its first part, in clear: which key it is
    digest = secret(models.CharField(_("digest"), max_length=64))
    made_by = internal(models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("made by")))
    made_at = internal(models.DateTimeField(_("made"), db_default=Now()))
    ends_at = internal(models.DateTimeField(_("ends"), null=True, blank=True))
    used_at = internal(models.DateTimeField(_("last used"), null=True, blank=True))

    objects: ClassVar[ApiKeyQuerySet] = ApiKeyQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        constraints = (models.UniqueConstraint(fields=["name"], name="api_key_named_once"),)

    def __str__(self) -> str:
        return self.name
