"""A long row of histories keeps what it found: stopped, it has what is certain, and a later run carries it on."""

import pytest

from config.local.proofs import figures, seeds
from config.local.proofs.seeds import Tally, tally


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    monkeypatch.setattr(seeds, "FIGURES", tmp_path)
    return tmp_path / "simulate.txt"


def played(found: Tally, *numbers: int) -> Tally:
    for seed in numbers:
        found.note(seed, 1, "")
    return found


def test_a_whole_run_ends_with_its_one_line(kept):
    found = played(tally(1, 4), 2, 1, 3, 4)
    found.keep()

    assert found.is_clean
    assert kept.read_text().splitlines()[-1] == "simulate: 4 histories, 0 violations, seeds 1-4"
    assert "75.00% of histories" in kept.read_text()


def test_a_run_that_is_stopped_keeps_the_seeds_before_the_first_gap(kept):
    found = played(tally(1, 100), 1, 2, 3, 5, 7)
    found.keep()

    assert not found.is_clean
    assert found.lines()[-1] == "simulate: 3 histories, 0 violations, seeds 1-3"


def test_the_next_run_carries_it_on_from_the_seed_that_follows(kept):
    played(tally(1, 100), 1, 2, 3).keep()
    played(tally(4, 6), 4, 5, 6).keep()

    lines = kept.read_text().splitlines()
    assert lines[-1] == "simulate: 6 histories, 0 violations, seeds 1-6"
    assert [line.split(" (")[0] for line in lines if line.startswith("seeds ")] == [
        "seeds 1-3: 3 histories, 0 violations", "seeds 4-6: 3 histories, 0 violations"
    ]  # fmt: skip


@pytest.mark.parametrize("first", [3, 5, 1])
def test_any_other_seed_begins_anew(first):
    played(tally(1, 100), 1, 2, 3).keep()

    assert tally(first, 10).earlier == []


def test_a_broken_history_is_never_forgotten_and_no_bound_is_claimed(kept):
    first = played(tally(1, 2), 1)
    first.note(2, 1, "books differ")
    first.keep()
    second = played(tally(3, 4), 3, 4)
    second.keep()

    assert not first.is_clean
    assert kept.read_text().splitlines()[-1] == "simulate: 4 histories, 1 violations, seeds 1-4"
    assert "violation at seed 2" in kept.read_text()
    assert "fewer than" not in kept.read_text()


def test_a_seed_that_played_nothing_is_no_history():
    found = tally(1, 2)
    found.note(1, 1, "")
    found.note(2, 0, "")

    assert not found.is_clean
