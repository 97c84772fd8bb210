"""CHECK constraints in SQL, kept short: PostgreSQL parses them anew for every statement that writes the table.

Each text constant is parsed byte by byte there. Written out by Django's Q, the checks of the tables a notice touches
took a fifth of its time in the database; in these forms they take a twentieth (bench/notify.py).
"""

from django.db.models import BooleanField, CheckConstraint
from django.db.models.expressions import RawSQL


def check(name: str, sql: str) -> CheckConstraint:
    """A constraint named `name` that refuses rows for which `sql` is false. Null counts as true, as always in a CHECK."""
    return CheckConstraint(condition=RawSQL(sql, [], output_field=BooleanField()), name=name)  # noqa: S611  # our own text
