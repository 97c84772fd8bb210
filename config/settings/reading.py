"""Reading settings: what is wrong stops the start, and is named without being shown."""

import logging
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

ABOVE_NOTHING = (
    "order_life_s", "extension_s", "qr_life_s", "call_deadline_s", "page_deadline_s", "batch_connections", "breaker_failures",
    "bill_deadline_s",
)  # fmt: skip


class Environment(environ.Env):  # type: ignore[misc]  # the package has no types
    """The process's environment. A value of another kind than wanted raises ImproperlyConfigured with its name alone."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except (ValueError, TypeError):
            raise ImproperlyConfigured(f"{var} is not what it must be, a number or a list of them.") from None

    def required(self, name: str, *, least: int = 1, hint: str) -> str:
        """One setting that has no default here. Raises ImproperlyConfigured when it is missing or too short."""
        value: str = self(name, default="")
        if len(value) < least:
            problem = "is not set" if not value else f"is shorter than {least} characters"
            raise ImproperlyConfigured(f"{name} {problem}: {hint}")
        return value


def address(name: str, value: str, *, schemes: Collection[str]) -> str:
    """The same address, if it has one of these schemes and names something behind it. Raises ImproperlyConfigured."""
    parts = urlsplit(value)
    if parts.scheme not in schemes or not (parts.netloc or parts.path.strip("/")):
        raise ImproperlyConfigured(
            f"{name} is no address that starts with {' or '.join(f'{each}://' for each in schemes)}"
        )
    return value


def log_level(name: str, value: str) -> str:
    """The same level, if logging knows it. Raises ImproperlyConfigured."""
    if value not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name} is none of {', '.join(logging.getLevelNamesMapping())}")
    return value


def check_clocks(clocks: Mapping[str, Any], *, prefix: str) -> None:
    """See that no wait is negative, no deadline nothing, and every ladder has rungs. Raises ImproperlyConfigured."""
    for name, value in clocks.items():
        if isinstance(value, str):
            continue
        steps = value if isinstance(value, list) else [value]
        least = 1e-3 if name in ABOVE_NOTHING or isinstance(value, list) else 0
        if not steps or any(step < least for step in steps):
            raise ImproperlyConfigured(f"{prefix}{name.upper()} must not be {'empty' if not steps else 'so small'}.")
