"""So many tries in so long a time, counted in the cache. Losing the cache forgets the count and stops nobody."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window: tries, and the seconds until the next one. `refused` when this try was one too many."""

    left: int
    reset_s: int
    refused: bool


def seconds_to_wait(what: str, who: str, *, most: int, per_s: int) -> int:
    """Count one try; 0 when it may go on, else the seconds until the next window."""
    allowed = count(what, who, most=most, per_s=per_s)
    return allowed.reset_s if allowed.refused else 0


def count(what: str, who: str, *, most: int, per_s: int) -> Allowance:
    """Count one try and say what is left.

    what  the door, "place"; who  an address or account; never stored beyond the window
    """
    now = int(time.time())
    window = now // per_s
    key = f"throttle:{what}:{who}:{window}"
    try:
        tries = _one_more(key, lasting_s=per_s + 5)
    except (RedisError, OSError, ValueError) as error:
        logger.warning("throttle_off", what=what, error=type(error).__name__)
        tries = 1
    return Allowance(left=max(0, most - tries), reset_s=(window + 1) * per_s - now, refused=tries > most)


def _one_more(key: str, *, lasting_s: int) -> int:
    """How many there are with this one. The first makes the count, unless another first was quicker."""
    try:
        return cache.incr(key)
    except ValueError:
        return 1 if cache.add(key, 1, timeout=lasting_s) else cache.incr(key)


def client_address(meta: Mapping[str, Any]) -> str:
    """Who asks: the connection's address, or what a proxy of ours says where the settings name its header.

    meta  of the request
    """
    header = settings.CLIENT_ADDRESS_HEADER
    return str((header and meta.get(header)) or meta.get("REMOTE_ADDR", ""))
