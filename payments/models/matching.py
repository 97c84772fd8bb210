"""The comparison of one day's bills with our books, in the database: what is found, what is new, and the cases of it.

All of it happens on one connection in one transaction, in a table that only it sees.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection

from payments.models.bill import BillDay, BillFile
from payments.models.case import RULES

FOLDER = Path(__file__).parent / "sql"
MATCH_PAYMENTS, MATCH_REFUNDS, MATCH_TRADE, MATCH_ACCOUNT = (
    FOLDER / f"match_{name}.sql" for name in ("payments", "refunds", "trade", "account")
)
# Of a million pairs a few come out, where PostgreSQL expects them all and shies away from workers.
LIMITS = ("statement_timeout = '3600s'", "work_mem = '64MB'", "parallel_tuple_cost = 0")

FOUND = """
CREATE TEMPORARY TABLE bill_found (
    kind text, key text, line_no integer, transaction_id bigint, refund_id bigint, trade_no text, out_trade_no text,
    out_request_no text, field text, ours text, theirs text, fen bigint, near integer,
    state text, explanation text NOT NULL DEFAULT '', subject text
) ON COMMIT DROP
"""
# The lines that are not simply payments: few, as a rule.
REST = """
CREATE TEMPORARY TABLE bill_rest ON COMMIT DROP AS
SELECT line_no, nth, key, kind, trade_no, out_trade_no, request_no, word, fen, receipt_fen, fee_fen, happened_at
FROM payments_statementline WHERE file_id = %(file)s AND (nth > 1 OR kind <> 'payment')
"""
# What we call the refunds of the bill that it does not name as we do. A line without a number of its own is its own name
# ("bill-12-345"), and two of one trade that differ in time or amount are two refunds (`is_another`), not one that stands twice.
NAMED = """
CREATE TEMPORARY TABLE bill_named ON COMMIT DROP AS
SELECT l.line_no, coalesce(r.out_request_no, %(name)s || l.line_no) AS request_no, l.nth > 1 AS is_another
FROM bill_rest l
LEFT JOIN (payments_refund r JOIN payments_transaction t ON t.id = r.transaction_id)
  ON r.other_no = %(name)s || l.line_no AND r.other_no <> '' AND t.trade_no = l.trade_no
WHERE l.kind = 'refund' AND (
    r.id IS NOT NULL OR (l.request_no IN ('', l.out_trade_no) AND NOT EXISTS (
        SELECT FROM bill_rest b WHERE b.key = l.key AND b.nth < l.nth AND (b.fen, b.happened_at) = (l.fen, l.happened_at))))
"""
# Whether a difference's payment or refund stands in another file `f`, by its number or by the line it is known to be.
STANDS_IN_FILE = """
EXISTS (SELECT FROM payments_statementline l WHERE l.file_id = f.id AND l.nth = 1 AND l.key =
    d.trade_no || CASE d.kind WHEN 'refund_not_in_bill' THEN '/退款/' || d.out_request_no ELSE '/交易/' END)
OR EXISTS (SELECT FROM payments_refund r WHERE r.id = d.refund_id
    AND (starts_with(r.out_request_no, 'bill-' || f.id || '-') OR starts_with(r.other_no, 'bill-' || f.id || '-')))
"""
# A payment or refund that is not in this day's bill may stand in another one's: near midnight, or heard of late.
ELSEWHERE = f"""
UPDATE bill_found d SET explanation = 'bill:' || f.id
FROM payments_billfile f JOIN payments_billday b ON b.id = f.day_id
WHERE d.kind IN ('payment_not_in_bill', 'refund_not_in_bill')
  AND b.account_id = %(account)s AND b.day BETWEEN %(day)s::date - 14 AND %(day)s::date + 1 AND b.day <> %(day)s::date
  AND f.kind = 'trade' AND f.state = 'imported'
  AND ({STANDS_IN_FILE})
