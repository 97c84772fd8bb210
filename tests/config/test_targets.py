"""What `make` can be asked for: each target is there, and takes the sizes that are handed to it."""

import inspect

import pytest

import run
from config.local.__main__ import ALONE, SIZES, TAKES_WORDS, function, number

NAMES = {**ALONE, **TAKES_WORDS, **{target: name for target, (name, _) in SIZES.items()}}


def test_the_targets_are_those_that_run_py_names():
    assert set(NAMES) == run.TARGETS - {"setup"}
    assert len(NAMES) == len(ALONE) + len(TAKES_WORDS) + len(SIZES)


@pytest.mark.parametrize("target", sorted(NAMES))
def test_a_target_takes_what_it_is_given(target: str):
    takes = inspect.signature(function(NAMES[target]))

    if target in SIZES:
        takes.bind(**SIZES[target][1])
    else:
        takes.bind(*[[]] if target in TAKES_WORDS else [])


def test_a_size_is_a_word_or_stands_in_the_environment_or_is_as_usual(monkeypatch):
    assert number("KILLS", ["KILLS=7", "more"], 20) == 7
    assert number("KILLS", [], 20) == 20
    monkeypatch.setenv("KILLS", "9")
    assert number("KILLS", [], 20) == 9
    for word in ("ten", "-1", "1.5", "２"):
        with pytest.raises(SystemExit, match=f"KILLS={word} is no number"):
            number("KILLS", [f"KILLS={word}"], 20)
