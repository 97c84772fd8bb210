"""So many tries in so long a time, counted in the cache. Losing the cache forgets the count and stops nobody."""

import time

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)


def seconds_to_wait(what: str, who: str, *, most: int, per_s: int) -> int:
    """Count one try; 0 when it may go on, else the seconds until the next window.

    what  the door, "place"; who  an address or account; never stored beyond the window
    """
    now = int(time.time())
    window = now // per_s
    key = f"throttle:{what}:{who}:{window}"
    try:
        cache.add(key, 0, timeout=per_s + 5)
        tries = cache.incr(key)
    except (RedisError, OSError, ValueError) as error:
        logger.warning("throttle_off", what=what, error=type(error).__name__)
        return 0
    return 0 if tries <= most else (window + 1) * per_s - now