"""  # noqa: S608  # our own words
JUDGE = """
UPDATE bill_found d SET
    explanation = CASE WHEN near = 9 THEN 'day' ELSE explanation END,
    subject = left(coalesce(
        CASE WHEN kind = 'bill_fee' AND (SELECT count(*) > 1 FROM bill_found WHERE kind = 'bill_fee')
        THEN 'billday:' || %(day_id)s END,
        'refund:' || refund_id, 'transaction:' || transaction_id, 'billline:' || CASE WHEN key LIKE 'flow:%%'
        THEN %(account_file)s ELSE %(file)s END || ':' || coalesce(line_no::text, trade_no)), 100),
    state = CASE
        WHEN explanation <> '' OR near = 9 THEN 'explained'
        WHEN near IN (-1, 1) AND now() < %(waits_until)s AND NOT EXISTS (
            SELECT 1 FROM payments_billday b JOIN payments_billfile f ON f.day_id = b.id
            WHERE f.kind = 'trade' AND f.state = 'imported' AND b.account_id = %(account)s
              AND b.day = %(day)s::date + near) THEN 'waiting'
        ELSE 'case' END
"""
KNOWN = """
DELETE FROM bill_found f USING payments_difference d WHERE d.day_id = %(day_id)s AND d.kind = f.kind AND d.key = f.key
"""
RULE_ROWS = ", ".join(f"('{kind}', '{rule.severity}', {rule.days})" for kind, rule in RULES.items())
# One case a difference; but fees that differ on many lines have one cause, and are one case of the day.
CASES = f"""
INSERT INTO payments_case (kind, subject, severity, amount_fen, evidence, facts, due_at)
SELECT DISTINCT ON (f.kind, f.subject) f.kind, f.subject, r.severity, nullif(f.fen, 0), %(evidence)s, jsonb_build_object(
           'day', %(day)s::text, 'field', f.field, 'file',
           CASE WHEN f.key LIKE 'flow:%%' THEN %(account_file)s::bigint ELSE %(file)s::bigint END) ||
           CASE WHEN f.subject LIKE 'billday:%%' THEN jsonb_build_object(
               'count', count(*) OVER same, 'ours', (sum(f.ours::numeric) FILTER (WHERE f.kind = 'bill_fee') OVER same)::text,
               'theirs', (sum(f.theirs::numeric) FILTER (WHERE f.kind = 'bill_fee') OVER same)::text)
           ELSE jsonb_build_object('ours', f.ours, 'theirs', f.theirs, 'trade_no', f.trade_no, 'out_trade_no', f.out_trade_no,
               'out_request_no', f.out_request_no, 'line_no', f.line_no) END,
       now() + r.days * interval '1 day'
FROM bill_found f JOIN (VALUES {RULE_ROWS}) AS r(kind, severity, days) ON r.kind = f.kind
WHERE f.state = 'case'
WINDOW same AS (PARTITION BY f.kind, f.subject)
ORDER BY f.kind, f.subject, f.key
ON CONFLICT (kind, subject) WHERE state IN ('open', 'assigned') DO NOTHING
"""  # noqa: S608  # our own table
KEEP = """
INSERT INTO payments_difference (day_id, kind, key, state, file_id, line_no, transaction_id, refund_id, trade_no, out_trade_no,
    out_request_no, field, ours, theirs, fen, waits_until, explanation, case_id)
SELECT %(day_id)s, f.kind, left(f.key, 200), f.state, CASE WHEN f.line_no IS NULL THEN NULL
       WHEN f.key LIKE 'flow:%%' THEN %(account_file)s::bigint ELSE %(file)s::bigint END, f.line_no,
       f.transaction_id, f.refund_id, left(f.trade_no, 64), left(f.out_trade_no, 64), left(f.out_request_no, 64), f.field,
       left(f.ours, 100), left(f.theirs, 100), f.fen, CASE WHEN f.state = 'waiting' THEN %(waits_until)s::timestamptz END,
       f.explanation, c.id
