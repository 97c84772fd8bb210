"""The ledger on one page: what stands on each account at a moment, and whether it proves."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from payments.models import Account

BALANCES = """
SELECT account, sum(debit)::bigint, sum(credit)::bigint FROM (
    SELECT debit AS account, fen AS debit, 0 AS credit FROM payments_transfer
    WHERE posted_at <= coalesce(%(at)s::timestamptz, 'infinity')
    UNION ALL
    SELECT credit, 0, fen FROM payments_transfer WHERE posted_at <= coalesce(%(at)s::timestamptz, 'infinity')
) leg GROUP BY account
"""
# What money in cases must be, from the other side: payments that pay no order, less what went back of them and what was
# written off. Payments and refunds carry their times; which order a payment pays carries the time of its transfer.
IN_CASES = """
SELECT coalesce(sum(t.amount_fen - coalesce(r.back, 0)), 0)::bigint - (
    SELECT coalesce(sum(fen), 0) FROM payments_transfer
    WHERE cause = 'write_off' AND posted_at <= coalesce(%(at)s::timestamptz, 'infinity'))::bigint
FROM payments_transaction t
LEFT JOIN payments_order o ON o.paid_by_id = t.id
LEFT JOIN payments_transfer a ON a.transaction_id = t.id AND a.cause = 'assign'
  AND a.posted_at <= coalesce(%(at)s::timestamptz, 'infinity')
LEFT JOIN (
    SELECT transaction_id, sum(amount_fen) AS back FROM payments_refund
    WHERE state = 'succeeded' AND ended_at <= coalesce(%(at)s::timestamptz, 'infinity') GROUP BY transaction_id
) r ON r.transaction_id = t.id
WHERE t.settled_at <= coalesce(%(at)s::timestamptz, 'infinity') AND a.id IS NULL
  AND (o.id IS NULL OR EXISTS (SELECT 1 FROM payments_transfer x WHERE x.transaction_id = t.id AND x.cause = 'assign'))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One account: everything debited to it and credited to it so far, in fen."""

    account: Account
    debit_fen: int
    credit_fen: int

    @property
    def balance_fen(self) -> int:
        """Above zero: a debit balance."""
        return self.debit_fen - self.credit_fen


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account of the chart in its order; `in_cases_fen` is money in cases counted from payments and refunds."""

    rows: tuple[Row, ...]
    in_cases_fen: int
    as_of: datetime | None

    @property
    def debit_fen(self) -> int:
        return sum(row.debit_fen for row in self.rows)

    @property
    def credit_fen(self) -> int:
        return sum(row.credit_fen for row in self.rows)

    @property
    def booked_in_cases_fen(self) -> int:
        return -next(row.balance_fen for row in self.rows if row.account == Account.MONEY_IN_CASES)

    @property
    def proves(self) -> bool:
        """Debits are credits, and money in cases is what payments and refunds say it is."""
        return self.debit_fen == self.credit_fen and self.booked_in_cases_fen == self.in_cases_fen


def trial_balance(as_of: datetime | None = None) -> TrialBalance:
    """The ledger as of that moment, that moment included; now where none is given. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(BALANCES, {"at": as_of})
        found = {account: (debit, credit) for account, debit, credit in cursor.fetchall()}
        cursor.execute(IN_CASES, {"at": as_of})
        in_cases: int = cursor.fetchone()[0]
    rows = tuple(Row(account, *found.get(account, (0, 0))) for account in Account)
    return TrialBalance(rows, in_cases, as_of)
