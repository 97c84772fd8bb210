"""A sample of `make order-race`: five processes at one order at once, beside the product's own."""

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from config.local.proofs.order_racing import ODD, RACER, ROLES, race_once
from config.local.proofs.racers import racers
from config.local.proofs.verdict import rows
from config.local.servers import Servers
from config.local.stack import Stack

TRIALS, PATIENCE_S = 8, 30
UNENDED = """
SELECT count(*) FROM payments_order o JOIN payments_orderline l ON l.order_id = o.id AND l.sku = 'RACE'
JOIN payments_transaction t ON t.order_id = o.id
WHERE o.state = 'awaiting_payment' OR t.state NOT IN ('paid', 'closed')
"""
ENDED = """
SELECT o.state IN ('paid', 'partly_refunded', 'refunded'), count(*) FROM payments_order o
JOIN payments_orderline l ON l.order_id = o.id AND l.sku = 'RACE' GROUP BY 1
"""


@pytest.fixture
def database() -> Servers:
    return replace(Servers(Path(os.environ["TEST_SOCKETS"])), database="jiezhang_journeys")


@pytest.mark.rows("F51", "F53")
def test_five_processes_at_one_order_make_one_history(product: Stack, database: Servers):
    chance = random.Random(1)
    with racers(RACER, product.environment | {"DATABASE_POOL": "0"}, ROLES) as lanes:
        told = [race_once(lanes, product.sandbox, chance) for _ in range(TRIALS)]

    until = time.monotonic() + PATIENCE_S
    while rows(database, UNENDED)[0][0] and time.monotonic() < until:
        time.sleep(0.2)
    database.sql("UPDATE checkout_product SET is_listed = false WHERE slug = 'race'", database=database.database)
    paid = sum(each["buyer"] == "paid" for each in told)
    assert [word for each in told for word in each.values() if word.startswith("database")] == []
    wanted = {True: paid, False: TRIALS - paid}
    assert dict(rows(database, ENDED)) == {is_paid: count for is_paid, count in wanted.items() if count}
    assert rows(database, ODD) == []
