"""How many of a variant there are, and which orders hold some of them. Guarded counters; the database refuses below zero."""

from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from payments.fields import internal, public

MOST_PIECES = 1_000_000


class StockQuerySet(models.QuerySet["Stock"]):
    def hold(self, variant_id: int, quantity: int) -> bool:
        """Set pieces aside for an unpaid order. False when fewer are free."""
        free = self.filter(pk=variant_id, on_hand__gte=F("held") + quantity)
        return free.update(held=F("held") + quantity) == 1

    def release(self, variant_id: int, quantity: int) -> None:
        """Back on the shelf."""
        self.filter(pk=variant_id).update(held=F("held") - quantity)

    def take(self, variant_id: int, quantity: int) -> None:
        """Held pieces leave for good: their order is paid."""
        self.filter(pk=variant_id).update(held=F("held") - quantity, on_hand=F("on_hand") - quantity)


class Stock(models.Model):
    variant = public(
        models.OneToOneField("checkout.Variant", models.CASCADE, primary_key=True, verbose_name=_("variant"))
    )
    on_hand = public(models.PositiveIntegerField(_("in stock"), default=0, validators=[MaxValueValidator(MOST_PIECES)]))
    held = internal(models.PositiveIntegerField(_("held by unpaid orders"), default=0, editable=False))

    objects: ClassVar[StockQuerySet] = StockQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        constraints = (
            models.CheckConstraint(
                condition=Q(held__gte=0, held__lte=F("on_hand")),
                name="stock_never_oversold",
                violation_error_message=_("Unpaid orders hold more than this; wait until they are paid or over."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.on_hand}"

    @property
    def free(self) -> int:
        """Pieces that may be sold now."""
        return self.on_hand - self.held


class StockHoldQuerySet(models.QuerySet["StockHold"]):
    def end(self, hold: "StockHold", *, seen: "StockHold.State", to: "StockHold.State") -> bool:
        """Move a hold on. True for the one caller who did it: releasing and taking happen once."""
        return self.filter(pk=hold.pk, state=seen).update(state=to, ended_at=Now()) == 1


class StockHold(models.Model):
    class State(models.TextChoices):
        HELD = "held", _("held")
        RELEASED = "released", _("back on the shelf")
        TAKEN = "taken", _("sold")

    order = internal(models.ForeignKey("payments.Order", models.PROTECT, related_name="holds"))
    variant = internal(models.ForeignKey("checkout.Variant", models.PROTECT, db_index=False))
    quantity = internal(models.PositiveIntegerField(_("pieces")))
    state = internal(models.CharField(_("state"), max_length=8, choices=State, default=State.HELD))
    held_at = internal(models.DateTimeField(_("held since"), db_default=Now()))
    ended_at = internal(models.DateTimeField(_("ended"), null=True, blank=True))

    objects: ClassVar[StockHoldQuerySet] = StockHoldQuerySet.as_manager()  # type: ignore[assignment]  # with these methods

    class Meta:
        verbose_name = _("stock hold")
        verbose_name_plural = _("stock holds")
        constraints = (
            models.UniqueConstraint(fields=["order", "variant"], name="one_hold_per_order_and_variant"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="hold_of_something"),
        )
        # few at any time: what is held now, for the sums and for holds that outlive their order
        indexes = (models.Index(fields=["variant"], condition=Q(state="held"), name="hold_held_now"),)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"
