"""One graph of states: what the database refuses, what the page says and what the invariants allow are the same."""

import importlib
import re
from itertools import permutations
from typing import Any

import pytest
from django.db import connection

from config.local.places import ROOT
from payments.models import BillDay, BillFile, Case, Difference, Order, Refund, RefundBatch, Transaction
from payments.models.states import ENDS, MOVES

MODELS: dict[str, Any] = {
    "order": Order, "transaction": Transaction, "refund": Refund, "case": Case, "billday": BillDay, "billfile": BillFile,
    "difference": Difference, "refundbatch": RefundBatch,
}  # fmt: skip
STOPS = next((ROOT / "payments" / "migrations").glob("*_stopped_batches.py")).stem
GUARDS = [
    importlib.import_module(f"payments.migrations.{name}") for name in ("0013_guards", "0020_statement_lines", STOPS)
]
RULES = {
    name.removesuffix("_moves"): rule
    for guards in GUARDS
    for name, _, _, rule, _ in guards.SINGLE
    if name.endswith("_moves")
}


@pytest.mark.rows("I-17", "I-19")
@pytest.mark.parametrize("kind", MODELS)
def test_the_database_refuses_every_move_that_is_not_in_the_graph(db, kind: str):
    states = [str(state) for state in MODELS[kind].State]
    rule = RULES[kind].replace("OLD.state", "%(before)s::text").replace("NEW.state", "%(after)s::text")

    with connection.cursor() as cursor:
        for before, after in permutations(states, 2):
            cursor.execute(f"SELECT {rule}", {"before": before, "after": after})
            assert cursor.fetchone()[0] == ((before, after) not in MOVES[kind]), (before, after)


@pytest.mark.parametrize("kind", MODELS)
def test_every_state_is_in_the_graph_and_can_be_reached(kind: str):
    reached = {""}
    for _ in MODELS[kind].State:
        reached |= {after for before, after in MOVES[kind] if before in reached}

    assert reached == {"", *map(str, MODELS[kind].State)}
    assert not [move for move in MOVES[kind] if move[0] in ENDS.get(kind, ())]


def test_the_page_names_every_state():
    page = (ROOT / "docs" / "states.md").read_text()

    for kind, moves in MOVES.items():
        assert re.search(rf"^\| {kind} ", page, re.MULTILINE)
        assert all(f"`{after}`" in page for _, after in moves)
