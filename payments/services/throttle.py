"""So many tries in so long a time, counted in the cache. Losing the cache forgets the count and stops nobody."""

import time
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Try:
    """One try at a door.

    what  the door, "place"; who  an address, an account, a hash of a key: never stored beyond the window; most  in one window
    """

    what: str
    who: str
    most: int


def seconds_to_wait(what: str, who: str, *, most: int, per_s: int) -> int:
    """Count one try; 0 when it may go on, else the seconds until the next window."""
    (allowed,) = count([Try(what, who, most)], per_s=per_s)
    return allowed.reset_s if allowed.refused else 0


def count(tries: Sequence[Try], *, per_s: int) -> list[Allowance]:
    """Count these tries, in one trip to the cache, and say what is left of each."""
    now = int(time.time())
    window = now // per_s
    keys = [f"throttle:{each.what}:{each.who}:{window}" for each in tries]
    try:
        counted = cache.count_each(keys, lasting_s=per_s + 5)  # type: ignore[attr-defined]  # config.cache's
    except (RedisError, OSError) as error:
        logger.warning("throttle_off", what=tries[0].what, error=type(error).__name__)
        counted = [1] * len(keys)
    reset_s = (window + 1) * per_s - now
    return [
        Allowance(left=max(0, each.most - so_far), reset_s=reset_s, refused=so_far > each.most)
        for each, so_far in zip(tries, counted, strict=True)
    ]


def client_address(meta: Mapping[str, Any]) -> str:
    """Who asks: the connection's address, or what a proxy of ours says where the settings name its header.

    meta  of the request
    """
    header = settings.CLIENT_ADDRESS_HEADER
    return str((header and meta.get(header)) or meta.get("REMOTE_ADDR", ""))
