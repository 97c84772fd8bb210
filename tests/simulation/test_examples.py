"""Every history that once broke a rule is played again from its kept steps; and such a replay can fail."""

import json
from pathlib import Path

import pytest

from payments.models import settling
from tests.simulation.examples import KEPT, keep, replay
from tests.simulation.ground import Ground
from tests.simulation.verdict import Step, Violation

SECOND_TRADE = "AND coalesce(t.trade_no, f.trade_no) = f.trade_no"
STEPS: list[Step] = [
    ("begin", {"salt": 1, "tells_all": True}),
    ("order", {"variant": 1, "pieces": 1, "scene": "qr"}),
    ("pay", {"pick": 0, "scan_first": True}),
    ("at_the_page", {"pick": 0, "how": "press_check"}),
    ("line_breaks", {"breaks": ["processed, the answer about a second trade of this number"]}),
    ("pay", {"pick": 0, "scan_first": False}),
    ("time_passes", {"seconds": 20, "works": True}),
    ("tell_of_a_second_trade", {"pick": 0}),
    ("decide", {"yes": True}),
]


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.json")), ids=lambda path: path.stem)
def test_a_history_that_once_broke_a_rule_holds(under_us: Ground, path: Path):
    assert replay(under_us, path) >= 2


def test_a_kept_history_is_the_same_steps_and_those_that_no_longer_fit_are_left_out(under_us: Ground, tmp_path: Path):
    path = keep(Violation("books differ, seed 9: all\n  1. x", 9, STEPS), under=tmp_path)

    assert json.loads(path.read_text())["broke"] == "books differ, seed 9: all"
    assert replay(under_us, path) == len(STEPS) - 1  # nobody waits for a decision


def test_a_replay_sees_what_it_was_kept_for(under_us: Ground, monkeypatch: pytest.MonkeyPatch):
    """The negative control: without the gate that tells two trades of one number apart, the kept steps break a rule."""
    assert SECOND_TRADE in settling.SETTLE
    monkeypatch.setattr(settling, "SETTLE", settling.SETTLE.replace(SECOND_TRADE, ""))

    with pytest.raises(Violation):
        replay(under_us, KEPT / "9.json")
