"""The planted day of `make reconcile-proof`: every kind of difference is in it, and its files are bills as we read them."""

from io import BytesIO

import pytest

from config.local.proofs.planted_bills import bills
from config.local.proofs.planting import DAY, PID, PLANTS, planted
from payments.alipay.bill_columns import LEDGER, TRADE
from payments.alipay.bill_copy import BillText
from payments.alipay.bills import open_bill
from payments.models import Case


@pytest.mark.rows("F67")
def test_every_kind_that_a_comparison_tells_apart_is_planted_each_about_its_own_trade():
    kinds = list(Case.Kind)
    told = kinds[kinds.index(Case.Kind.PAYMENT_NOT_IN_BILL) : kinds.index(Case.Kind.FLOW_BALANCE) + 1]
    day = planted(300, 2 * len(PLANTS), seed=7)

    assert {each.kind for each in day.truth} == {Case.Kind.UNKNOWN_NUMBER, *told}
    assert len(set(day.truth)) == len(day.truth)
    assert {each.state for each in day.truth} == {"case", "explained", "waiting"}
    assert planted(300, 2 * len(PLANTS), seed=7) == day, "a seed is the same day everywhere"


@pytest.mark.parametrize("kind", [TRADE, LEDGER])
def test_its_files_are_bills_with_every_line_that_moved(kind):
    day = planted(300, len(PLANTS), seed=7)
    moved = (
        len(day.trade) + len(day.lines)
        if kind == TRADE
        else sum((each.fen != 0) + (each.fee_fen != 0) for each in day.flow)
    )
    packed = bills(day)[f"{DAY:%Y-%m-%d}", kind]

    with open_bill(BytesIO(packed), bill_type=kind, seller_id=PID, day=DAY.date()) as bill:
        text = BillText(bill)
        assert b"".join(text.blocks())
    assert text.lines == moved
