"""What must hold of the audit trail: it is a path in the published graph of states, and ends where the record is."""

from payments.models.states import ENDS, MOVES

TRACED = ("order", "transaction", "refund")
LEGAL = ", ".join(
    f"('{kind}', '{before}', '{after}')" for kind in TRACED for before, after in sorted(MOVES[kind])
)  # fmt: skip
OVER = ", ".join(f"('{kind}', '{state}')" for kind in TRACED for state in ENDS.get(kind, ()))
STEPS = """(
    SELECT subject_kind AS kind, subject_id AS id, action, actor, cause, state,
           lag(state, 1, '') OVER (PARTITION BY subject_kind, subject_id ORDER BY e.id) AS before
    FROM {audit} e WHERE state <> '' AND subject_kind IN ('order', 'transaction', 'refund')
)"""

RULES: dict[str, str] = {
    "I-17": f"""
        SELECT kind || ':' || id FROM {STEPS} step WHERE (kind, before, state) NOT IN ({LEGAL})
        UNION
        SELECT kind || ':' || id FROM (
            SELECT 'order' AS kind, id, state FROM {{orders}} o
            UNION ALL SELECT 'transaction', id, state FROM {{transactions}} t
            UNION ALL SELECT 'refund', id, state FROM {{refunds}} r
        ) record LEFT JOIN LATERAL (
            SELECT e.state AS last FROM payments_auditevent e
            WHERE e.subject_kind = record.kind AND e.subject_id = record.id AND e.state <> '' ORDER BY e.id DESC LIMIT 1
        ) trail ON true WHERE record.state IS DISTINCT FROM trail.last""",
    # every change has one event, with who did it; paying happens once
    "I-18": """
        SELECT 'event:' || e.id FROM {audit} e WHERE e.state <> '' AND e.actor = ''
        UNION ALL
        SELECT subject_kind || ':' || subject_id FROM {audit} e
        WHERE (subject_kind, state) IN (
            ('transaction', 'paid'), ('refund', 'succeeded'), ('order', 'paid'), ('order', 'refunded'))
        GROUP BY subject_kind, subject_id, state HAVING count(*) > 1""",
    # what is over stays over
    "I-19": f"""
        SELECT kind || ':' || id FROM {STEPS} step WHERE (kind, before) IN ({OVER})
           OR (kind = 'order' AND before = 'closed' AND cause = '')""",
}