FROM bill_found f
LEFT JOIN payments_case c ON f.state = 'case' AND c.kind = f.kind AND c.subject = f.subject AND c.state IN ('open', 'assigned')
ON CONFLICT (day_id, kind, key) DO NOTHING
"""
# What a payment brought, as the bill says: the rest is the merchant's discount.
RECEIPTS = """
WITH locked AS (
    SELECT o.id FROM payments_order o WHERE o.id IN (
        SELECT t.order_id FROM payments_transaction t JOIN bill_found f ON f.transaction_id = t.id WHERE f.kind = 'bill_receipt')
    ORDER BY o.id FOR NO KEY UPDATE
), wrong AS (
    SELECT f.transaction_id, l.line_no, l.receipt_fen FROM bill_found f
    JOIN payments_statementline l ON l.file_id = %(file)s AND l.line_no = f.line_no AND l.key = f.trade_no || '/交易/'
    WHERE f.kind = 'bill_receipt' AND (SELECT count(*) FROM locked) >= 0
), corrected AS (
    UPDATE payments_transaction t SET receipt_fen = w.receipt_fen, version = t.version + 1
    FROM wrong w, payments_transaction was
    WHERE t.id = w.transaction_id AND was.id = t.id AND t.state = 'paid' AND w.receipt_fen BETWEEN 0 AND t.amount_fen
    RETURNING t.id, t.receipt_fen - was.receipt_fen AS more, w.line_no
), noted AS (
    INSERT INTO payments_auditevent (subject_kind, subject_id, action, state, actor, cause)
    SELECT 'transaction', id, 'receipt_corrected', '', 'bill', %(evidence)s FROM corrected
)
INSERT INTO payments_transfer (transaction_id, cause, debit, credit, fen, evidence)
SELECT id, 'correct', CASE WHEN more > 0 THEN 'alipay_receivable' ELSE 'merchant_discount' END,
       CASE WHEN more > 0 THEN 'merchant_discount' ELSE 'alipay_receivable' END, abs(more), %(evidence)s || '/' || line_no
FROM corrected WHERE more <> 0
"""
# What could be booked from the bill: payments that nobody told us of, refunds made elsewhere or in doubt here.
TO_BOOK = """
SELECT DISTINCT ON (f.kind, f.out_trade_no, name) f.kind, l.trade_no, l.out_trade_no, name, abs(l.fen), l.receipt_fen,
       l.happened_at, coalesce(t.app_id, %(app_id)s), f.transaction_id, f.refund_id, %(name)s || l.line_no
FROM bill_found f
JOIN payments_statementline l ON l.file_id = %(file)s AND l.line_no = f.line_no AND l.key =
     f.trade_no || CASE f.kind WHEN 'payment_not_here' THEN '/交易/' ELSE '/退款/' END || l.request_no
LEFT JOIN bill_named n ON n.line_no = f.line_no
LEFT JOIN payments_transaction t ON t.id = f.transaction_id
LEFT JOIN payments_refund r ON r.id = f.refund_id, LATERAL coalesce(n.request_no, f.out_request_no) AS name
WHERE (f.kind = 'payment_not_here' AND l.fen > 0 AND (t.id IS NULL OR (
           t.amount_fen = l.fen AND coalesce(t.trade_no, l.trade_no) = l.trade_no AND t.out_trade_no = l.out_trade_no)))
   OR (f.kind IN ('refund_not_here', 'unknown_refund') AND l.fen < 0 AND (
           r.id IS NULL OR (r.amount_fen = -l.fen AND r.state IN ('approved', 'sent'))))
