"""The list of `make guards` follows the code: each guard stands where it says, and so does its test."""

import pytest

from config.local.places import ROOT
from config.local.proofs.guard_list import GUARDS, TESTS, Guard


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_and_its_test_stand_where_the_list_says(guard: Guard):
    file, *inside = guard.test.split("::")
    told = (ROOT / TESTS / file).read_text()

    assert all(f"def {each}(" in told or f"class {each}" in told for each in inside)
    if not isinstance(guard.without, str):
        name, text, instead = guard.without
        assert text in (ROOT / name).read_text()
        assert text != instead
