"""A bill as text for COPY: however long it is, a block of it is in memory, and never all."""

import io
import tracemalloc

import pytest

from payments.alipay import bill_copy
from payments.alipay.bill_columns import TOTAL, TRADE
from payments.alipay.bill_copy import NAMES, BillText
from payments.alipay.bills import open_bill
from tests.payments.alipay.billing import DAY, PAYMENT, PID, packed, trade_lines

FEW, MANY = 4_000, 40_000


def peak_of(lines: int) -> int:
    """The most bytes that Python held while a bill of so many lines was turned into text."""
    file = io.BytesIO(packed(trade_lines([{**PAYMENT, "支付宝交易号": f"{number:028d}"} for number in range(lines)])))
    tracemalloc.start()
    try:
        with open_bill(file, bill_type=TRADE, seller_id=PID, day=DAY) as bill:
            text = BillText(bill)
            assert sum(block.count(b"\n") for block in text.blocks()) == lines
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.rows("F66", "F11")
def test_ten_times_the_lines_take_no_more_memory():
    assert peak_of(MANY) < 1.2 * peak_of(FEW)


def test_an_amount_is_read_once_and_right_however_many_there_are(monkeypatch):
    monkeypatch.setattr(bill_copy, "MOST_AMOUNTS", 3)
    amounts = {"0.01": 1, "0.1": 10, "88.80\t": 8880, " 7 ": 700, "0.01\t": 1, "-5.00": -500, "0.10": 10, "": 0}
    file = io.BytesIO(packed(trade_lines([{**PAYMENT, TOTAL: amount} for amount in [*amounts, *amounts]])))

    with open_bill(file, bill_type=TRADE, seller_id=PID, day=DAY) as bill:
        lines = b"".join(BillText(bill).blocks()).decode("gbk").splitlines()

    assert [int(line.split(",")[NAMES.index("fen")]) for line in lines] == [*amounts.values(), *amounts.values()]