ORDER BY f.kind, f.out_trade_no, name, f.line_no
"""
OURS = """
SELECT count(*), coalesce(sum(fen), 0) FROM (
    SELECT t.amount_fen AS fen FROM payments_transaction t
    WHERE t.state = 'paid' AND t.seller_id = %(seller)s AND t.trade_no IS NOT NULL
      AND t.paid_at >= %(since)s AND t.paid_at < %(until)s
    UNION ALL
    SELECT -r.amount_fen FROM payments_refund r JOIN payments_transaction t ON t.id = r.transaction_id
    WHERE r.state = 'succeeded' AND t.seller_id = %(seller)s AND t.trade_no IS NOT NULL
      AND r.ended_at >= %(since)s AND r.ended_at < %(until)s
) ours
"""
HASH = """
SELECT encode(sha256(convert_to(coalesce(string_agg(
    concat_ws('|', kind, key, line_no, trade_no, out_trade_no, out_request_no, field, ours, theirs, fen), E'\\n'
    ORDER BY kind COLLATE "C", key COLLATE "C"), '') || E'\\n' || %(totals)s, 'UTF8')), 'hex')
FROM payments_difference WHERE day_id = %(day_id)s
"""
# Fees are booked as the bill says, once per file and way to pay: that of the payment, which is one of the day as a rule.
# Added up apart from its INSERT, which would keep it to one process.
FEES = """
SELECT coalesce(t.scene, (SELECT o.scene FROM payments_transaction o WHERE o.trade_no = l.trade_no), 'other') AS channel,
       sum(l.fee_fen)::bigint AS fen
FROM payments_statementline l LEFT JOIN payments_transaction t
  ON t.trade_no = l.trade_no AND t.paid_at >= %(since)s AND t.paid_at < %(until)s
WHERE l.file_id = %(file)s AND l.fee_fen <> 0 AND (l.nth = 1 OR l.line_no = ANY(%(others)s::integer[])) GROUP BY 1
"""
POST_FEES = """
INSERT INTO payments_transfer (bill_file_id, channel, cause, debit, credit, fen, evidence)
SELECT %(file)s, channel, 'fee', CASE WHEN fen < 0 THEN 'fees' ELSE 'alipay_receivable' END,
       CASE WHEN fen < 0 THEN 'alipay_receivable' ELSE 'fees' END, abs(fen), %(evidence)s
FROM unnest(%(channels)s::text[], %(fees)s::bigint[]) AS f(channel, fen) WHERE fen <> 0
ON CONFLICT (bill_file_id, channel, cause, debit) WHERE cause IN ('fee', 'payout') DO NOTHING
"""
PAYOUTS = """
INSERT INTO payments_transfer (bill_file_id, channel, cause, debit, credit, fen, evidence)
SELECT %(account_file)s, '', 'payout', CASE WHEN sum(fen) < 0 THEN 'bank' ELSE 'alipay_receivable' END,
       CASE WHEN sum(fen) < 0 THEN 'alipay_receivable' ELSE 'bank' END, abs(sum(fen)), %(evidence)s
FROM payments_statementline WHERE file_id = %(account_file)s AND nth = 1 AND kind = 'payout' HAVING sum(fen) <> 0
ON CONFLICT (bill_file_id, channel, cause, debit) WHERE cause IN ('fee', 'payout') DO NOTHING
"""
EXPLAIN_WAITING = f"""
UPDATE payments_difference d SET state = 'explained', waits_until = NULL, explanation = 'bill:' || f.id
FROM payments_billday own, payments_billfile f JOIN payments_billday b ON b.id = f.day_id
WHERE d.day_id = own.id AND own.account_id = %(account)s AND d.state IN ('waiting', 'case')
  AND d.kind IN ('payment_not_in_bill', 'refund_not_in_bill')
  AND b.account_id = own.account_id AND b.id <> own.id AND b.day BETWEEN own.day - 14 AND own.day + 1
  AND f.kind = 'trade' AND f.state = 'imported'
  AND ({STANDS_IN_FILE})
