"""The example shop of the docs takes a payment through the API alone, against the running product."""

import re
import subprocess
import sys

from config.local.places import ROOT
from config.local.stack import Stack
from tests.journeys.conftest import API_KEY


def test_the_example_shop_sells_and_learns_that_it_was_paid(product: Stack, control, manage):
    shop = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "docs/examples/shop.py"), f"{product.shop}/api/v1", API_KEY],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert shop.stdout is not None
    lines = [shop.stdout.readline() for _ in range(3)]
    number = re.search(r"payment (\w+): draw http", lines[1])
    assert number, lines

    control("pay", out_trade_no=number[1])

    said, _ = shop.communicate(timeout=60)
    assert shop.returncode == 0, said
    assert "is paid: 12800 fen are in the books" in said
    found = manage("explain", lines[0].split()[1], "--json")
    assert (found["order"]["state"], found["order"]["paid_fen"], found["settled_count"]) == ("paid", 12800, 1)
