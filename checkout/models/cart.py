"""What a shopper means to buy. Prices are looked up at each view; `seen_fen` only lets us say what has changed."""

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import SealedField, internal, personal, secret

MOST_OF_ONE = 99  # pieces of one variant in a cart
MOST_LINES = 50


def new_token() -> str:
    return secrets.token_urlsafe(24)


class Cart(models.Model):
    token = secret(models.CharField(_("token"), max_length=64, unique=True, default=new_token))
    owner = internal(
        models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="cart")
    )
    # the unpaid order made of it: going back to the checkout finds that order instead of making another
    order = internal(models.OneToOneField("payments.Order", models.PROTECT, null=True, blank=True, related_name="cart"))
    seal_id = internal(models.UUIDField(default=uuid.uuid4, editable=False))
    draft = personal(SealedField(_("contact and delivery as typed, JSON"), null=True, blank=True))
    merged = internal(models.PositiveSmallIntegerField(_("pieces added at sign-in"), default=0))
    changed_at = internal(models.DateTimeField(_("changed"), db_default=Now()))

    class Meta:
        verbose_name = _("cart")
        verbose_name_plural = _("carts")
        indexes = (models.Index(fields=["changed_at"], name="cart_by_age"),)

    def __str__(self) -> str:
        return f"{self.pk}"


class CartLine(models.Model):
    cart = internal(models.ForeignKey(Cart, models.CASCADE, related_name="lines"))
    variant = internal(models.ForeignKey("checkout.Variant", models.CASCADE, db_index=False))
    quantity = internal(models.PositiveSmallIntegerField(_("pieces")))
    seen_fen = internal(models.BigIntegerField(_("price when last seen (fen)")))
    added_at = internal(models.DateTimeField(_("added"), db_default=Now()))

    class Meta:
        verbose_name = _("cart line")
        verbose_name_plural = _("cart lines")
        constraints = (
            models.UniqueConstraint(fields=["cart", "variant"], name="one_cart_line_per_variant"),
            models.CheckConstraint(condition=Q(quantity__gte=1, quantity__lte=MOST_OF_ONE), name="cart_quantity"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"
