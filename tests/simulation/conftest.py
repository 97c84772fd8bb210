"""A database of their own for histories, under a clock that only they can move."""

import os
from collections.abc import Iterator

import pytest

from tests.simulation.ground import Ground, ground


@pytest.fixture(scope="module")
def under_us(django_db_setup: None, django_db_blocker, worker_id: str) -> Iterator[Ground]:
    with django_db_blocker.unblock(), ground(os.environ["TEST_SOCKETS"], f"histories_{worker_id}") as made:
        yield made
