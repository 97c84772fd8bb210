"""Sixty histories of every fault at once; `make simulate HISTORIES=500` plays more."""

import pytest

from tests.simulation.ground import Ground
from tests.simulation.playing import play

SHARE = 15


@pytest.mark.parametrize("first", range(1, 61, SHARE))
def test_no_history_breaks_an_invariant_and_every_one_ends_with_both_books_alike(under_us: Ground, first: int):
    assert play(under_us, range(first, first + SHARE)) == SHARE
