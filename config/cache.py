"""Django's cache on Valkey or Redis, with a quicker way to count: every request of the API counts twice."""

from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis import Redis

COUNT_ON = "return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('INCRBY', KEYS[1], ARGV[1]) or false"


class OneTripCache(RedisCache):
    """`incr` is one question over a client that is kept; the framework's asks two and makes a client for each.

    An object belongs to one thread, and so does its connection.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._count_on = Redis.from_url(server, **params.get("OPTIONS", {})).register_script(COUNT_ON)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """As the framework's: raises ValueError where nothing is counted yet."""
        found = self._count_on(keys=[self.make_and_validate_key(key, version)], args=[delta])
        if found is None:
            raise ValueError(f"{key} is not there")
        return int(found)
