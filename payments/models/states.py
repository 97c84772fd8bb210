"""The published graph of states: every legal move of an order, a transaction, a refund and the others. See docs/states.md.

The database refuses a row any other move (triggers, from migration 0013 on), and the audit trail must be a path in this
graph (I-17).
"" stands for "not there yet". A move from a state to itself is something that happened without changing it.
"""

Moves = frozenset[tuple[str, str]]

MOVES: dict[str, Moves] = {
    "order": frozenset({
        ("", "awaiting_payment"), ("awaiting_payment", "awaiting_payment"), ("awaiting_payment", "paid"),
        ("awaiting_payment", "closed"), ("closed", "awaiting_payment"),  # the last one: late money is honoured
        ("paid", "partly_refunded"), ("paid", "refunded"), ("partly_refunded", "refunded"),
    }),
    "transaction": frozenset({
        ("", "created"), ("", "paid"),  # paid from the start: recorded by hand, or money of no order
        ("created", "presented"), ("created", "paid"), ("created", "closed"), ("presented", "presented"),
        ("presented", "paid"), ("presented", "closed"), ("closed", "paid"),
    }),
    "refund": frozenset({
        ("", "requested"), ("", "succeeded"),  # made elsewhere: a fact from the start
        ("requested", "approved"), ("requested", "rejected"), ("requested", "lapsed"), ("approved", "sent"),
        ("approved", "succeeded"), ("approved", "failed"), ("approved", "lapsed"), ("sent", "succeeded"), ("sent", "failed"),
    }),
    "refundbatch": frozenset({
        ("", "draft"), ("draft", "asking"), ("asking", "asked"), ("asked", "approving"), ("approving", "approved"),
        ("approving", "asked"),  # its approver may no longer approve: another must
        ("asking", "stopping"), ("asked", "stopping"), ("approving", "stopping"), ("approved", "stopping"),
        ("stopping", "stopped"),
    }),
    "case": frozenset({
        ("", "open"), ("open", "assigned"), ("assigned", "open"), ("open", "resolved"), ("open", "written_off"),
        ("assigned", "resolved"), ("assigned", "written_off"),
    }),
    "billday": frozenset({
        ("", "expected"), ("expected", "fetching"), ("fetching", "expected"), ("fetching", "imported"), ("expected", "imported"),
        ("imported", "matched"), ("matched", "closed"), ("matched", "imported"),  # the last one: to be compared once more
    }),
    "billfile": frozenset({
        ("", "kept"), ("", "imported"), ("kept", "imported"), ("kept", "refused"), ("refused", "kept"),
    }),
    "difference": frozenset({
        ("", "waiting"), ("", "case"), ("waiting", "explained"), ("waiting", "case"), ("case", "explained"),
    }),
}  # fmt: skip
ENDS = {
    "order": ("refunded",),
    "refund": ("succeeded", "failed", "rejected", "lapsed"),
    "refundbatch": ("stopped",),
    "case": ("resolved", "written_off"),
    "billday": ("closed",),
    "billfile": ("imported",),
    "difference": ("explained",),
}
