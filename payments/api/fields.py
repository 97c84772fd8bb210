"""What several resources share: amounts, and serializers that refuse what they don't know."""

from typing import Any

from rest_framework import serializers

from payments.models.order import Order
from payments.services.place_order import MOST

CURRENCY = "CNY"


class Fen(serializers.IntegerField):
    """Whole fen, no text, no fraction, up to what Alipay takes."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MOST.fen, **more})

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Count(Fen):
    """A whole number of pieces."""


class Asked(serializers.Serializer[Any]):
    """The body of a request: a field that is not known here is a fault of the sender, and said."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            said = serializers.ErrorDetail("unknown field", "unknown")
            raise serializers.ValidationError({str(name)[:100]: [said] for name in sorted(unknown)})
        return super().to_internal_value(data)


class Told(serializers.Serializer[Any]):
    """The body of an answer."""


def paid_out(order: Order) -> dict[str, int]:
    """What has been paid for an order, and what of it went back."""
    attempt = order.paid_by
    return {"paid_fen": attempt.amount_fen if attempt else 0, "refunded_fen": attempt.refunded_fen if attempt else 0}