RETURNING d.case_id, d.explanation
"""  # noqa: S608  # our own words


class ToBook(NamedTuple):
    """A payment or refund that stands in the bill and not in our books.

    fen   never negative
    line  how other records name the line: "bill-12-345"
    """

    kind: str
    trade_no: str
    out_trade_no: str
    out_request_no: str
    fen: int
    receipt_fen: int | None
    happened_at: datetime
    app_id: str
    transaction_id: int | None
    refund_id: int | None
    line: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one comparison is about.

    file, account_file  the day's bills; None where it had no business or none is wanted
    since, until        the day in Shanghai
    rate                the agreed fee as text, None where it is not looked at
    """

    day: BillDay
    file: BillFile | None
    account_file: BillFile | None
    since: datetime
    until: datetime
    waits_until: datetime
    midnight_s: int
    rate: str | None

    def words(self) -> dict[str, Any]:
        account = self.day.account
        return {
            "file": self.file.pk if self.file else 0, "account_file": self.account_file.pk if self.account_file else 0,
            "name": f"bill-{self.file.pk}-" if self.file else "",
            "evidence": self.file.evidence if self.file else f"billday:{self.day.pk}", "seller": account.seller_id,
            "app_id": account.app_id, "account": account.pk, "day": self.day.day, "day_id": self.day.pk, "since": self.since,
            "until": self.until, "waits_until": self.waits_until, "midnight": self.midnight_s, "rate": self.rate,
        }  # fmt: skip


def find(about: Comparison) -> list[ToBook]:
    """Compare, into a table of this transaction. Returns what could be booked from the bill."""
    words = about.words()
    with connection.cursor() as cursor:
        for limit in LIMITS:
            cursor.execute(f"SET LOCAL {limit}")
        cursor.execute("DROP TABLE IF EXISTS bill_found, bill_rest, bill_named, bill_odd")
        cursor.execute(FOUND)
        for table, statement in (("bill_rest", REST), ("bill_named", NAMED), ("bill_odd", MATCH_PAYMENTS.read_text())):
            cursor.execute(statement, words)
            cursor.execute(f"ANALYZE {table}")
        cursor.execute(MATCH_REFUNDS.read_text(), words)
        cursor.execute(MATCH_TRADE.read_text(), words)
        if about.account_file and about.file:
            cursor.execute(MATCH_ACCOUNT.read_text(), words)
        cursor.execute(TO_BOOK, words)
        return [ToBook._make(row) for row in cursor.fetchall()]


def keep(about: Comparison) -> None:
    """Keep what `find` found and is not kept yet: each as explained, waiting, or a case. Book fees and payouts once."""
    words = about.words()
    with connection.cursor() as cursor:
        for statement in (ELSEWHERE, JUDGE, RECEIPTS, KNOWN, CASES, KEEP):
            cursor.execute(statement, words)
        if about.file:
            _post_fees(cursor, words)
        if about.account_file:
            cursor.execute(PAYOUTS, words)


def _post_fees(cursor: Any, words: dict[str, Any]) -> None:
    cursor.execute("SELECT line_no FROM bill_named WHERE is_another")
    cursor.execute(FEES, {**words, "others": [line_no for (line_no,) in cursor.fetchall()]})
    fees = dict(cursor.fetchall())
    cursor.execute(POST_FEES, {**words, "channels": [*fees], "fees": [*fees.values()]})


def totals(about: Comparison) -> tuple[int, int]:
    """How many payments and refunds we have booked on the day, and their sum, refunds negative."""
    with connection.cursor() as cursor:
        cursor.execute(OURS, about.words())
        count, fen = cursor.fetchone()
    return count, int(fen)


def result_hash(about: Comparison, *, totals: str) -> str:
    """SHA-256 over every difference of the day and its totals: the same however often and with whatever deaths it came about."""
    with connection.cursor() as cursor:
        cursor.execute(HASH, {**about.words(), "totals": totals})
        return str(cursor.fetchone()[0])


def explain_waiting(account_id: int) -> list[tuple[int | None, str]]:
    """Explain differences that another day's bill shows by now. Returns the case and explanation of each."""
    with connection.cursor() as cursor:
        cursor.execute(EXPLAIN_WAITING, {"account": account_id})
        return list(cursor.fetchall())
