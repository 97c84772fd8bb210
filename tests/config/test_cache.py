"""The cache's quicker way to count, on a real Valkey; the other tests have a cache in their own memory."""

import secrets
import socket
import time

import pytest
from django.conf import settings

from config.cache import OneTripCache
from config.settings import base
from payments.services import throttle
from payments.services.throttle import Try


def there(url: str) -> OneTripCache:
    return OneTripCache(url, {"OPTIONS": base.cache(url)["OPTIONS"]})


@pytest.fixture
def cache() -> OneTripCache:
    return there(settings.REDIS_URL)


def test_each_is_counted_by_itself_and_has_an_end(cache):
    keys = [f"test:{secrets.token_hex(4)}" for _ in range(2)]

    assert cache.count_each(keys, lasting_s=30) == [1, 1]
    assert cache.count_each(keys[1:], lasting_s=30) == [2]
    assert cache.count_each(keys, lasting_s=30) == [2, 3]

    ask = cache._cache.get_client(write=True)
    assert all(0 < ask.ttl(cache.make_and_validate_key(key)) <= 30 for key in keys)


def test_a_server_that_has_forgotten_how_to_count_is_told_again(cache):
    key = f"test:{secrets.token_hex(4)}"
    cache.count_each([key], lasting_s=30)

    cache._kept.script_flush()

    assert cache.count_each([key], lasting_s=30) == [2]


def test_tries_are_counted_one_by_one_and_refused_beyond_the_most(cache, monkeypatch):
    monkeypatch.setattr(throttle, "cache", cache)
    tries = [Try("test", secrets.token_hex(4), 2), Try("other", secrets.token_hex(4), 9)]

    found = [throttle.count(tries, per_s=3600) for _ in range(4)]

    assert [(each.left, each.refused) for each, _ in found] == [(1, False), (0, False), (0, True), (0, True)]
    assert [each.left for _, each in found] == [8, 7, 6, 5]


@pytest.mark.rows("F22")
def test_a_cache_that_went_and_came_back_counts_again(cache, monkeypatch):
    monkeypatch.setattr(throttle, "cache", cache)
    tries = [Try("test", secrets.token_hex(4), 9)]
    throttle.count(tries, per_s=3600)

    cache._kept.connection.disconnect()  # as the server's restart leaves it

    assert throttle.count(tries, per_s=3600)[0].left == 7


@pytest.mark.rows("F22")
def test_a_cache_that_is_gone_or_never_answers_keeps_nobody_out_and_holds_nobody_up(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen(5)
        for url in ("unix:///nowhere/valkey.sock", f"unix://{tmp_path}/mute.sock"):
            monkeypatch.setattr(throttle, "cache", there(url))
            started = time.monotonic()

            assert not throttle.count([Try("test", "x", 1)], per_s=60)[0].refused
            assert time.monotonic() - started < 3
