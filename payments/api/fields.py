"""What several resources share: amounts, and serializers that refuse what they don't know."""

from functools import cache
from typing import Any

from rest_framework import serializers

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

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """The values of a body. Raises ValidationError."""
        read: dict[str, Any] = _made_once(cls).run_validation(data)
        return read

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            said = serializers.ErrorDetail("unknown field", "unknown")
            raise serializers.ValidationError({str(name)[:100]: [said] for name in sorted(unknown)})
        return super().to_internal_value(data)


class Told(serializers.Serializer[Any]):
    """The body of an answer."""

    @classmethod
    def of(cls, thing: Any) -> dict[str, Any]:
        """What is told of one thing."""
        told: dict[str, Any] = _made_once(cls).to_representation(thing)
        return told


@cache
def _made_once(kind: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Fields don't change: making them anew for each body was half of the work."""
    return kind()
