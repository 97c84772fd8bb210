"""What Celery is told about its broker."""

import secrets
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection


@pytest.mark.rows("F20")
def test_a_channel_with_an_unanswered_message_closes_in_peace_when_its_broker_went():
    """A worker that can't close it ends, instead of waiting for the broker."""
    name = f"test-{secrets.token_hex(4)}"
    with Connection(
        settings.CELERY_BROKER_URL, transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS
    ) as connection:
        channel: Any = connection.channel()
        connection.SimpleQueue(name, channel=channel).put({})
        assert channel.basic_get(name), "taken, and not answered for"

        channel.connection.client = None  # what a lost connection leaves behind
        del channel.client
        channel._pool = channel._async_pool = None
        channel.close()


def test_a_worker_waits_for_its_broker_as_long_as_it_takes():
    assert settings.CELERY_BROKER_CONNECTION_MAX_RETRIES is None
