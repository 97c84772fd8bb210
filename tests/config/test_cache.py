"""The cache's quicker way to count, on a real Valkey; the other tests have a cache in their own memory."""

import secrets
import socket
import time

import pytest
from django.conf import settings

from config.cache import OneTripCache
from config.settings import base
from payments.services import throttle


def there(url: str) -> OneTripCache:
    return OneTripCache(url, {"OPTIONS": base.cache(url)["OPTIONS"]})


@pytest.fixture
def cache() -> OneTripCache:
    return there(settings.REDIS_URL)


def test_counting_on_needs_a_beginning_and_keeps_its_end(cache):
    key = f"test:{secrets.token_hex(4)}"
    with pytest.raises(ValueError, match="not there"):
        cache.incr(key)
    assert cache.get(key) is None, "a count without an end would stay for ever"

    cache.add(key, 1, timeout=30)
    assert (cache.incr(key), cache.incr(key, 3), cache.get(key)) == (2, 5, 5)
    assert 0 < cache._cache.get_client(write=True).ttl(cache.make_and_validate_key(key)) <= 30


def test_tries_are_counted_one_by_one_and_refused_beyond_the_most(cache, monkeypatch):
    monkeypatch.setattr(throttle, "cache", cache)
    who = secrets.token_hex(4)

    found = [throttle.count("test", who, most=2, per_s=3600) for _ in range(4)]

    assert [(each.left, each.refused) for each in found] == [(1, False), (0, False), (0, True), (0, True)]


@pytest.mark.rows("F22")
def test_a_cache_that_is_gone_or_never_answers_keeps_nobody_out_and_holds_nobody_up(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen(5)
        for url in ("unix:///nowhere/valkey.sock", f"unix://{tmp_path}/mute.sock"):
            monkeypatch.setattr(throttle, "cache", there(url))
            started = time.monotonic()

            assert not throttle.count("test", "x", most=1, per_s=60).refused
            assert time.monotonic() - started < 3
