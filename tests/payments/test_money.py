import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.errors import InvalidAmount
from payments.money import Money, split_by_lines


@pytest.mark.parametrize(
    ("text", "fen"), [("0.01", 1), ("88.8", 8880), ("88.80", 8880), ("100", 10000), ("0", 0), ("100000000", 10**10)]
)
def test_an_amount_as_alipay_writes_it_is_read_to_the_fen(text: str, fen: int):
    assert Money.from_yuan(text) == Money(fen)


@pytest.mark.parametrize(
    "text",
    [
        "", "1e2", "-100.00", "+1.00", "100.001", " 100.00", "100.00 ", "100,00", "1,000.00", "NaN", "Infinity", "0x10",
        "999999999999.99", ".5", "1.", "01.00", "١٠٠", "１００", "100.00\n", "1_000",
    ],
)  # fmt: skip
def test_anything_else_is_no_amount(text: str):
    with pytest.raises(InvalidAmount):
        Money.from_yuan(text)


@given(st.integers(min_value=0, max_value=10**10))
def test_yuan_text_and_fen_are_the_same_amount_both_ways(fen: int):
    assert Money.from_yuan(Money(fen).to_yuan()) == Money(fen)


def test_a_float_is_never_money():
    with pytest.raises(AssertionError):
        Money(1.0)  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize(
    ("fen", "text"), [(8880, "¥88.80"), (999999, "¥9999.99"), (1234560, "¥12,345.60"), (1, "¥0.01")]
)
def test_people_read_two_decimals_grouped_from_ten_thousand(fen: int, text: str):
    assert str(Money(fen)) == text


def test_a_split_loses_no_fen():
    assert split_by_lines(Money(100), {"1": 1, "2": 1, "3": 1}) == {"1": 34, "2": 33, "3": 33}
    assert split_by_lines(Money(7), {"1": 300, "2": 700}) == {"1": 2, "2": 5}
