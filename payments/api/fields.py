"""What several resources share: amounts, and serializers that refuse what they don't know."""

from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from django.urls import reverse
from django.utils import timezone
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
        return _made_once(cls).to_representation(thing)

    def to_representation(self, thing: Any) -> dict[str, Any]:
        """As the framework's, which finds out anew for each answer how each field is read: half of its time."""
        return {name: None if (value := read(thing)) is None else say(value) for name, read, say in self._ways}

    @cached_property
    def _ways(self) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
        """Of each field: its name, how it is read off a thing, how its value is told."""
        return [(name, _reader(field), _teller(self, field)) for name, field in self.fields.items()]


def _reader(field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any], Any]:
    """Off a dict, or off an object; the framework's own way where the source is longer than one name."""
    if len(field.source_attrs) != 1:
        return field.get_attribute
    (name,) = field.source_attrs
    return lambda thing: thing[name] if isinstance(thing, dict) else getattr(thing, name)


def _teller(whole: Told, field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any], Any]:
    if isinstance(field, serializers.SerializerMethodField):
        teller: Callable[[Any], Any] = getattr(whole, str(field.method_name))
        return teller
    return _moment if type(field) is serializers.DateTimeField else field.to_representation


def _moment(value: datetime) -> str:
    return timezone.localtime(value).isoformat()


ROOM = "0" * 16  # is a number of an order, and a token too


@cache
def _address_of(name: str) -> str:
    return reverse(name, args=[ROOM])


def address_of(name: str, word: str) -> str:
    """As `reverse` with one argument, which is found out once for each name."""
    return _address_of(name).replace(ROOM, word)


@cache
def _made_once(kind: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Fields don't change: making them anew for each body was half of the work."""
    return kind()
