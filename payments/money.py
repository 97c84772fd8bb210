"""Money is a whole number of fen; yuan are text at the edges."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from payments.errors import InvalidAmount

_YUAN = re.compile(r"(0|[1-9]\d{0,8})(?:\.(\d{1,2}))?", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """Renminbi in whole fen (1 yuan = 100 fen). Never a float, never a bare number of yuan."""

    fen: int

    def __post_init__(self) -> None:
        assert type(self.fen) is int, f"whole fen expected, got {self.fen!r}"

    @classmethod
    def from_yuan(cls, text: str) -> Self:
        """Read an amount as Alipay writes it: yuan, at most two decimals, no sign ("88.8", "100").

        Raises InvalidAmount. Source: total_amount of alipay.trade.page.pay.
        """
        match = _YUAN.fullmatch(text)
        if match is None:
            raise InvalidAmount(text)
        return cls(int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")))

    def to_yuan(self) -> str:
        """The amount as Alipay reads it: yuan with two decimals, no grouping ("88.80")."""
        return f"{Decimal(self.fen) / 100:.2f}"

    def __str__(self) -> str:
        """The amount as people read it: "¥88.80", grouped from 10,000 yuan ("¥12,345.60"), what is taken off
        with its sign in front ("−¥30.00")."""
        yuan, sign = Decimal(abs(self.fen)) / 100, "−" if self.fen < 0 else ""
        return f"{sign}¥{yuan:,.2f}" if yuan >= 10_000 else f"{sign}¥{yuan:.2f}"


def split_by_lines(amount: Money, weights: Mapping[str, int]) -> dict[str, int]:
    """Split an amount in proportion to `weights` (fen by line): whole fen, sums exactly, largest remainders first.

    Nothing can be split by weights of nothing; nothing splits into nothings.
    """
    total = sum(weights.values())
    assert total > 0 or amount.fen == 0, "nothing to split by"
    shares = {line: amount.fen * weight // total if total else 0 for line, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda line: amount.fen * weights[line] % total if total else 0, reverse=True)
    for line in by_remainder[: amount.fen - sum(shares.values())]:
        shares[line] += 1
    return shares
